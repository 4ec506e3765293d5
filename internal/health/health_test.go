package health

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/bootlog"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
	"github.com/hostler-os/hostler/internal/slot"
)

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestPolicy(t *testing.T) {
	root := paths.Root(t.TempDir())
	if got, err := LoadPolicy(root); err != nil || !cmp.Equal(got, defaults) {
		t.Errorf("without files: %+v, %v", got, err)
	}
	put(t, root.ImageHealth(), "grace = \"5m\"\nignore-units = [\"a.service\"]\n", 0o644)
	put(t, root.Health(), "patience = \"0s\"\nfall-back = false\nignore-units = [\"b@*.service\"]\n", 0o644)
	want := Policy{Grace: 5 * time.Minute, Timeout: time.Minute, IgnoreUnits: []string{"a.service", "b@*.service"}}
	got, err := LoadPolicy(root)
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("%v, -got +want:\n%s", err, diff)
	}
}

func TestPolicyRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"graze = \"5m\"":         "unknown key",
		"x":                      "line 1",
		"grace = \"soon\"":       "no length of time",
		"grace = \"-1s\"":        "not between",
		"grace = 5":              "missing unit",
		"ignore-units = [\"[\"]": "ignore-units",
		"patience = \"1000h\"":   "not between",
	} {
		root := paths.Root(t.TempDir())
		put(t, root.ImageHealth(), "fall-back = false", 0o644)
		put(t, root.Health(), text, 0o644)
		got, err := LoadPolicy(root)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), root.Health()) {
			t.Errorf("%s: got %v, want %q in it", text, err, want)
		}
		if got.FallBack || got.Grace != defaults.Grace {
			t.Errorf("%s: the image's policy is lost: %+v", text, got)
		}
	}
}

func TestUnits(t *testing.T) {
	h := Host{Policy: Policy{IgnoreUnits: []string{"may-*.service"}}}
	for _, tt := range []struct {
		units []service.FailingUnit
		err   error
		want  State
		text  string
	}{
		{nil, nil, Good, ""},
		{[]service.FailingUnit{{Name: "may-fail.service", State: "failed"}}, nil, Warned, "may-fail.service (failed)"},
		{[]service.FailingUnit{{Name: "hostler-fallback.service", State: "failed"}}, nil, Warned, "hostler-fallback"},
		{[]service.FailingUnit{{Name: "hostler-update.service", State: "failed"}}, nil, Warned, "hostler-update"},
		{[]service.FailingUnit{{Name: "may-x.service", State: "failed"}, {Name: "must.service", State: "restarting"}}, nil, Bad, "must.service (restarting)"},
		{nil, errors.New("no bus"), Bad, "no bus"},
		{nil, fmt.Errorf("ask: %w", service.ErrNoSystemd), Bad, "no systemd answers"},
	} {
		h.Units = func(context.Context) ([]service.FailingUnit, error) { return tt.units, tt.err }
		got := h.units(t.Context())
		if got.final != errors.Is(tt.err, service.ErrNoSystemd) {
			t.Errorf("%v: asking again does not help: %t", tt.err, got.final)
		}
		if got.State != tt.want || !strings.Contains(got.Message, tt.text) {
			t.Errorf("%v: got %+v, want %s, %q", tt.units, got, tt.want, tt.text)
		}
	}
}

func TestSettings(t *testing.T) {
	for state, want := range map[api.BootState]State{
		"": Skipped, api.BootDone: Good, api.BootDegraded: Warned, api.BootFailed: Bad, api.BootInterrupted: Bad,
	} {
		h := Host{Root: paths.Root(t.TempDir()), BootID: "this"}
		boot := api.Boot{BootID: "this"}
		if state == "" {
			boot.BootID = "another"
		}
		log := bootlog.Begin(h.Root, boot)
		log.Report.State = state
		if err := log.Save(true); err != nil {
			t.Fatal(err)
		}
		if got := h.settings(t.Context()); got.State != want {
			t.Errorf("%s: got %+v, want %s", state, got, want)
		}
	}
	h := Host{Root: paths.Root(t.TempDir()), BootID: "this"}
	if got := h.settings(t.Context()); got.State != Skipped {
		t.Errorf("without any report: %+v", got)
	}
}

