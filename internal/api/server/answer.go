package server

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Bounds of what a peer owes when it is being answered.
const (
	restTime  = 2 * time.Second  // for the rest of a body that no handler read
	maxRest   = 256 << 10        // of it; more ends the connection
	writeTime = 30 * time.Second // for reading an answer, or one event of a stream
	hurryTime = 2 * time.Second  // the same for a large one, when there are many
	large     = 64 << 10
	maxUnread = 64 << 20 // bytes of large answers that peers have not read, before they must hurry
)

// answering puts bounds to what net/http does around handlers without any: it
// waits for the rest of a body that nobody read, and for peers that do not read
// what they are told, and would do so for ever.
func (s *Server) answering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &answerer{ResponseWriter: w, conn: connOf(r), unread: &s.unread, expected: r.Header.Get("Expect") != ""}
		a.body.ReadCloser, a.body.ended = r.Body, r.ContentLength == 0
		r.Body = &a.body
		next.ServeHTTP(a, r)
		a.begin() // a handler may have had nothing to say
		if !a.body.ended {
			_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // wait no longer
		}
		a.conn.answering()
	})
}

// answerer sees to the rest of the request before the answer begins, and to
// how long that may take to be read.
type answerer struct {
	http.ResponseWriter
	conn     *conn
	unread   *atomic.Int64 // bytes of large answers, the server's
	body     requestBody
	expected bool // the peer waits to be asked for the body
	begun    bool
}

func (a *answerer) WriteHeader(status int) {
	a.begin()
	a.ResponseWriter.WriteHeader(status)
}

func (a *answerer) Write(b []byte) (int, error) {
	a.begin()
	if size := int64(len(b)); size > large {
		defer a.unread.Add(-size)
		if a.unread.Add(size) > maxUnread {
			_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(time.Now().Add(hurryTime))
		}
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (a *answerer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answerer) begin() {
	if a.begun {
		return
	}
	a.begun = true
	if !a.body.ended && !a.rest() {
		a.Header().Set("Connection", "close")
	}
	_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(time.Now().Add(writeTime))
	a.conn.answering()
}

// rest reads what is left of the body, and tells whether that was all of it.
// What the peer waits to be asked for is not there.
func (a *answerer) rest() bool {
	if a.body.failed || a.expected && !a.body.read {
		return false
	}
	control := http.NewResponseController(a.ResponseWriter)
	_ = control.SetReadDeadline(time.Now().Add(restTime))
	defer control.SetReadDeadline(time.Time{})
	defer a.conn.enter(reading)()
	_, _ = io.CopyN(io.Discard, &a.body, maxRest)
	return a.body.ended
}

// requestBody knows how far it was read.
type requestBody struct {
	io.ReadCloser
	read, ended, failed bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.read = true
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.ended = true
	case err != nil:
		b.failed = true
	}
	return n, err
}
