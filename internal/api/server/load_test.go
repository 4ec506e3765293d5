package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// TestCrowd lets 2,000 idle and 500 slow peers hold on to whatever they get,
// coming back when they are thrown out; somebody with a real request must
// still be answered before any of them runs out of time, each time on a new
// connection.
func TestCrowd(t *testing.T) {
	w := newWorld(t)
	ctx, leave := context.WithCancel(t.Context())
	var crowd sync.WaitGroup
	defer crowd.Wait()
	defer leave()
	for range 2000 {
		crowd.Go(func() { w.linger(ctx, "") })
	}
	for i := range 500 {
		head := "GET /settings HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if i%2 == 0 {
			head = "PATCH /settings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
		}
		crowd.Go(func() { w.linger(ctx, head) })
	}
	await(t, "a full table", func() bool {
		counts, evicted := w.conns.count()
		return counts[waiting]+counts[reading]+counts[busy] >= defaultMaxConns && evicted > 1000
	})
	var slowest time.Duration
	for range 50 {
		began := time.Now()
		if got := w.do("GET", "/settings", ""); got.Status != http.StatusOK {
			t.Fatalf("status %d", got.Status)
		}
		slowest = max(slowest, time.Since(began))
		w.client.CloseIdleConnections()
	}
	t.Logf("slowest of 50 answers: %v", slowest)
	if slowest > headTime {
		t.Errorf("an answer took %v", slowest)
	}
}

// linger connects, sends a beginning, then a letter every second, and comes back two seconds after it was closed.
func (w *world) linger(ctx context.Context, head string) {
	for ctx.Err() == nil {
		w.hold(ctx, head)
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

// hold keeps one connection until the server closes it or ctx ends.
func (w *world) hold(ctx context.Context, head string) {
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	defer c.Close()
	_, err = io.WriteString(c, head)
	if head == "" {
		_, _ = c.Read(make([]byte, 1))
	}
	for err == nil && ctx.Err() == nil {
		time.Sleep(time.Second)
		_, err = io.WriteString(c, "x")
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
	}
}

func TestVictims(t *testing.T) {
	now := time.Now()
	table := newConnTable(3)
	at := func(p phase, age time.Duration) *conn {
		a, b := net.Pipe()
		t.Cleanup(func() { a.Close(); b.Close() })
		c := &conn{raw: a}
		table.add(c)
		c.phase, c.since = p, now.Add(-age)
		return c
	}
	old, parkedOne, busyOne := at(reading, time.Minute), at(parked, time.Hour), at(busy, time.Hour)
	if got := table.victim(); got != old {
		t.Errorf("the slow body is not the first to go, but %+v", got)
	}
	idle := &conn{raw: pipe(t)}
	if !table.add(idle) || table.conns[old.raw] != nil {
		t.Error("no room was made")
	}
	idle.phase = busy
	if got := table.victim(); got != parkedOne {
		t.Errorf("the waiting one is not next, but %+v", got)
	}
	parkedOne.phase = busy
	if table.add(&conn{raw: pipe(t)}) {
		t.Error("a busy connection was closed")
	}
	if len(table.conns) != 3 || table.conns[busyOne.raw] == nil {
		t.Errorf("table: %v", table.conns)
	}
}

// TestGreedyUsersLoseFirst: however long somebody else's only connection has been idle.
func TestGreedyUsersLoseFirst(t *testing.T) {
	table := newConnTable(3)
	for i, uid := range []uint32{1, 2, 2} {
		c := &conn{raw: pipe(t), identity: api.Identity{Caller: api.Caller{UID: uid}}}
		table.add(c)
		c.since = time.Now().Add(time.Duration(i-10) * time.Minute)
	}
	if got := table.victim(); got.identity.UID != 2 {
		t.Errorf("uid %d loses its only connection", got.identity.UID)
	}
}

// TestHugeBodies: those that say their length, those that do not, and a client that sends all before it reads.
func TestHugeBodies(t *testing.T) {
	w := newWorld(t)
	fits := `{"motd": "` + strings.Repeat("x", maxBody-12) + `"}`
	if got := w.do("PATCH", "/settings?tx=h", fits); got.Status != http.StatusNoContent {
		t.Errorf("a body of exactly the limit: %d %.200s", got.Status, got.Body)
	}
	got := w.do("PATCH", "/settings?tx=h", fits+" ")
	if want := "JSON payload (2097153 bytes) is larger than allowed (limit: 2097152 bytes)."; got.Status != 413 || got.Body != want || got.Type != plainType[0] {
		t.Errorf("one byte more: %d %q %q", got.Status, got.Type, got.Body)
	}
	request, err := http.NewRequest("PATCH", "http://localhost/settings", io.MultiReader(strings.NewReader(fits), strings.NewReader(" ")))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := w.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if want := "JSON payload has exceeded limit (2097152 bytes)."; response.StatusCode != 413 || string(text) != want {
		t.Errorf("chunked: %d %q", response.StatusCode, text)
	}
	naive := "PATCH /settings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8000000\r\n\r\n"
	if got := w.raw(naive + strings.Repeat("x", 8000000)); got != "HTTP/1.1 413 Request Entity Too Large" {
		t.Errorf("sent all before reading: %s", got)
	}
}

// TestGoroutinesEnd: what a stopped server leaves behind.
func TestGoroutinesEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("one server", func(t *testing.T) {
		w := newWorld(t)
		w.watch("/events")
		w.do("GET", "/settings", "")
	})
	await(t, "end of goroutines", func() bool { return runtime.NumGoroutine() <= before })
}

// benchmarks of GET /settings and of a handler that answers the same bytes.

type floor struct{ doc []byte }

func (f floor) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(f.doc)
}

// BenchmarkGetSettings compares over the socket: the ratio of the two is the budget (0.8).
func BenchmarkGetSettings(b *testing.B) {
	w := newWorld(b)
	bare := &http.Server{Handler: floor{w.Store.Snapshot().JSON()}}
	socket := w.socket + ".bare"
	l, err := net.Listen("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = bare.Serve(l) }()
	defer bare.Close()
	// The two take turns, so that whatever else the machine does hits both.
	ours, floor := newPeer(b, w.socket), newPeer(b, socket)
	var took, floorTook time.Duration
	for b.Loop() {
		took += ours.get(b)
		floorTook += floor.get(b)
	}
	b.ReportMetric(float64(floorTook)/float64(took), "ratio")
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/ours")
	b.ReportMetric(float64(floorTook.Nanoseconds())/float64(b.N), "ns/floor")
}

// peer is a client that costs nearly nothing: it writes one request and reads one answer.
type peer struct {
	c    net.Conn
	size int
	buf  []byte
}

const batch = 16

func newPeer(b *testing.B, socket string) *peer {
	c, err := net.Dial("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	p := &peer{c: c, buf: make([]byte, 1<<20)}
	if _, err := io.WriteString(c, benchRequest); err != nil {
		b.Fatal(err)
	}
	n, err := c.Read(p.buf)
	if err != nil {
		b.Fatal(err)
	}
	p.size = n
	return p
}

const benchRequest = "GET /settings HTTP/1.1\r\nHost: localhost\r\n\r\n"

func (p *peer) get(b *testing.B) time.Duration {
	began := time.Now()
	for range batch {
		if _, err := io.WriteString(p.c, benchRequest); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(p.c, p.buf[:p.size]); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}
