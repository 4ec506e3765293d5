package server

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// phase is what a connection is doing. A connection beyond the limit makes room
// for itself by closing another: one of the user who has the most, of these one
// in the first phase of this order, of these the one that has been in it for
// longest. One that is busy is never closed.
type phase uint8

const (
	waiting phase = iota // for the head of a request: idle, or slower than everybody else
	reading              // the body of one
	parked               // an answer that comes when something happens: events, a change's end
	writing              // an answer that is there, and that the peer may be slow to read
	busy                 // in a handler
	phases
)

var phaseNames = [phases]string{waiting: "waiting", reading: "reading", parked: "parked", writing: "writing", busy: "busy"}

// A conn is one connection and who is at its other end, read once, when it came.
type conn struct {
	identity api.Identity

	table *connTable
	raw   net.Conn
	phase phase
	since time.Time
}

// connTable knows all connections. Its cost is one short lock a state change,
// and a walk over all when it is full and a new one comes.
type connTable struct {
	max int

	mu      sync.Mutex
	conns   map[net.Conn]*conn
	held    map[uint32]int // connections by uid
	evicted uint64
}

func newConnTable(limit int) *connTable {
	return &connTable{max: limit, conns: make(map[net.Conn]*conn), held: make(map[uint32]int)}
}

// add takes in a new connection, at the expense of the one that is least worth
// keeping. It tells whether there was room.
func (t *connTable) add(c *conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.conns) >= t.max {
		victim := t.victim()
		if victim == nil {
			return false
		}
		t.evicted++
		t.remove(victim)
		victim.raw.Close()
	}
	c.table, c.since = t, time.Now()
	t.conns[c.raw] = c
	t.held[c.identity.UID]++
	return true
}

func (t *connTable) remove(c *conn) {
	delete(t.conns, c.raw)
	if t.held[c.identity.UID]--; t.held[c.identity.UID] == 0 {
		delete(t.held, c.identity.UID)
	}
}

func (t *connTable) victim() *conn {
	var victim *conn
	for _, c := range t.conns {
		if c.phase != busy && (victim == nil || t.before(c, victim)) {
			victim = c
		}
	}
	return victim
}

// before tells whether a is to go rather than b.
func (t *connTable) before(a, b *conn) bool {
	return cmp.Or(
		cmp.Compare(t.held[b.identity.UID], t.held[a.identity.UID]),
		cmp.Compare(a.phase, b.phase),
		a.since.Compare(b.since),
	) < 0
}

// track follows the states that net/http reports.
func (t *connTable) track(raw net.Conn, state http.ConnState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.conns[raw]
	switch {
	case c == nil:
	case state == http.StateIdle:
		c.phase, c.since = waiting, time.Now()
	case state == http.StateActive:
		c.phase, c.since = busy, time.Now()
	case state == http.StateClosed, state == http.StateHijacked:
		t.remove(c)
	}
}

// closeWaiting closes the connections on which no request has come.
func (t *connTable) closeWaiting() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.conns {
		if c.phase == waiting {
			c.raw.Close()
		}
	}
}

// count returns how many connections are in each phase, and how many were closed to make room.
func (t *connTable) count() (counts [phases]int, evicted uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.conns {
		counts[c.phase]++
	}
	return counts, t.evicted
}

// enter puts the connection into a phase until leave is called.
func (c *conn) enter(p phase) (leave func()) {
	c.set(p)
	return func() { c.set(busy) }
}

// answering notes that what the connection waits for, if for anything, is its peer.
func (c *conn) answering() {
	if c.table == nil {
		return
	}
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	if c.phase == busy {
		c.phase, c.since = writing, time.Now()
	}
}

func (c *conn) set(p phase) {
	if c.table == nil { // a request without a connection, in tests
		return
	}
	c.table.mu.Lock()
	c.phase, c.since = p, time.Now()
	c.table.mu.Unlock()
}

type connKey struct{}

// connOf is the connection that a request came by.
func connOf(r *http.Request) *conn {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		return c
	}
	return &conn{} // nobody, with no role
}

func withConn(ctx context.Context, c *conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}
