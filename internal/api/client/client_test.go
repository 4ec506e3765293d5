package client_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
)

// serve answers requests on a socket of its own and returns a client of it.
func serve(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return &client.Client{Socket: socket}
}

// serveRaw talks to each connection itself, after its first bytes have come.
func serveRaw(t *testing.T, talk func(net.Conn)) *client.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.Read(make([]byte, 4096))
				talk(conn)
			}()
		}
	}()
	return &client.Client{Socket: socket}
}

func TestErrorsCrossTheSocket(t *testing.T) {
	tests := []struct {
		name   string
		status int
		header map[string]string
		body   string
		want   api.Error
	}{
		{
			"ours", 400,
			map[string]string{"Content-Type": "application/json"},
			`{"code": "invalid-value", "message": "not a URL", "key": "settings.a", "hint": "try b"}`,
			api.Error{Code: api.CodeInvalidValue, Message: "not a URL", Key: "settings.a", Hint: "try b"},
		},
		{
			"the reference's", 400,
			map[string]string{"Hostler-Error-Code": "unknown-key", "Hostler-Error-Key": "settings.%22a.b%22", "Hostler-Error-Hint": "did you mean %C3%A9?"},
			"unknown field",
			api.Error{Code: api.CodeUnknownKey, Message: "unknown field", Key: `settings."a.b"`, Hint: "did you mean é?"},
		},
		{"bare text", 422, nil, "Tried to commit with no pending changes", api.Error{Code: api.CodeNothingPending, Message: "Tried to commit with no pending changes"}},
		{"nothing", 404, nil, "", api.Error{Code: api.CodeNotFound, Message: "404 not found"}},
		{"locked", 423, nil, "Update lock held", api.Error{Code: api.CodeLocked, Message: "Update lock held"}},
		{"JSON that is no error", 500, map[string]string{"Content-Type": "application/json"}, `["x"]`, api.Error{Code: api.CodeInternal, Message: `["x"]`}},
		{"bad encoding", 403, map[string]string{"Hostler-Error-Hint": "100%"}, "no", api.Error{Code: api.CodeForbidden, Message: "no", Hint: "100%"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Content-Type"] = nil
				for name, value := range tt.header {
					w.Header().Set(name, value)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			})
			_, err := c.Request(t.Context(), "GET", "/x", nil)
			got := new(api.Error)
			if !errors.As(err, &got) {
				t.Fatalf("no api.Error in %v", err)
			}
			if diff := cmp.Diff(*got, tt.want); diff != "" {
				t.Errorf("got - want +:\n%s", diff)
			}
			if want := fmt.Sprintf("Status %d when GETing /x: %s", tt.status, tt.body); err.Error() != want {
				t.Errorf("text %q, want %q", err, want)
			}
		})
	}
}

func TestRequestIsSentVerbatim(t *testing.T) {
	tests := map[string]string{
		`/settings?prefix=a."b&c=%2F%zz+d`: `/settings?prefix=a."b&c=%2F%zz+d`,
		"/a b?c=\u00e9\r\nX: y":            "/a%20b?c=%C3%A9%0D%0AX:%20y",
		"/?prefix=settings.":               "/?prefix=settings.",
		"/x?":                              "/x",
	}
	for uri, want := range tests {
		var got string
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got = r.RequestURI
			if ct := r.Header.Get("Content-Type"); ct != "application/json" {
				t.Errorf("content type %q", ct)
			}
		})
		resp, err := c.Raw(t.Context(), "GET", uri, nil)
		if err != nil || resp.Status != 200 {
			t.Errorf("%q: %v, %v", uri, resp, err)
		}
		if got != want {
			t.Errorf("%q was asked as %q, want %q", uri, got, want)
		}
	}
}

func TestRefusesURIsThatAreNone(t *testing.T) {
	c := &client.Client{Socket: "/nonexistent"}
	for _, uri := range []string{"", "settings", "http://x/", "//host/x", "?x"} {
		_, err := c.Raw(t.Context(), "GET", uri, nil)
		e := new(client.RequestError)
		if !errors.As(err, &e) || e.Step != client.StepBuild {
			t.Errorf("%q: %v", uri, err)
		}
	}
	if _, err := c.Raw(t.Context(), "BAD METHOD", "/", nil); err == nil || !strings.Contains(err.Error(), "build request") {
		t.Errorf("method: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	tests := []struct {
		socket string
		cause  error
		hint   string
	}{
		{filepath.Join(dir, "none.sock"), syscall.ENOENT, "is apiserver running? there is no socket " + dir + "/none.sock"},
		{filepath.Join(dir, strings.Repeat("long/", 40)), syscall.ENOENT, "is apiserver running? there is no socket"},
		{stale, syscall.ECONNREFUSED, "is apiserver running? nobody listens on " + stale},
		{filepath.Join(stale, "x"), syscall.ENOTDIR, "is apiserver running?"},
	}
	for _, tt := range tests {
		_, err := (&client.Client{Socket: tt.socket}).Whoami(t.Context())
		connect, e := new(client.ConnectError), new(api.Error)
		if !errors.As(err, &connect) || !errors.As(err, &e) || !errors.Is(err, tt.cause) {
			t.Errorf("%s: %v", tt.socket, err)
			continue
		}
		if e.Code != api.CodeUnavailable || !strings.HasPrefix(e.Hint, tt.hint) {
			t.Errorf("%s: code %s, hint %q; want hint %q", tt.socket, e.Code, e.Hint, tt.hint)
		}
	}
}

func TestLongSocketPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100), strings.Repeat("e", 100))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// A listener has the same trouble with the length, so it goes there by a link.
	short, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	if err := os.Symlink(dir, short+"/l"); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", short+"/l/api.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "here") }))
	c := &client.Client{Socket: filepath.Join(dir, "api.sock")}
	if _, err := os.Stat(c.Socket); errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	body, err := c.Request(t.Context(), "GET", "/", nil)
	if err != nil || string(body) != "here" {
		t.Errorf("got %q, %v", body, err)
	}
}

