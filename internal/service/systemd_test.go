package service

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeBus answers as its functions say; those that are nil succeed.
type fakeBus struct {
	mu     sync.Mutex
	calls  []string
	closed bool

	queue  func(v verb, unit string, results chan<- string) error
	queued func() bool
	states map[string]unitState
}

func (b *fakeBus) note(words ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, strings.Join(words, " "))
}

func (b *fakeBus) Queue(_ context.Context, v verb, unit string, results chan<- string) (int, error) {
	b.note(string(v), unit)
	if b.queue != nil {
		return 7, b.queue(v, unit, results)
	}
	results <- "done"
	return 7, nil
}

func (b *fakeBus) Queued(context.Context, int) (bool, error) {
	return b.queued != nil && b.queued(), nil
}

func (b *fakeBus) Cancel(context.Context, int) error {
	b.note("Cancel")
	return nil
}

func (b *fakeBus) State(_ context.Context, unit string) (unitState, error) {
	if state, ok := b.states[unit]; ok {
		return state, nil
	}
	return unitState{Load: "loaded", Active: "active", Sub: "running"}, nil
}

func (b *fakeBus) ResetFailed(_ context.Context, unit string) error {
	b.note("ResetFailed", unit)
	return nil
}

func (b *fakeBus) Files(_ context.Context, v verb, units []string) error {
	b.note(string(v), strings.Join(units, " "))
	return nil
}

func (b *fakeBus) Reload(context.Context) error {
	b.note("Reload")
	return nil
}

func (b *fakeBus) Connected() bool { return !b.closed }
func (b *fakeBus) Close()          { b.closed = true }

func onBus(b *fakeBus) *systemd {
	return newSystemd(slog.New(slog.DiscardHandler), time.Minute, func(context.Context) (bus, error) { return b, nil })
}

func TestSystemdCalls(t *testing.T) {
	for line, want := range map[string][]string{
		"/bin/systemctl try-restart containerd.service":  {"TryRestart containerd.service"},
		"systemctl restart systemd-modules-load":         {"Restart systemd-modules-load.service"},
		"systemctl restart warn@x.timer":                 {"Restart warn@x.timer"},
		"systemctl try-reload-or-restart -q a b.socket":  {"ReloadOrTryRestart a.service", "ReloadOrTryRestart b.socket"},
		"systemctl --no-block start a":                   {"Start a.service"},
		"systemctl stop --quiet a":                       {"Stop a.service"},
		"systemctl enable --now a":                       {"EnableFiles a.service", "Reload", "Start a.service"},
		"systemctl disable --now --no-reload a":          {"DisableFiles a.service", "Stop a.service"},
		"/usr/local/bin/systemctl daemon-reload":         {"Reload"},
		"systemctl reload a":                             {"Reload a.service"},
		"systemctl reload-or-restart a":                  {"ReloadOrRestart a.service"},
		"systemctl reload-or-try-restart org.x.y.target": {"ReloadOrTryRestart org.x.y.target"},
	} {
		b := &fakeBus{}
		if _, err := onBus(b).Run(t.Context(), Command{Line: line}); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if diff := cmp.Diff(b.calls, want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", line, diff)
		}
	}
}

