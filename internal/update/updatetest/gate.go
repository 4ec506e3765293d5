package updatetest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// patience is how long a request may take to come.
const patience = 30 * time.Second

// Gate stands before a repository and holds back what a test wants to see under way.
type Gate struct {
	h       *Host
	mu      sync.Mutex
	hold    string // in the path of requests that wait; "": none do
	arrived chan struct{}
	opened  chan struct{}
}

// Gate puts a gate before the host's repository, open, and configures the host to go through it.
func (h *Host) Gate() *Gate {
	h.t.Helper()
	g := &Gate{h: h}
	server := httptest.NewServer(g)
	h.t.Cleanup(server.Close)
	h.Repo.URL = server.URL
	h.Configure("latest")
	return g
}

func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	held := g.hold != "" && strings.Contains(r.URL.Path, g.hold)
	arrived, opened := g.arrived, g.opened
	g.mu.Unlock()
	if held {
		select {
		case arrived <- struct{}{}:
		default:
		}
		select {
		case <-opened:
		case <-r.Context().Done():
			return
		}
	}
	g.h.Repo.ServeHTTP(w, r)
}

// Close holds back requests whose path has that text in it, until open is called.
func (g *Gate) Close(text string) (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	opened := make(chan struct{})
	g.hold, g.arrived, g.opened = text, make(chan struct{}, 1), opened
	open = sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.hold = ""
		close(opened)
	})
	g.h.t.Cleanup(open)
	return open
}

// Await waits until somebody has asked for what is held back.
func (g *Gate) Await() {
	g.h.t.Helper()
	select {
	case <-g.arrived:
	case <-time.After(patience):
		g.h.t.Fatal("nobody asked for what is held back")
	}
}
