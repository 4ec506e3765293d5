package server

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/hostler-os/hostler/internal/api"
)

func (s *Server) migrations() ([]api.Migration, error) {
	if s.Migrations == nil {
		return nil, nil
	}
	return s.Migrations()
}

func (s *Server) listMigrations(w http.ResponseWriter, _ *http.Request) error {
	all, err := s.migrations()
	if err != nil {
		return err
	}
	newest := append([]api.Migration{}, all...)
	slices.Reverse(newest)
	return answer(w, newest)
}

// judgeMigrations names the last one if it failed, on the version that failed
// and on the one that the host went back to.
func (s *Server) judgeMigrations(h *api.Health) {
	if s.Frozen != nil {
		h.Problems = append(h.Problems, s.Frozen.Message)
	}
	all, err := s.migrations()
	if err != nil {
		h.Problems = append(h.Problems, err.Error())
	}
	if len(all) == 0 || all[len(all)-1].OK() {
		return
	}
	last := all[len(all)-1]
	text := fmt.Sprintf("at %s the settings could not be brought from %s to %s", api.TimeText(last.Started.UTC()), last.From, last.To)
	if last.Error != nil {
		text += ": " + last.Error.Message
	}
	h.Problems = append(h.Problems, text+"; see apiclient status --migrations")
}
