package tufrepo_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
)

// wire is a server that writes bytes of its own to each connection, after it has
// read a request, and closes it.
func wire(t *testing.T, answer func(w io.Writer, connection int)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				readRequest(c)
				answer(c, n)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func readRequest(c net.Conn) {
	var seen []byte
	b := make([]byte, 4096)
	for !bytes.Contains(seen, []byte("\r\n\r\n")) {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		seen = append(seen, b[:n]...)
	}
}

func remote(t *testing.T, address string, o tufrepo.RemoteOptions) tufrepo.Source {
	t.Helper()
	s, err := tufrepo.Remote(address, address, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const wireBody = `{"signed": {"version": 1}, "signatures": []}`

// answers are one body in the ways in which HTTP can frame it.
var answers = map[string]string{
	"length":  fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(wireBody), wireBody),
	"chunked": fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(wireBody), wireBody),
}

// A server that dies after any of the bytes it would send has sent nothing; the
// next try gets the file.
func TestServerDiesAtEveryByte(t *testing.T) {
	for framing, answer := range answers {
		t.Run(framing, func(t *testing.T) {
			t.Parallel()
			once := quick()
			once.Tries = 1
			for cut := range len(answer) {
				address := wire(t, func(w io.Writer, n int) {
					if n > 0 {
						_, _ = io.WriteString(w, answer)
						return
					}
					_, _ = io.WriteString(w, answer[:cut])
				})
				data, err := remote(t, address, once).Metadata(t.Context(), "timestamp.json", 1<<20)
				if !errors.Is(err, tufrepo.ErrNetwork) {
					t.Errorf("cut at %d: %q, %v; want a network failure", cut, data, err)
				}
			}
			for _, cut := range []int{0, 5, 16, 30, len(answer) - 10, len(answer) - 1} {
				address := wire(t, func(w io.Writer, n int) {
					if n > 0 {
						cut = len(answer)
					}
					_, _ = io.WriteString(w, answer[:cut])
				})
				data, err := remote(t, address, quick()).Metadata(t.Context(), "timestamp.json", 1<<20)
				if err != nil || string(data) != wireBody {
					t.Errorf("tried again after a cut: %q, %v", data, err)
				}
			}
		})
	}
}

// Answers that no honest server gives are refused, soon, and none is believed.
func TestNonsenseOnTheWire(t *testing.T) {
	header := "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n"
	for name, answer := range map[string]func(w io.Writer){
		"not HTTP":          func(w io.Writer) { _, _ = io.WriteString(w, "220 welcome to the mail server\r\n") },
		"two lengths":       func(w io.Writer) { _, _ = io.WriteString(w, header+"Content-Length: 7\r\n\r\n"+wireBody) },
		"negative length":   func(w io.Writer) { _, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"+wireBody) },
		"length of a word":  func(w io.Writer) { _, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: all\r\n\r\n"+wireBody) },
		"endless headers":   func(w io.Writer) { forever(w, "HTTP/1.1 200 OK\r\n", strings.Repeat("X-A: b\r\n", 1000)) },
		"endless header":    func(w io.Writer) { forever(w, "HTTP/1.1 200 OK\r\nX-A: ", strings.Repeat("b", 8000)) },
		"endless continues": func(w io.Writer) { forever(w, "", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100)) },
		"headers drip":      func(w io.Writer) { drip(w, "HTTP/1.1 200 OK\r\nX-A: ") },
		"chunks of no size": func(w io.Writer) {
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
		},
		"endless trailers": func(w io.Writer) {
			forever(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", strings.Repeat("X-A: b\r\n", 1000))
		},
		"chunk drips": func(w io.Writer) { drip(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := wire(t, func(w io.Writer, _ int) { answer(w) })
			o := impatient()
			o.Tries = 1
			data, err := remote(t, address, o).Metadata(t.Context(), "timestamp.json", 1<<20)
			if !errors.Is(err, tufrepo.ErrNetwork) {
				t.Errorf("%q, %v; want a network failure", data, err)
			}
		})
	}
}

func forever(w io.Writer, first, more string) {
	_, err := io.WriteString(w, first)
	for err == nil {
		_, err = io.WriteString(w, more)
	}
}

func drip(w io.Writer, first string) {
	_, err := io.WriteString(w, first)
	for err == nil {
		time.Sleep(5 * time.Millisecond)
		_, err = io.WriteString(w, "b")
	}
}

// A file that comes steadily, but so slowly that it would take hours, is given
// up: whoever waits for metadata holds the lock that others wait for.
func TestSlowMetadata(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for req.Context().Err() == nil {
			_, _ = w.Write(bytes.Repeat([]byte(" "), 20<<10))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	}))
	t.Cleanup(server.Close)
	o := quick()
	o.Idle, o.Tries = 200*time.Millisecond, 1000
	began := time.Now()
	_, err := remote(t, server.URL, o).Metadata(t.Context(), "timestamp.json", 1<<40)
	if !errors.Is(err, tufrepo.ErrNetwork) || !strings.Contains(err.Error(), "too slow") {
		t.Errorf("after %v: %v, want too slow", time.Since(began), err)
	}
}

// What each status means, for metadata and for targets.
func TestStatus(t *testing.T) {
	kinds := map[error][]int{
		tufrepo.ErrNotFound: {403, 404, 410},
		tufrepo.ErrNetwork:  {408, 429, 500, 501, 502, 503, 504, 507, 511, 599},
		tufrepo.ErrMalformed: {
			201, 202, 203, 204, 205, 206, 207, 226, 300, 304, 305, 400, 401, 402, 405, 406, 407, 409, 411, 412, 413, 414, 416, 418, 421, 425, 431, 451, 499,
		},
	}
	for kind, list := range kinds {
		for _, status := range list {
			t.Run(strconv.Itoa(status), func(t *testing.T) {
				t.Parallel()
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(status)
					if status != 204 && status != 304 {
						_, _ = io.WriteString(w, wireBody)
					}
				}))
				t.Cleanup(server.Close)
				s := remote(t, server.URL, quick())
				if data, err := s.Metadata(t.Context(), "timestamp.json", 1<<20); !errors.Is(err, kind) {
					t.Errorf("metadata: %q, %v; want %v", data, err, kind)
				}
				body, err := s.Target(t.Context(), tufrepo.Fetch{Name: "x", Length: int64(len(wireBody))})
				if body != nil {
					_ = body.Close()
				}
				if err == nil || kind != tufrepo.ErrMalformed && !errors.Is(err, kind) {
					t.Errorf("target: %v, want %v", err, kind)
				}
			})
		}
	}
}

