package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// Updates is who updates the host. Its errors are as the reference words them.
type Updates interface {
	// Do begins a command, such as [api.UpdateRefresh]; it goes on when Do has returned.
	Do(ctx context.Context, command string) error
	// Force lets the release in the spare slot be activated although its migrations
	// failed on a copy of the settings.
	Force(ctx context.Context) error
	Status(ctx context.Context) (api.UpdateStatus, error)
	Overview(ctx context.Context) (api.Updates, error)
	// Event is what those are told who watch; it is asked several times a second.
	Event(ctx context.Context) (api.UpdateEvent, error)
	History() ([]api.UpdateAttempt, error)
	// Cancel asks the command that is under way to stop; it is over some time later.
	Cancel(ctx context.Context) error
}

// updateAction begins a command of an update.
func updateAction(command string) handler {
	return func(s *Server, w http.ResponseWriter, r *http.Request) error {
		if err := s.Updates.Do(context.WithoutCancel(r.Context()), command); err != nil {
			return err
		}
		return noContent(w)
	}
}

// activateUpdate is as the reference's, but for ?force=true.
func (s *Server) activateUpdate(w http.ResponseWriter, r *http.Request) error {
	switch force := parseQuery(r.URL.RawQuery)["force"]; force {
	case "", "false":
	case "true":
		if err := s.Updates.Force(context.WithoutCancel(r.Context())); err != nil {
			return err
		}
	default:
		return &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("force is %q, expected true or false", force)}
	}
	return updateAction(api.UpdateActivate)(s, w, r)
}

func (s *Server) updateStatus(w http.ResponseWriter, r *http.Request) error {
	status, err := s.Updates.Status(r.Context())
	if err != nil {
		return err
	}
	return answer(w, status)
}

func (s *Server) updatesOverview(w http.ResponseWriter, r *http.Request) error {
	overview, err := s.Updates.Overview(r.Context())
	if err != nil {
		return err
	}
	return answer(w, overview)
}

func (s *Server) updateHistory(w http.ResponseWriter, _ *http.Request) error {
	list, err := s.Updates.History()
	if err != nil {
		return err
	}
	return answer(w, list)
}

func (s *Server) cancelUpdate(w http.ResponseWriter, r *http.Request) error {
	if err := s.Updates.Cancel(context.WithoutCancel(r.Context())); err != nil {
		return err
	}
	return noContent(w)
}

// updateLook is how often updates are looked at for somebody who watches.
const updateLook = 250 * time.Millisecond

// updateEvents streams how updates go on, from the present state, until the
// peer goes away or the server stops.
func (s *Server) updateEvents(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	if _, err := s.Updates.Event(ctx); err != nil {
		return err
	}
	defer connOf(r).enter(parked)()
	st, err := newStream(w)
	if err != nil {
		return nil // the peer is gone
	}
	st.followUpdates(ctx, s.Updates)
	return nil
}

// followUpdates sends an event whenever something has moved. If the present state
// cannot be told the stream ends, and the peer, who comes back, is told why.
func (st *stream) followUpdates(ctx context.Context, u Updates) {
	tick := time.NewTicker(updateLook)
	defer tick.Stop()
	var told []byte
	for silent := 0; ; silent++ {
		doc, err := updateEvent(ctx, u)
		switch {
		case err != nil:
		case !bytes.Equal(doc, told):
			err, told, silent = st.event("update", doc), doc, 0
		case silent >= int(heartbeat/updateLook):
			err, silent = st.send(":\n\n"), 0
		}
		if err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func updateEvent(ctx context.Context, u Updates) ([]byte, error) {
	e, err := u.Event(ctx)
	if err != nil {
		return nil, err
	}
	return api.Marshal(e)
}