// Whatever a server sends, the client says what is wrong and comes back.
func TestBadServers(t *testing.T) {
	tests := map[string]string{
		"closes at once":   "",
		"garbage":          "\x00\xffgarbage\r\n\r\n",
		"other protocol":   "SSH-2.0-x\r\n",
		"half a head":      "HTTP/1.1 200 OK\r\nContent-Le",
		"short body":       "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
		"bad chunks":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"endless head":     "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20),
		"not JSON":         "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<a>",
		"wrong JSON":       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
		"redirect":         "HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n",
		"error, half sent": "HTTP/1.1 500 Oops\r\nContent-Length: 10\r\n\r\nx",
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			c := serveRaw(t, func(conn net.Conn) { conn.Write([]byte(answer)) })
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			id, err := c.Whoami(ctx)
			if err == nil {
				t.Fatalf("got %v, want an error", id)
			}
			if ctx.Err() != nil {
				t.Errorf("took until the deadline: %v", err)
			}
			for e, err := range c.Events(ctx, 0) {
				if err == nil {
					t.Errorf("event %v", e)
				}
			}
		})
	}
}

func TestSilentServerCostsOnlyTheDeadline(t *testing.T) {
	release := make(chan struct{})
	c := serveRaw(t, func(net.Conn) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Health(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestEndlessAnswerIsCutOff(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 1<<20)
		for range 100 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	_, err := c.Request(t.Context(), "GET", "/", nil)
	if err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v", err)
	}
}

func TestWaitAsksUntilTheChangeIsApplied(t *testing.T) {
	states := []api.State{api.StatePlanned, api.StateApplying, api.StateTrying}
	asked := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/changes/7?wait=30s" {
			t.Errorf("asked %s", r.RequestURI)
		}
		fmt.Fprintf(w, `{"id": 7, "state": %q}`, states[asked])
		asked++
	})
	change, err := c.Wait(t.Context(), 7)
	if err != nil || change.State != api.StateTrying || asked != len(states) {
		t.Errorf("got %v, %v after %d requests", change, err, asked)
	}
}

func TestRequestsOfTheMethods(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Method + " " + r.RequestURI
		fmt.Fprint(w, "null")
	})
	ctx := t.Context()
	tests := []struct {
		want string
		call func()
	}{
		{"GET /history?before=9&key=a.%22b.c%22&limit=5", func() { c.History(ctx, `a."b.c"`, 9, 5) }},
		{"GET /history", func() { c.History(ctx, "", 0, 0) }},
		{"GET /origins?prefix=settings.a%26b", func() { c.Origins(ctx, "settings.a&b") }},
		{"GET /origins", func() { c.Origins(ctx, "") }},
		{"GET /explain?key=motd", func() { c.Explain(ctx, "motd") }},
		{"GET /schema", func() { c.Schema(ctx) }},
		{"GET /keys", func() { c.Keys(ctx) }},
		{"GET /whoami", func() { c.Whoami(ctx) }},
		{"GET /health", func() { c.Health(ctx) }},
		{"GET /changes?limit=3", func() { c.Changes(ctx, 0, 3) }},
		{"GET /changes/7", func() { c.Change(ctx, 7) }},
		{"POST /plan", func() { c.Plan(ctx, api.ChangeRequest{}) }},
		{"POST /changes?wait=1m0s", func() { c.Submit(ctx, api.ChangeRequest{}, time.Minute) }},
		{"POST /changes/7/confirm", func() { c.Confirm(ctx, 7) }},
		{"POST /changes/7/undo?wait=0s", func() { c.Undo(ctx, 7, 0) }},
		{"GET /events?change=7", func() {
			for range c.Events(ctx, 7) {
			}
		}},
	}
	for _, tt := range tests {
		if tt.call(); got != tt.want {
			t.Errorf("asked %s, want %s", got, tt.want)
		}
	}
}

func TestEvents(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "\ufeff:hello\r\n\r\nid: 1\rdata: {\"change\":\rdata: {\"id\": 1}}\r\r")
		fmt.Fprint(w, "data:{\"change\": {\"id\": 2}, \"task\": 0}\n\nevent: x\n\ndata: {\"change\": {\"id\": 3}}\n")
	})
	var got []uint64
	for e, err := range c.Events(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Change.ID)
	}
	if diff := cmp.Diff(got, []uint64{1, 2}); diff != "" { // the third was cut off
		t.Errorf("got - want +:\n%s", diff)
	}
}

func TestEventsCanBeLeft(t *testing.T) {
	gone := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		fmt.Fprint(w, "data: {}\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	for range c.Events(t.Context(), 0) {
		break
	}
	<-gone
}

func TestEventsRefused(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	for _, err := range c.Events(t.Context(), 0) {
		e := new(api.Error)
		if !errors.As(err, &e) || e.Code != api.CodeForbidden {
			t.Errorf("got %v", err)
		}
	}
}
