package server

import (
	"fmt"
	"net/http"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
)

// Bounds of what health looks at.
const (
	recentChanges = 50
	namedUnfit    = 20
	stuckAfter    = 10 * time.Minute // longer than any restart command may take
)

// Health tells how the server is and what needs somebody's attention.
func (s *Server) Health() (api.Health, error) {
	h := api.Health{
		Version:  s.Version,
		Variant:  s.Model.Variant(),
		Started:  s.started,
		Settings: s.Store.Snapshot().Len(),
	}
	changes, err := s.Engine.Changes(0, recentChanges)
	if err != nil {
		return h, err
	}
	s.judgeStore(&h)
	judgeChanges(&h, changes)
	if s.LastBoot != nil {
		judgeBoot(&h, s.LastBoot())
	}
	s.judgeMigrations(&h)
	if s.FellBack != nil {
		if text := s.FellBack(); text != "" {
			h.Problems = append(h.Problems, text)
		}
	}
	if _, err := s.OS(); err != nil {
		h.Problems = append(h.Problems, err.Error())
	}
	h.Status = "ok"
	if len(h.Problems) > 0 {
		h.Status = "degraded"
	}
	return h, nil
}

func (s *Server) judgeStore(h *api.Health) {
	if r := s.Store.Recovered(); r != nil {
		h.Problems = append(h.Problems, fmt.Sprintf(
			"the datastore was found damaged at %s and restored from %s: check the settings; see docs/operations.md",
			api.TimeText(r.Time.UTC()), restoredFrom[r.Source]))
	}
	h.Problems = append(h.Problems, judgeUnfit(s.Store.Unfit(), h.Variant)...)
}

// judgeUnfit names the first values that are not used, and counts the others:
// there may be as many as the host has settings.
func judgeUnfit(values []datastore.Unfit, variant string) (problems []string) {
	for i, u := range values {
		if i == namedUnfit {
			return append(problems, fmt.Sprintf(
				"%d more values do not fit the model of %s and are not used", len(values)-i, variant))
		}
		problems = append(problems, fmt.Sprintf(
			"the %s value of %s does not fit the model of %s and is not used; set or unset it", u.Layer, u.Key, variant))
	}
	return problems
}

// restoredFrom words the sources of a restored datastore.
var restoredFrom = map[datastore.Source]string{
	datastore.SourceFile: "the last whole commit in it",
	datastore.SourceCopy: "its last good copy",
	datastore.SourceNone: "nothing, so that all settings but the defaults are lost",
}

// judgeChanges sorts what is under way from what went wrong. A failure counts
// until later changes wrote the same files and restarted the same services.
func judgeChanges(h *api.Health, changes []api.Change) {
	repaired := make(map[string]bool)
	for _, c := range changes { // newest first
		switch c.State {
		case api.StateApplying:
			h.Active = c.ID
			if since := time.Since(c.Created); since > stuckAfter {
				h.Problems = append(h.Problems, fmt.Sprintf("change %d has been applying for %s", c.ID, since.Round(time.Second)))
			}
		case api.StatePlanned:
			h.Queued++
		case api.StateTrying:
			h.Trying = append(h.Trying, c.ID)
		case api.StateDone:
			for _, name := range touched(c) {
				repaired[name] = true
			}
		case api.StateFailed:
			if !covers(repaired, touched(c)) {
				h.Problems = append(h.Problems, fmt.Sprintf("change %d failed and its settings were kept: %s", c.ID, reason(c)))
			}
		}
	}
}

// judgeBoot names what the last boot went on without.
func judgeBoot(h *api.Health, boot *api.Boot) {
	if boot == nil {
		return
	}
	for _, p := range boot.Phases {
		if p.Error != nil {
			h.Problems = append(h.Problems, fmt.Sprintf("boot %d: phase %s failed: %s", boot.ID, p.Name, p.Error.Message))
		}
		for _, d := range p.Documents {
			if d.State == api.BootDegraded || d.State == api.BootFailed && p.Error == nil {
				h.Problems = append(h.Problems, fmt.Sprintf("boot %d: not all of %s was loaded", boot.ID, d.Source))
			}
		}
		for _, set := range p.Settings {
			if set.State == api.BootFailed {
				h.Problems = append(h.Problems, fmt.Sprintf("boot %d: %s has no value: %s", boot.ID, set.Key, set.Reason))
			}
		}
		for _, text := range p.Warnings {
			h.Problems = append(h.Problems, fmt.Sprintf("boot %d: %s", boot.ID, text))
		}
	}
	if boot.State == api.BootInterrupted {
		h.Problems = append(h.Problems, fmt.Sprintf("boot %d was interrupted: the next one goes on, or systemctl restart sundog", boot.ID))
	}
}

// touched names the files and services of a change's plan.
func touched(c api.Change) []string {
	var names []string
	for _, f := range c.Plan.Files {
		names = append(names, "file "+f.Name)
	}
	for _, r := range c.Plan.Restarts {
		names = append(names, "service "+r.Service)
	}
	return names
}

func covers(repaired map[string]bool, names []string) bool {
	for _, name := range names {
		if !repaired[name] {
			return false
		}
	}
	return len(names) > 0
}

func reason(c api.Change) string {
	if c.Error != nil {
		return c.Error.Message
	}
	return "see GET /changes/" + fmt.Sprint(c.ID)
}

func (s *Server) getHealth(w http.ResponseWriter, _ *http.Request) error {
	h, err := s.Health()
	if err != nil {
		return err
	}
	return answer(w, h)
}