// Redirects lead to other servers, as mirrors do, but nowhere else; what proves
// who we are stays behind.
func TestRedirects(t *testing.T) {
	repo := tufrepotest.New(t)
	var mu sync.Mutex
	var leaked string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		leaked += req.Header.Get("Authorization") + req.Header.Get("Cookie") + req.URL.RawQuery
		mu.Unlock()
		repo.ServeHTTP(w, req)
	}))
	t.Cleanup(elsewhere.Close)
	other := strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)
	for name, test := range map[string]struct {
		to   string
		kind error
	}{
		"another host":      {other, nil},
		"a file":            {"file:///etc/hostname", tufrepo.ErrMalformed},
		"another protocol":  {"ftp://127.0.0.1/", tufrepo.ErrMalformed},
		"nowhere":           {"", tufrepo.ErrMalformed},
		"no address at all": {"http://[", tufrepo.ErrNetwork},
		"no host":           {"http:///x", tufrepo.ErrNetwork},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				w.Header().Set("Set-Cookie", "cookie=secret")
				if test.to != "" {
					w.Header().Set("Location", test.to+strings.TrimPrefix(req.URL.Path, "/x"))
				}
				w.WriteHeader(http.StatusFound)
			}))
			t.Cleanup(server.Close)
			o := quick()
			o.Query = func() url.Values { return url.Values{"seed": {"7"}} }
			s := remote(t, strings.Replace(server.URL, "http://", "http://user:secret@", 1)+"/x/metadata", o)
			_, err := tufrepo.Open(t.Context(), s, tufrepo.Options{TrustedRoot: repo.Root()})
			if !errors.Is(err, test.kind) || err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want %v", err, test.kind)
			}
		})
	}
	if leaked != "" {
		t.Errorf("the other host was told %q", leaked)
	}
}

