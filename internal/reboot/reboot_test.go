package reboot

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// world is what an authority asks, and what it did.
type world struct {
	inhibitors []api.RebootHold
	applying   bool
	over       time.Time // of what is applied; zero: never
	trying     []api.Change
	updates    api.Updates
	started    []bool // whether it was forced
}

func (w *world) authority() *Authority {
	return &Authority{
		Start: func(_ context.Context, force bool) error {
			w.started = append(w.started, force)
			return nil
		},
		Inhibitors: func(context.Context) ([]api.RebootHold, error) { return w.inhibitors, nil },
		Changes: func() (bool, []api.Change, error) {
			return w.applying && (w.over.IsZero() || time.Now().Before(w.over)), w.trying, nil
		},
		Updates: func(context.Context) (api.Updates, error) { return w.updates, nil },
	}
}

func TestHolds(t *testing.T) {
	try := api.Change{ID: 7, Try: &api.Try{Until: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}}
	soon := api.UpdateNext{Action: api.UpdateReboot, At: time.Now().Add(time.Hour), Why: "the window is not open"}
	now := api.UpdateNext{Action: api.UpdateReboot, At: time.Now().Add(-time.Second)}
	for _, test := range []struct {
		name string
		w    world
		mode string
		want string // in what is told; "": it reboots
	}{
		{"nothing", world{}, api.RebootCareful, ""},
		{"an inhibitor", world{inhibitors: []api.RebootHold{{Kind: "inhibitor", Who: "backup", Why: "tapes"}}}, api.RebootCareful, "backup (inhibitor): tapes"},
		{"a change that is tried", world{trying: []api.Change{try}}, api.RebootCareful, "change 7 (change): it is being tried until 2030-01-01 00:00:00 UTC"},
		{"an update that is written", world{updates: api.Updates{Running: &api.UpdateWork{Command: "prepare"}}}, api.RebootCareful, "prepare is under way"},
		{"a window that is no affair of people", world{updates: api.Updates{Next: soon}}, api.RebootCareful, ""},
		{"a window", world{updates: api.Updates{Next: soon}}, api.RebootAutomatic, "the window is not open"},
		{"a mode that does not reboot", world{updates: api.Updates{Next: api.UpdateNext{Why: "mode is off"}}}, api.RebootAutomatic, "mode is off"},
		{"an open window", world{updates: api.Updates{Next: now}}, api.RebootAutomatic, ""},
		{"a mode that does not exist", world{}, "quick", "no mode 'quick'"},
		{"the reference's clients", world{trying: []api.Change{try}, updates: api.Updates{Running: &api.UpdateWork{}}}, api.RebootPlain, ""},
		{"force", world{applying: true, trying: []api.Change{try}}, api.RebootForce, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.w.authority().Reboot(t.Context(), test.mode)
			switch {
			case test.want == "" && (err != nil || len(test.w.started) != 1 || test.w.started[0] != (test.mode == api.RebootForce)):
				t.Errorf("%v, %v", err, test.w.started)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || test.w.started != nil):
				t.Errorf("%v, %v; want %s", err, test.w.started, test.want)
			}
		})
	}
}

// The change in hand is waited for, but not for ever.
func TestChangeInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world{applying: true, over: time.Now().Add(10 * time.Second)}
		if err := w.authority().Reboot(t.Context(), api.RebootCareful); err != nil || len(w.started) != 1 {
			t.Errorf("%v, %v", err, w.started)
		}
		w = world{applying: true}
		began := time.Now()
		err := w.authority().Reboot(t.Context(), api.RebootCareful)
		if err == nil || !strings.Contains(err.Error(), "being applied") || time.Since(began) > patience+time.Second || w.started != nil {
			t.Errorf("%v after %v, %v", err, time.Since(began), w.started)
		}
	})
}

func TestQuestionsThatFail(t *testing.T) {
	fault := errors.New("no answer")
	w := world{}
	a := w.authority()
	a.Inhibitors = func(context.Context) ([]api.RebootHold, error) { return nil, fault }
	if err := a.Reboot(t.Context(), api.RebootCareful); !errors.Is(err, fault) || w.started != nil {
		t.Errorf("%v, %v", err, w.started)
	}
	if err := a.Reboot(t.Context(), api.RebootForce); err != nil {
		t.Error(err)
	}
}
