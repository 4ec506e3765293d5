package healthcheck

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/health"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
)

// world is a root in which version 2.0.0 runs from slot B of a disk image for
// the first time.
type world struct {
	t    *testing.T
	root paths.Root
	disk string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t, paths.Root(t.TempDir()), filepath.Join(t.TempDir(), "disk")}
	w.put(w.root.OSRelease(), "PRETTY_NAME=x\nVARIANT_ID=v\nVERSION_ID=2.0.0\nBUILD_ID=b\n", 0o644)
	w.put(w.root.Health(), "patience = \"0s\"\n", 0o644)
	if err := slot.CreateImage(w.disk, slot.MinSize, 512); err != nil {
		t.Fatal(err)
	}
	d, err := slot.At(w.disk, slot.A)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []slot.Change{slot.MarkInactiveValid, slot.UpgradeToInactive, func(s slot.State) (slot.State, error) {
		s, _ = s.Boot()
		return s, nil
	}} {
		if _, err := d.Change(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) put(path, text string, mode os.FileMode) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		w.t.Fatal(err)
	}
}

// run runs the program and expects an exit code.
func (w *world) run(code int, args ...string) (stdout, stderr string) {
	w.t.Helper()
	var out, errs strings.Builder
	args = append([]string{"health", "--root", string(w.root), "--disk", w.disk, "--active", "B"}, args...)
	if got := Run(w.t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); got != code {
		w.t.Errorf("%v: exit code %d, want %d\n%s%s", args, got, code, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

func (w *world) reports() []health.Report {
	w.t.Helper()
	out, _ := w.run(0, "history", "-o", "json")
	var list []health.Report
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		w.t.Fatal(err)
	}
	return list
}

// A folder is no host: nothing there answers, and nothing is rebooted.
func TestBadBoot(t *testing.T) {
	w := newWorld(t)
	w.put(w.root.HealthChecks()+"/50-disk", "#!/bin/sh\necho smoke\nexit 1\n", 0o755)
	if out, _ := w.run(0, "history"); !strings.Contains(out, "No boot of this host was judged") {
		t.Errorf("history: %s", out)
	}
	out, stderr := w.run(1)
	for _, want := range []string{"bad: version 2.0.0 in slot B", "50-disk", "50-disk printed:\n  smoke"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in %s", want, out)
		}
	}
	if !strings.Contains(stderr, "the host is not well") || len(w.reports()) != 0 {
		t.Errorf("looking left %v, and told %s", w.reports(), stderr)
	}
	w.run(1, "boot")
	if _, stderr := w.run(0, "fall-back"); !strings.Contains(stderr, "not rebooted") {
		t.Errorf("fall-back: %s", stderr)
	}
	list := w.reports()
	if len(list) != 1 || list[0].Slot != "B" || !strings.Contains(list[0].Decision, "reboots into slot A") {
		t.Errorf("the reports are %+v", list)
	}
}

// A sandbox has no systemd: nobody judges units by that which runs here, or waits for what it would start.
func TestSandbox(t *testing.T) {
	w := newWorld(t)
	w.put(w.root.Health(), "patience = \"24h\"\n", 0o644)
	_, stderr := w.run(1, "boot")
	if !strings.Contains(stderr, "the host is not well: api: ") {
		t.Errorf("it told %s", stderr)
	}
	list := w.reports()
	if len(list) != 1 || list[0].Rounds != 1 {
		t.Fatalf("the reports are %+v", list)
	}
	want := health.Result{Name: "units", State: health.Skipped, Message: "the systemd that runs here is not that of " + string(w.root)}
	if got := list[0].Checks[0]; got.Name != want.Name || got.State != want.State || got.Message != want.Message {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Nothing has judged a boot when its time is over.
func TestLate(t *testing.T) {
	w := newWorld(t)
	w.run(0, "fall-back")
	list := w.reports()
	if len(list) != 1 || !strings.Contains(list[0].Blame(), "deadline: ") {
		t.Errorf("the reports are %+v", list)
	}
}

func TestGoodBootIsNotLeft(t *testing.T) {
	w := newWorld(t)
	if err := health.Keep(w.root, health.Report{BootID: bootID(), State: health.Good}); err != nil {
		t.Fatal(err)
	}
	if _, stderr := w.run(0, "fall-back"); !strings.Contains(stderr, "nothing to leave") {
		t.Errorf("fall-back: %s", stderr)
	}
}

func TestNoSlots(t *testing.T) {
	w := newWorld(t)
	w.disk = filepath.Join(t.TempDir(), "none")
	if _, stderr := w.run(0, "fall-back"); !strings.Contains(stderr, "no slots") {
		t.Errorf("fall-back: %s", stderr)
	}
}

func TestUsage(t *testing.T) {
	w := newWorld(t)
	for _, args := range [][]string{{"nonsense"}, {"--nonsense"}, {"boot", "x"}} {
		if _, stderr := w.run(cli.ExitUsage, args...); !strings.Contains(stderr, "hint: hostler health ") {
			t.Errorf("%v: %s", args, stderr)
		}
	}
}

// Checks are found from whatever folder the program was called in.
func TestRelativeRoot(t *testing.T) {
	w := newWorld(t)
	w.put(w.root.HealthChecks()+"/50-disk", "#!/bin/sh\necho smoke\nexit 1\n", 0o755)
	t.Chdir(filepath.Dir(string(w.root)))
	w.root = paths.Root(filepath.Base(string(w.root)))
	if out, _ := w.run(1); !strings.Contains(out, "50-disk printed:\n  smoke") {
		t.Errorf("it told %s", out)
	}
}
