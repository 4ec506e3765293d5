package server

import (
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/hostler-os/hostler/internal/api"
)

// lint judges a document of user data, as it is: compressed or not.
func (s *Server) lint(w http.ResponseWriter, r *http.Request) error {
	if s.Lint == nil {
		return &api.Error{Code: api.CodeNotImplemented, Message: "this server does not judge user data"}
	}
	doc, err := readBody(w, r)
	if err != nil {
		return err
	}
	result, err := s.Lint(parseQuery(r.URL.RawQuery)["variant"], doc)
	if err != nil {
		return err
	}
	return answer(w, result)
}

func (s *Server) boots() ([]api.Boot, error) {
	if s.Boots == nil {
		return []api.Boot{}, nil
	}
	return s.Boots()
}

func (s *Server) listBoots(w http.ResponseWriter, _ *http.Request) error {
	boots, err := s.boots()
	if err != nil {
		return err
	}
	return answer(w, boots)
}

// lastBoot stands for the number of the newest report.
const lastBoot = "last"

func (s *Server) getBoot(w http.ResponseWriter, r *http.Request) error {
	boots, err := s.boots()
	if err != nil {
		return err
	}
	text := chi.URLParam(r, "id")
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil && text != lastBoot {
		return noBoot(text)
	}
	for _, b := range boots {
		if b.ID == id || text == lastBoot {
			return answer(w, b)
		}
	}
	return noBoot(text)
}

func noBoot(text string) error {
	message := "there is no report of boot " + text
	if text == lastBoot {
		message = "no boot was reported yet"
	}
	return &api.Error{
		Code: api.CodeNotFound, Message: message,
		Hint: "sundog writes one at each boot, hostler sandbox boot DIR in a sandbox; 'apiclient raw -u /boots' lists those that are kept",
	}
}