// From https nothing leads to http, not even by way of https.
func TestRedirectToPlainHTTP(t *testing.T) {
	repo := tufrepotest.New(t)
	var secure *httptest.Server
	secure = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if path, ok := strings.CutPrefix(req.URL.Path, "/first"); ok {
			http.Redirect(w, req, secure.URL+path, http.StatusFound)
			return
		}
		http.Redirect(w, req, repo.URL+req.URL.Path, http.StatusFound)
	}))
	t.Cleanup(secure.Close)
	o := quick()
	o.TLS = secure.Client().Transport.(*http.Transport).TLSClientConfig
	_, err := tufrepo.Open(t.Context(), remote(t, secure.URL+"/first/metadata", o), tufrepo.Options{TrustedRoot: repo.Root()})
	if err == nil || !strings.Contains(err.Error(), "redirected from https to http") {
		t.Errorf("%v, want a refusal", err)
	}
}

// A proxy that refuses, talks nonsense or pretends to be the server gets
// nothing, and is not gone round.
func TestLyingProxies(t *testing.T) {
	repo := tufrepotest.New(t)
	secure := httptest.NewTLSServer(repo)
	t.Cleanup(secure.Close)
	impostor := httptest.NewUnstartedServer(repo)
	impostor.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	impostor.StartTLS()
	t.Cleanup(impostor.Close)
	connectTo := func(address string) func(io.Writer, int) {
		return func(w io.Writer, _ int) {
			server, err := net.Dial("tcp", strings.TrimPrefix(address, "https://"))
			if err != nil {
				return
			}
			defer server.Close()
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\n\r\n")
			go func() { _, _ = io.Copy(server, w.(io.Reader)) }()
			_, _ = io.Copy(w, server)
		}
	}
	say := func(text string) func(io.Writer, int) {
		return func(w io.Writer, _ int) { _, _ = io.WriteString(w, text) }
	}
	for name, test := range map[string]struct {
		proxy func(io.Writer, int)
		want  string // of the error; none: it works
	}{
		"honest":              {connectTo(secure.URL), ""},
		"wants a password":    {say("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), "Proxy Authentication Required"},
		"is in trouble":       {say("HTTP/1.1 502 Bad Gateway\r\n\r\n"), "Bad Gateway"},
		"says nothing":        {func(io.Writer, int) {}, "EOF"},
		"talks nonsense":      {say("hello\r\n\r\n"), "malformed HTTP"},
		"answers in the open": {say("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), "no answer"},
		"is the server":       {connectTo(impostor.URL), "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			o := quick()
			o.Tries = 1
			o.Proxy = &tufrepo.Proxy{URL: wire(t, test.proxy)}
			o.TLS = secure.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			o.TLS.ServerName = "example.com" // which the test's certificate is for
			s := remote(t, "https://repo.example/metadata", o)
			_, err := tufrepo.Open(t.Context(), s, tufrepo.Options{TrustedRoot: repo.Root()})
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (!errors.Is(err, tufrepo.ErrNetwork) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// A proxy of plain http can alter everything, and gets no further than a server that does.
func TestTamperingProxy(t *testing.T) {
	repo := tufrepotest.New(t)
	repo.AddTarget("targets", "image", image())
	repo.Publish("targets", "snapshot", "timestamp")
	tamper := ""
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answer := httptest.NewRecorder()
		req.URL.Host = ""
		repo.ServeHTTP(answer, req)
		body := answer.Body.Bytes()
		if strings.Contains(req.URL.Path, tamper) && len(body) > 0 {
			body[len(body)/3] ^= 1
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body)
	}))
	t.Cleanup(proxy.Close)
	o := quick()
	o.Proxy = &tufrepo.Proxy{URL: proxy.URL}
	s, err := tufrepo.Remote("http://repo.example/metadata", "http://repo.example/targets", o)
	if err != nil {
		t.Fatal(err)
	}
	for _, tamper = range []string{"timestamp.json", "snapshot.json", "targets.json", ".image"} {
		r, err := tufrepo.Open(t.Context(), s, tufrepo.Options{TrustedRoot: repo.Root()})
		if err == nil {
			_, err = read(context.Background(), r)
		}
		if err == nil || errors.Is(err, tufrepo.ErrNetwork) {
			t.Errorf("%s altered: %v, want a refusal", tamper, err)
		}
	}
}

// selfSigned is the certificate of nobody.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
