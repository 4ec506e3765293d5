package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// heartbeat is how often a silent event stream shows that it lives.
const heartbeat = 15 * time.Second

// A stream writes server-sent events (HTML standard, §9.2).
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	encode  func(context.Context, func() (any, error)) ([]byte, error) // of changes
	id      uint64
}

// newStream begins the answer; what is written from now on goes out at once.
func newStream(w http.ResponseWriter) (*stream, error) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	st := &stream{w: w, control: http.NewResponseController(w)}
	return st, st.control.Flush()
}

func (st *stream) send(text string) error {
	_ = st.control.SetWriteDeadline(time.Now().Add(writeTime)) // test recorders have none
	if _, err := st.w.Write([]byte(text)); err != nil {
		return err
	}
	return st.control.Flush()
}

// event sends a document of JSON, which has no line breaks.
func (st *stream) event(name string, doc []byte) error {
	st.id++
	return st.send(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", st.id, name, doc))
}

func (st *stream) change(ctx context.Context, e api.Event) error {
	doc, err := st.encode(ctx, func() (any, error) { return e, nil })
	if err != nil {
		return err
	}
	return st.event("change", doc)
}

// events streams the life of one change until it is over, or of all changes
// until the peer goes away or the server stops. A stream of one change begins
// with its present state, so whoever comes back has missed nothing that
// matters: Last-Event-ID needs no answer of its own.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	id, err := parseQuery(r.URL.RawQuery).number("change", 0)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	watch := s.Engine.Watch(ctx) // before the present state is read: nothing may fall in between
	first, final, err := s.firstEvent(r, id)
	if err != nil {
		return err
	}
	defer connOf(r).enter(parked)()
	st, err := newStream(w)
	if err != nil {
		return nil // the peer is gone
	}
	st.encode = func(ctx context.Context, work func() (any, error)) ([]byte, error) {
		return s.encodeHeavy(ctx, connOf(r).identity.UID, work)
	}
	if first != nil && (st.event("change", first) != nil || final) {
		return nil
	}
	first = nil // a stream may be long
	st.follow(ctx, watch, id)
	return nil
}

// firstEvent is the present state of the change with this id, none of all changes.
func (s *Server) firstEvent(r *http.Request, id uint64) (doc []byte, final bool, err error) {
	if id == 0 {
		return nil, false, nil
	}
	if err := s.awaitReady(r); err != nil {
		return nil, false, err
	}
	doc, err = s.encodeFor(r, func() (any, error) {
		present, err := s.change(r, strconv.FormatUint(id, 10))
		if err != nil {
			return nil, err
		}
		final = present.State.Final()
		return api.Event{Change: *present}, nil
	})
	return doc, final, err
}

// follow passes events on until the change with this id is over; with id 0, those of all.
func (st *stream) follow(ctx context.Context, watch <-chan api.Event, id uint64) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err = st.send(":\n\n")
		case e, ok := <-watch:
			switch {
			case !ok:
				return
			case id != 0 && e.Change.ID != id:
				continue
			}
			if err = st.change(ctx, e); id != 0 && e.Change.State.Final() {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
