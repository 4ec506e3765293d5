package journal

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/paths"
)

// talkative is a rehearsal of migrations that print and change as much as they can.
func talkative() *api.Migration {
	m := &api.Migration{State: api.MigrationFailed, Error: &api.Error{Message: strings.Repeat("\x00", 64<<10)}}
	for i := range 200 {
		value, _ := json.Marshal(strings.Repeat("v", 64<<10))
		m.Steps = append(m.Steps, api.MigrationStep{Message: strings.Repeat("\x00", 64<<10), Error: strings.Repeat("e", 64<<10)})
		m.Diff = append(m.Diff, api.Edit{Before: value, After: value})
		m.Before = append(m.Before, api.Misfit{Key: fmt.Sprint("settings.a", i), Message: strings.Repeat("m", 1000)})
	}
	return m
}

// What migrations print must not make the host forget which releases failed.
func TestJournalOfTalkativeMigrations(t *testing.T) {
	root, now := paths.Root(t.TempDir()), time.Now()
	j := Load(root, slog.New(slog.DiscardHandler))
	report := talkative().Trimmed()
	const attempts = 8
	for i := range attempts {
		if err := j.Begin(Attempt{Version: fmt.Sprintf("1.%d.0", i), State: api.AttemptBootFailed}); err != nil {
			t.Fatal(err)
		}
		kept := report
		if err := j.Note(now, func(a *Attempt) { a.Error, a.Rehearsal = report.Error.Message, &kept }); err != nil {
			t.Fatal(err)
		}
	}
	again := Load(root, slog.New(slog.DiscardHandler))
	if len(again.Attempts) != attempts {
		t.Fatalf("%d attempts are left", len(again.Attempts))
	}
	for i, a := range again.Attempts {
		if a.State != api.AttemptBootFailed || a.Rehearsal == nil || a.Rehearsal.State != api.MigrationFailed || a.Rehearsal.Error == nil {
			t.Errorf("attempt %d: %s, %+v", i, a.State, a.Rehearsal)
		}
	}
	if last := again.Last().Rehearsal; len(last.Before) != 200 {
		t.Error("what the next boot may let pass is lost")
	}
}
