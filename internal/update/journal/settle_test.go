package journal

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
)

// words are attribute words as docs/slots.md writes them: priority, tries left, successful.
func words(t *testing.T, text string) (both [2]slot.Word) {
	t.Helper()
	for i, field := range strings.Fields(text) {
		if len(field) != len("1/0/1") {
			t.Fatal(field)
		}
		both[i] = slot.Word(field[0]-'0')<<48 | slot.Word(field[2]-'0')<<52 | slot.Word(field[4]-'0')<<56
	}
	return both
}

// What became of an attempt to bring 1.1.0 into slot B is seen from the flags,
// whatever the process, the power or somebody's hands did in between.
func TestSettle(t *testing.T) {
	for _, test := range []struct {
		name    string
		state   api.AttemptState
		step    string
		flags   string // of A and B
		active  slot.Name
		running string
		want    api.AttemptState
	}{
		{"killed while it was written", api.AttemptPreparing, "write boot", "1/0/1 0/0/0", slot.A, "1.0.0", api.AttemptInterrupted},
		{"killed before it was marked valid", api.AttemptPreparing, "mark valid", "1/0/1 0/0/0", slot.A, "1.0.0", api.AttemptInterrupted},
		{"killed once it was marked valid", api.AttemptPreparing, "mark valid", "1/0/1 0/1/0", slot.A, "1.0.0", api.AttemptPrepared},
		{"killed before the flags were cleared", api.AttemptPreparing, "check", "1/0/1 0/1/0", slot.A, "1.0.0", api.AttemptInterrupted},
		{"prepared", api.AttemptPrepared, "mark valid", "1/0/1 0/1/0", slot.A, "1.0.0", api.AttemptPrepared},
		{"activated by hand, or killed once it was", api.AttemptPrepared, "mark valid", "1/0/1 2/1/0", slot.A, "1.0.0", api.AttemptActivated},
		{"activated", api.AttemptActivated, "activate", "1/0/1 2/1/0", slot.A, "1.0.0", api.AttemptActivated},
		{"deactivated by hand", api.AttemptActivated, "activate", "2/0/1 0/1/0", slot.A, "1.0.0", api.AttemptPrepared},
		{"it runs, on trial", api.AttemptActivated, "activate", "1/0/1 2/0/0", slot.B, "1.1.0", api.AttemptActivated},
		{"it runs, well", api.AttemptActivated, "activate", "1/0/1 2/0/1", slot.B, "1.1.0", api.AttemptBooted},
		{"it ran well, and was left by hand", api.AttemptActivated, "activate", "2/0/1 1/0/1", slot.A, "1.0.0", api.AttemptBooted},
		{"it did not boot", api.AttemptActivated, "activate", "1/0/1 2/0/0", slot.A, "1.0.0", api.AttemptBootFailed},
		{"it did not boot, activated by hand", api.AttemptPrepared, "mark valid", "1/0/1 2/0/0", slot.A, "1.0.0", api.AttemptBootFailed},
		{"it runs, and is no such version", api.AttemptActivated, "activate", "1/0/1 2/0/1", slot.B, "1.0.0", api.AttemptFailed},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := paths.Root(t.TempDir())
			j := Load(root, slog.New(slog.DiscardHandler))
			if err := j.Begin(Attempt{Version: "1.1.0", Slot: "B", State: test.state, Step: test.step}); err != nil {
				t.Fatal(err)
			}
			s := slot.State{Sets: words(t, test.flags), Active: test.active}
			if err := j.Settle(time.Now(), test.running, s); err != nil {
				t.Fatal(err)
			}
			if got := Load(root, slog.New(slog.DiscardHandler)).Last().State; got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// Why the new slot is not well is kept, also if its activation was not noted.
func TestBlameOfWhatWasActivatedByHand(t *testing.T) {
	j := Load(paths.Root(t.TempDir()), slog.New(slog.DiscardHandler))
	if err := j.Begin(Attempt{Version: "1.1.0", Slot: "B", State: api.AttemptPrepared, Step: StepValid}); err != nil {
		t.Fatal(err)
	}
	s := slot.State{Sets: words(t, "1/0/1 2/0/0"), Active: slot.B}
	if err := j.NoteHealth(time.Now(), "1.1.0", "units: a.service", s); err != nil {
		t.Fatal(err)
	}
	s.Active = slot.A
	if err := j.Settle(time.Now(), "1.0.0", s); err != nil {
		t.Fatal(err)
	}
	if a := j.Last(); a.State != api.AttemptBootFailed || a.Error != "units: a.service" {
		t.Errorf("got %+v", a)
	}
}
