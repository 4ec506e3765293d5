package update

import (
	"log/slog"
	"strings"
	"testing"
	"time"

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
		state   State
		step    string
		flags   string // of A and B
		active  slot.Name
		running string
		want    State
	}{
		{"killed while it was written", Preparing, "write boot", "1/0/1 0/0/0", slot.A, "1.0.0", Interrupted},
		{"killed before it was marked valid", Preparing, "mark valid", "1/0/1 0/0/0", slot.A, "1.0.0", Interrupted},
		{"killed once it was marked valid", Preparing, "mark valid", "1/0/1 0/1/0", slot.A, "1.0.0", Prepared},
		{"killed before the flags were cleared", Preparing, "check", "1/0/1 0/1/0", slot.A, "1.0.0", Interrupted},
		{"prepared", Prepared, "mark valid", "1/0/1 0/1/0", slot.A, "1.0.0", Prepared},
		{"activated by hand, or killed once it was", Prepared, "mark valid", "1/0/1 2/1/0", slot.A, "1.0.0", Activated},
		{"activated", Activated, "activate", "1/0/1 2/1/0", slot.A, "1.0.0", Activated},
		{"deactivated by hand", Activated, "activate", "2/0/1 0/1/0", slot.A, "1.0.0", Prepared},
		{"it runs, on trial", Activated, "activate", "1/0/1 2/0/0", slot.B, "1.1.0", Activated},
		{"it runs, well", Activated, "activate", "1/0/1 2/0/1", slot.B, "1.1.0", Booted},
		{"it ran well, and was left by hand", Activated, "activate", "2/0/1 1/0/1", slot.A, "1.0.0", Booted},
		{"it did not boot", Activated, "activate", "1/0/1 2/0/0", slot.A, "1.0.0", BootFailed},
		{"it did not boot, activated by hand", Prepared, "mark valid", "1/0/1 2/0/0", slot.A, "1.0.0", BootFailed},
		{"it runs, and is no such version", Activated, "activate", "1/0/1 2/0/1", slot.B, "1.0.0", Failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := paths.Root(t.TempDir())
			j := LoadJournal(root, slog.New(slog.DiscardHandler))
			if err := j.begin(Attempt{Version: "1.1.0", Slot: "B", State: test.state, Step: test.step}); err != nil {
				t.Fatal(err)
			}
			s := slot.State{Sets: words(t, test.flags), Active: test.active}
			if err := j.Settle(time.Now(), test.running, s); err != nil {
				t.Fatal(err)
			}
			if got := LoadJournal(root, slog.New(slog.DiscardHandler)).Last().State; got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// An image that calls itself by its predecessor's name stays an update however
// often it is installed. A host that updates by itself must not go on for ever.
func TestReleaseWithAWrongName(t *testing.T) {
	w := newWorld(t)
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	if err := Activate(t.Context(), w.disk(), w.journal(), &settings{}, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	w.boot()
	if _, err := w.disk().Change(t.Context(), slot.MarkSuccessfulBoot); err != nil {
		t.Fatal(err)
	}
	j := w.journal()
	if err := j.Settle(time.Now(), "1.0.0", w.sets().State); err != nil {
		t.Fatal(err)
	}
	c, err := Open(t.Context(), w.host)
	if err != nil {
		t.Fatal(err)
	}
	choice, err := c.Choose(Wish{Failed: c.FailedBefore(t.Context(), j)})
	if err != nil {
		t.Fatal(err)
	}
	want := "it failed on this host: what booted from slot B calls itself 1.0.0, as was seen on "
	if reasons := choice.Verdicts[0].Reasons; len(reasons) != 1 || !strings.HasPrefix(reasons[0].Text, want) {
		t.Errorf("got %+v, want %s", reasons, want)
	}
}

// Why the new slot is not well is kept, also if its activation was not noted.
func TestBlameOfWhatWasActivatedByHand(t *testing.T) {
	j := LoadJournal(paths.Root(t.TempDir()), slog.New(slog.DiscardHandler))
	if err := j.begin(Attempt{Version: "1.1.0", Slot: "B", State: Prepared, Step: stepValid}); err != nil {
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
	if a := j.Last(); a.State != BootFailed || a.Error != "units: a.service" {
		t.Errorf("got %+v", a)
	}
}