func TestMigration(t *testing.T) {
	h := Host{Root: paths.Root(t.TempDir()), Version: "2.0.0"}
	want := func(state State, text string) {
		t.Helper()
		if got := h.migration(t.Context()); got.State != state || !strings.Contains(got.Message, text) {
			t.Errorf("got %+v, want %s, %q", got, state, text)
		}
	}
	want(Skipped, "")
	for _, step := range []struct {
		report api.Migration
		want   State
		text   string
	}{
		{api.Migration{From: "1.0.0", To: "2.0.0", Rehearsal: true, State: api.MigrationFailed}, Skipped, ""},
		{api.Migration{From: "1.0.0", To: "2.0.0", State: api.MigrationFailed, Error: &api.Error{Message: "no room"}}, Bad, "from 1.0.0 to 2.0.0: no room"},
		{api.Migration{From: "1.0.0", To: "2.0.0", State: api.MigrationDone}, Good, ""},
		{api.Migration{From: "2.0.0", To: "3.0.0", State: api.MigrationFailed}, Skipped, ""}, // it came back from there
	} {
		if err := bootlog.AddMigration(h.Root, step.report); err != nil {
			t.Fatal(err)
		}
		want(step.want, step.text)
	}
	put(t, h.Root.MigrationReports(), "{", 0o600)
	want(Warned, "read reports of migrations")
}

func TestScripts(t *testing.T) {
	h := Host{Root: paths.Root(t.TempDir()), Policy: defaults}
	image, operator := h.Root.ImageHealthChecks(), h.Root.HealthChecks()
	h.Policy.Timeout = 5 * time.Second
	put(t, filepath.Join(image, "10-good"), "#!/bin/sh\necho fine\n", 0o755)
	put(t, filepath.Join(image, "20-replaced"), "#!/bin/sh\nexit 1\n", 0o755)
	put(t, filepath.Join(operator, "20-replaced"), "#!/bin/sh\nexit 0\n", 0o755)
	put(t, filepath.Join(image, "30-taken-away"), "#!/bin/sh\nexit 1\n", 0o755)
	put(t, filepath.Join(operator, "30-taken-away"), "", 0o644)
	put(t, filepath.Join(operator, "40-bad"), "#!/bin/sh\necho why >&2\nexit 3\n", 0o755)
	put(t, filepath.Join(operator, "50-forgotten"), "#!/bin/sh\n", 0o644)
	put(t, filepath.Join(operator, "with space"), "#!/bin/sh\n", 0o755)
	put(t, filepath.Join(operator, "backup~"), "#!/bin/sh\nexit 1", 0o755)
	checks, err := h.scripts()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range checks {
		r := h.ask(t.Context(), c)
		got[c.Name] = string(r.State) + " " + r.Output
		if r.Name != c.Name || r.Took <= 0 {
			t.Errorf("result %+v is without a name or a time", r)
		}
	}
	want := map[string]string{
		"10-good": "good fine", "20-replaced": "good ", "40-bad": "bad why", "50-forgotten": "bad ", "with space": "bad ",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}

func TestHangingScript(t *testing.T) {
	h := Host{Root: paths.Root(t.TempDir()), Policy: Policy{Timeout: 50 * time.Millisecond}}
	put(t, filepath.Join(h.Root.HealthChecks(), "hang"), "#!/bin/sh\nsleep 1000\n", 0o755)
	checks, err := h.scripts()
	if err != nil {
		t.Fatal(err)
	}
	if r := h.ask(t.Context(), checks[0]); r.State != Bad || !strings.Contains(r.Message, "no answer within 50ms") {
		t.Errorf("got %+v", r)
	}
}

// What heals while there is patience is good.
func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		healsAt time.Duration
		want    State
	}{{0, Good}, {9 * time.Second, Good}, {time.Hour, Bad}} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			checks := []Check{{"good", func(context.Context) Result { return Result{State: Warned} }}, {"heals", func(context.Context) Result {
				if time.Since(began) < tt.healsAt {
					return bad("not yet")
				}
				return Result{State: Good}
			}}}
			r := Judge(t.Context(), Host{Policy: Policy{Patience: 30 * time.Second, Timeout: time.Second}}, checks)
			if r.State != tt.want || len(r.Checks) != 2 || r.Checks[1].Name != "heals" {
				t.Errorf("%v: got %+v", tt.healsAt, r)
			}
			if tt.want == Bad && (r.Blame() != "heals: not yet" || time.Since(began) < 30*time.Second) {
				t.Errorf("blame %q after %v", r.Blame(), time.Since(began))
			}
		})
	}
}

