package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestPeersThatHoldOn fills the table with peers that leave a request half
// sent, or its answer unread, whatever the route. A real one gets through.
func TestPeersThatHoldOn(t *testing.T) {
	const get = "GET /settings HTTP/1.1\r\nHost: x\r\n"
	for name, request := range map[string]string{
		"body that no route wants":   get + "Content-Length: 5\r\n\r\n",
		"chunks that no route wants": get + "Transfer-Encoding: chunked\r\n\r\n",
		"body for an unknown path":   "POST /nosuch HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n",
		"rest of a body":             "PATCH /settings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{",
		"wrong type":                 "PATCH /settings HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{",
		"announced stream":           "GET /events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n",
		"closing":                    get + "Connection: close\r\nContent-Length: 5\r\n\r\n",
		"unread answers":             strings.Repeat(get+"\r\n", 200),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.MaxConns = 8 })
			for range 20 {
				c, err := net.Dial("unix", w.socket)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // nobody may be there to read all of it
				_, _ = io.WriteString(c, request)
			}
			time.Sleep(100 * time.Millisecond)
			for range 3 {
				if got, err := w.try("GET", "/whoami", ""); err != nil || got.Status != http.StatusOK {
					t.Fatalf("nobody else is answered: %v %d", err, got.Status)
				}
				w.client.CloseIdleConnections()
			}
		})
	}
}

// TestUnreadAnswers: peers that ask for what is large and do not read it keep
// neither others from the same answer nor, for long, what was worked out for them.
func TestUnreadAnswers(t *testing.T) {
	w := newWorld(t)
	value := strings.Repeat("x", 1<<20)
	for i := range 3 {
		if got := w.do("POST", "/changes?wait=1m", fmt.Sprintf(`{"settings":{"motd":"%d%s"}}`, i, value)); got.Status != http.StatusOK {
			t.Fatalf("got %d %.200s", got.Status, got.Body)
		}
	}
	for i := range 60 {
		c, err := net.Dial("unix", w.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		path := []string{"/history?limit=9", "/changes?limit=9", "/changes/3", "/changes/3?wait=1s", "/events?change=3"}[i%5]
		_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	w.client.Timeout = writeTime - 5*time.Second
	for _, path := range []string{"/history?limit=1", "/changes?limit=1", "/changes/3"} {
		if got, err := w.try("GET", path, ""); err != nil || got.Status != http.StatusOK {
			t.Errorf("%s: %v %d", path, err, got.Status)
		}
	}
	for began := time.Now(); w.unread.Load() > maxUnread; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > writeTime-5*time.Second {
			t.Fatalf("%d bytes are still unread", w.unread.Load())
		}
	}
}

// TestUnwantedBodies: one that is there does no harm to the connection, and
// one that never comes ends it, after the answer.
func TestUnwantedBodies(t *testing.T) {
	w := newWorld(t)
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	answers := bufio.NewReader(c)
	for _, tt := range []struct {
		request string
		closes  bool
	}{
		{"GET /whoami HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", false},
		{"GET /nosuch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", false},
		{"GET /whoami HTTP/1.1\r\nHost: x\r\n\r\n", false},
		{"GET /whoami HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell", true},
	} {
		if _, err := io.WriteString(c, tt.request); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("%q: %v", tt.request, err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Errorf("%q: %v", tt.request, err)
		}
		if response.Close != tt.closes {
			t.Errorf("%q: the connection ends: %v, want %v", tt.request, response.Close, tt.closes)
		}
	}
	if n, err := answers.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("the connection goes on: %d bytes, %v", n, err)
	}
}

// TestExpectedBodies: who asks first whether a body is welcome is told no
// at once, without a call for the body.
func TestExpectedBodies(t *testing.T) {
	w := newWorld(t)
	const ask = "PATCH /settings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
	if got := w.raw(ask + "Content-Length: 20000000\r\n\r\n"); got != "HTTP/1.1 413 Request Entity Too Large" {
		t.Errorf("a body that is too large: %s", got)
	}
	if got := w.raw(ask + "Content-Length: 2\r\n\r\n"); got != "HTTP/1.1 100 Continue" {
		t.Errorf("a welcome body: %s", got)
	}
}