// What failed meanwhile is started again; what was stopped by somebody is not.
func TestSystemdUndo(t *testing.T) {
	b := &fakeBus{states: map[string]unitState{
		"broken.service": {Load: "loaded", Active: "failed"}, "stopped.service": {Load: "loaded", Active: "inactive"},
	}}
	_, err := onBus(b).Run(t.Context(), Command{Line: "systemctl try-restart broken stopped", Undo: true})
	if err == nil {
		t.Error("the fake's unit is failed afterwards too, and nobody said so")
	}
	want := []string{"ResetFailed broken.service", "Restart broken.service", "TryRestart stopped.service"}
	if diff := cmp.Diff(b.calls, want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

func TestSystemdLeavesTheRest(t *testing.T) {
	for _, line := range []string{
		"systemctl", "systemctl restart", "systemctl isolate x.target", "systemctl restart ntp*",
		"systemctl --user restart x", "systemctl restart /etc/x", "systemctl mask x", "systemctl restart  x",
		"systemctl --now restart x", "systemctl daemon-reload x", "/usr/bin/corndog sysctl", "", "systemctlx restart a",
		"systemctl is-active x", "sh -c systemctl",
	} {
		if c, ok := parseCtl(line); ok {
			t.Errorf("parseCtl(%q) = %+v, want it left to the program", line, c)
		}
	}
}

func TestRestarts(t *testing.T) {
	for line, want := range map[string]bool{
		"systemctl restart a":        true,
		"systemctl try-restart a":    true,
		"systemctl reload a":         true,
		"systemctl stop a":           false,
		"systemctl enable --now a":   false,
		"systemctl daemon-reload":    false,
		"/usr/bin/host-containers":   false,
		"systemctl restart --unit=a": false,
	} {
		if got := Restarts(line); got != want {
			t.Errorf("Restarts(%q) = %v", line, got)
		}
	}
}

func TestSystemdResults(t *testing.T) {
	failed := unitState{Load: "loaded", Active: "failed", Sub: "failed", Result: "exit-code", MainStatus: 3}
	gone := unitState{Load: "not-found", Active: "inactive", Sub: "dead"}
	answer := func(result string) func(verb, string, chan<- string) error {
		return func(_ verb, _ string, results chan<- string) error { results <- result; return nil }
	}
	refuse := func(verb, string, chan<- string) error { return errors.New("Unit a.service not found.") }
	for _, tc := range []struct {
		name, line string
		bus        *fakeBus
		want       string // "" means success
	}{
		{"failed", "systemctl restart a", &fakeBus{queue: answer("failed"), states: map[string]unitState{"a.service": failed}}, "run 'systemctl restart a': a.service: job ended as failed (the unit is failed, failed, result exit-code, main process status 3)"},
		{"timeout", "systemctl start a", &fakeBus{queue: answer("timeout")}, "run 'systemctl start a': a.service: job ended as timeout (the unit is active, running)"},
		{"skipped", "systemctl reload a", &fakeBus{queue: answer("skipped")}, ""},
		{"failed after done", "systemctl restart a", &fakeBus{states: map[string]unitState{"a.service": failed}}, "run 'systemctl restart a': a.service: failed right after its job was done (the unit is failed, failed, result exit-code, main process status 3)"},
		{"try of a failed unit", "systemctl try-restart a", &fakeBus{states: map[string]unitState{"a.service": failed}}, ""},
		{"try of no unit", "systemctl try-restart a", &fakeBus{queue: refuse, states: map[string]unitState{"a.service": gone}}, ""},
		{"no unit", "systemctl restart a", &fakeBus{queue: refuse, states: map[string]unitState{"a.service": gone}}, "run 'systemctl restart a': a.service: Unit a.service not found."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ""
			if _, err := onBus(tc.bus).Run(t.Context(), Command{Line: tc.line}); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(got, tc.want); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
		})
	}
}

func TestSystemdDeadlineCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBus{
			queue:  func(verb, string, chan<- string) error { return nil },
			queued: func() bool { return true },
			states: map[string]unitState{"a.service": {Load: "loaded", Active: "activating", Sub: "start"}},
		}
		started := time.Now()
		_, err := onBus(b).Run(t.Context(), Command{Line: "systemctl restart a"})
		if !errors.Is(err, ErrDeadline) || !strings.Contains(err.Error(), "ended after 1m0s; its job was cancelled (the unit is activating, start)") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(started); took != time.Minute {
			t.Errorf("took %v", took)
		}
		if diff := cmp.Diff(b.calls, []string{"Restart a.service", "Cancel"}); diff != "" {
			t.Errorf("(-got +want):\n%s", diff)
		}
	})
}

func TestSystemdLostSignal(t *testing.T) {
	for active, want := range map[string]string{"active": "", "failed": "job ended as failed"} {
		synctest.Test(t, func(t *testing.T) {
			b := &fakeBus{
				queue:  func(verb, string, chan<- string) error { return nil },
				states: map[string]unitState{"a.service": {Load: "loaded", Active: active}},
			}
			_, err := onBus(b).Run(t.Context(), Command{Line: "systemctl restart a"})
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: got %v, want %q", active, err, want)
			}
		})
	}
}

func TestSystemdConnectsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := &fakeBus{}
		dead := &fakeBus{}
		dead.queue = func(verb, string, chan<- string) error { dead.closed = true; return errors.New("closed") }
		dials := []bus{dead, nil, nil, good}
		s := newSystemd(slog.New(slog.DiscardHandler), time.Minute, func(context.Context) (bus, error) {
			b := dials[0]
			dials = dials[1:]
			if b == nil {
				return nil, errors.New("no D-Bus")
			}
			return b, nil
		})
		if _, err := s.Run(t.Context(), Command{Line: "systemctl restart a"}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(good.calls, []string{"Restart a.service"}); diff != "" {
			t.Errorf("(-got +want):\n%s", diff)
		}
		if err := s.Close(); err != nil || !good.closed {
			t.Errorf("Close: %v, closed %v", err, good.closed)
		}
	})
}

func TestSystemdNeverThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystemd(slog.New(slog.DiscardHandler), time.Minute, func(context.Context) (bus, error) {
			return nil, errors.New("no D-Bus")
		})
		if err := s.DaemonReload(t.Context()); !errors.Is(err, ErrDeadline) || !strings.Contains(err.Error(), "no D-Bus") {
			t.Errorf("got %v", err)
		}
	})
}