func TestKeep(t *testing.T) {
	root := paths.Root(t.TempDir())
	if list, err := Reports(root); err != nil || list != nil {
		t.Errorf("got %v, %v without reports", list, err)
	}
	for i := range kept + 2 {
		for _, state := range []State{Bad, Good} { // the second of a boot replaces the first
			if err := Keep(root, Report{BootID: string(rune('a' + i)), State: state}); err != nil {
				t.Fatal(err)
			}
		}
	}
	list, err := Reports(root)
	if err != nil || len(list) != kept || list[0].BootID != string(rune('a'+kept+1)) {
		t.Errorf("kept %d, %v", len(list), err)
	}
	if r, ok := Of(root, list[0].BootID); !ok || r.State != Good {
		t.Errorf("got %+v, %t", r, ok)
	}
	if _, ok := Of(root, "another"); ok {
		t.Error("a boot that was not judged has a report")
	}
	put(t, root.HealthReports(), "{", 0o600)
	if _, err := Reports(root); err == nil {
		t.Error("damage is no error")
	}
	if err := Keep(root, Report{BootID: "new"}); err != nil {
		t.Error(err)
	}
}

// What checks print, of the worst kind, must not keep reports from being read.
func TestKeepOfTalkativeChecks(t *testing.T) {
	root := paths.Root(t.TempDir())
	checks := make([]Result, maxScripts)
	for i := range checks {
		checks[i] = Result{Name: "flood", State: Bad, Output: strings.Repeat("\x00", 4<<10)}
	}
	for _, boot := range []string{"a", "b", "c"} {
		if err := Keep(root, Report{BootID: boot, State: Bad, Checks: checks}); err != nil {
			t.Fatal(err)
		}
		if r, ok := Of(root, boot); !ok || len(r.Checks) != maxScripts {
			t.Errorf("the report of boot %s is lost", boot)
		}
	}
}

// state is that of a host that runs from B; words are "priority/tries/successful".
func state(a, b [3]int) slot.State {
	word := func(w [3]int) slot.Word { return slot.Word(w[0])<<48 | slot.Word(w[1])<<52 | slot.Word(w[2])<<56 }
	return slot.State{Sets: [2]slot.Word{word(a), word(b)}, Active: slot.B}
}

func TestDecide(t *testing.T) {
	on, off := Policy{FallBack: true}, Policy{}
	single := slot.State{Sets: [2]slot.Word{1 << 48}, Single: true}
	for _, tt := range []struct {
		name   string
		policy Policy
		state  slot.State
		reboot bool
		why    string
	}{
		{"new slot", on, state([3]int{1, 0, 1}, [3]int{2, 0, 0}), true, "into slot A"},
		{"new slot with tries", on, state([3]int{1, 0, 1}, [3]int{2, 1, 0}), true, "1 tries left"},
		{"good before", on, state([3]int{1, 0, 1}, [3]int{2, 0, 1}), false, "booted well before"},
		{"switched off", off, state([3]int{1, 0, 1}, [3]int{2, 0, 0}), false, "switched off"},
		{"no other", on, state([3]int{0, 0, 0}, [3]int{2, 0, 0}), false, "no slot would boot"},
		{"single", on, single, false, "no slot would boot"},
	} {
		reboot, why := Decide(tt.policy, tt.state)
		if reboot != tt.reboot || !strings.Contains(why, tt.why) {
			t.Errorf("%s: got %t, %q", tt.name, reboot, why)
		}
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add("grace = \"5m\"\nignore-units = [\"a*\"]")
	f.Add("fall-back = true\npatience = \"1ms\"")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := defaults.with([]byte(text))
		if err == nil && (p.Grace < 0 || p.Grace > maxSpan || p.Patience < 0 || p.Patience > maxSpan) {
			t.Errorf("took %+v", p)
		}
	})
}
