package server

import (
	"context"
	"net/http"

	"github.com/hostler-os/hostler/internal/api"
)

// Updates is who updates the host. Its errors are as the reference words them.
type Updates interface {
	// Do begins a command, such as [api.UpdateRefresh]; it goes on when Do has returned.
	Do(ctx context.Context, command string) error
	Status(ctx context.Context) (api.UpdateStatus, error)
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

func (s *Server) updateStatus(w http.ResponseWriter, r *http.Request) error {
	status, err := s.Updates.Status(r.Context())
	if err != nil {
		return err
	}
	return answer(w, status)
}
