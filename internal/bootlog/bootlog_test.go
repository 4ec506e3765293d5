package bootlog

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/paths"
)

const boot = "boot-one"

func states(t *testing.T, root paths.Root, bootID string) []string {
	t.Helper()
	all, err := List(root, bootID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range all {
		got = append(got, string(b.State))
	}
	return got
}

func save(t *testing.T, l *Log, durably bool) {
	t.Helper()
	if err := l.Save(durably); err != nil {
		t.Fatal(err)
	}
}

func TestLog(t *testing.T) {
	root := paths.Root(t.TempDir())
	if got := states(t, root, boot); got != nil {
		t.Errorf("got %v without reports", got)
	}
	first := Begin(root, api.Boot{BootID: "earlier"})
	save(t, first, true)
	second := Begin(root, api.Boot{BootID: boot})
	save(t, second, true)
	if diff := cmp.Diff(states(t, root, boot), []string{"running", "interrupted"}); diff != "" {
		t.Errorf("states differ (-got +want):\n%s", diff)
	}
	second.Report.State = api.BootDone
	save(t, second, false)
	if diff := cmp.Diff(states(t, root, boot), []string{"done", "interrupted"}); diff != "" {
		t.Errorf("states differ (-got +want):\n%s", diff)
	}
	got, err := Read(root, boot, 2)
	if err != nil || got.BootID != boot {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := Read(root, boot, 3); !os.IsNotExist(err) {
		t.Errorf("got %v for a report that does not exist", err)
	}
}

func TestContinue(t *testing.T) {
	root := paths.Root(t.TempDir())
	report := api.Boot{BootID: boot}
	for i, step := range []struct {
		phase string
		id    uint64
	}{
		{api.PhaseUserData, 1},
		{api.PhaseCommit, 1},
		{api.PhaseGenerators, 1},
		{api.PhaseApply, 1},
		{api.PhaseGenerators, 2},
		{api.PhaseApply, 2},
		{api.PhaseUserData, 3},
	} {
		l := Continue(root, report, step.phase)
		l.Report.Phases = append(l.Report.Phases, api.BootPhase{Name: step.phase})
		save(t, l, true)
		if l.Report.ID != step.id {
			t.Errorf("step %d, %s: report %d, want %d", i, step.phase, l.Report.ID, step.id)
		}
	}
	if l := Continue(root, api.Boot{BootID: "next"}, api.PhaseApply); l.Report.ID != 4 {
		t.Errorf("another boot goes on with report %d", l.Report.ID)
	}
}

func TestOldReportsGo(t *testing.T) {
	root := paths.Root(t.TempDir())
	for range kept + 3 {
		save(t, Begin(root, api.Boot{BootID: boot}), true)
	}
	all, err := ids(root)
	if err != nil || len(all) != kept || all[0] != 4 {
		t.Errorf("kept %v, %v", all, err)
	}
}

// Where the disk takes nothing, the report is in /run.
func TestNoState(t *testing.T) {
	root := paths.Root(t.TempDir())
	if err := os.MkdirAll(filepath.Dir(root.Boots()), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root.Boots(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Begin(root, api.Boot{BootID: boot}).Save(true); err == nil {
		t.Error("a file in place of the folder was no error")
	}
	if _, ok := read(root.Boot()); !ok {
		t.Error("there is no report in /run")
	}
}

func TestDamagedReport(t *testing.T) {
	root := paths.Root(t.TempDir())
	save(t, Begin(root, api.Boot{BootID: boot}), true)
	if err := os.WriteFile(filepath.Join(root.Boots(), "2.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(states(t, root, boot), []string{"running"}); diff != "" {
		t.Errorf("states differ (-got +want):\n%s", diff)
	}
}

// TestHalfALine: a crash while a state is written leaves the one before.
func TestHalfALine(t *testing.T) {
	root := paths.Root(t.TempDir())
	l := Begin(root, api.Boot{BootID: boot})
	save(t, l, false)
	l.Report.State = api.BootDone
	save(t, l, false)
	text, err := os.ReadFile(root.Boot())
	if err != nil {
		t.Fatal(err)
	}
	for cut := range text {
		if err := os.WriteFile(root.Boot(), text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if got := states(t, root, boot); cut > len(text)/2 && (len(got) != 1 || got[0] != string(api.BootRunning)) {
			t.Errorf("after %d of %d bytes: %v", cut, len(text), got)
		}
	}
}
