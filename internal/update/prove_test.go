package update

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update/image"
	"github.com/hostler-os/hostler/internal/update/journal"
)

// spoil changes a byte of an image in the spare slot.
func (w *world) spoil(name string, at int64) {
	w.t.Helper()
	s := w.sets()
	e := s.Extents[s.Active.Other()][parts[name]]
	f, err := os.OpenFile(e.Path, os.O_RDWR, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, e.Offset+at); err != nil {
		w.t.Fatal(err)
	}
	b[0]++
	_, err = f.WriteAt(b, e.Offset+at)
	if err := errors.Join(err, f.Close()); err != nil {
		w.t.Fatal(err)
	}
}

// later is a time when nobody knows any more what is in the spare slot.
func (w *world) later() time.Time { return w.host.Now().Add(72 * time.Hour) }

func (w *world) activate(now time.Time, tell func(Progress)) error {
	w.t.Helper()
	return Activate(w.t.Context(), w.disk(), w.journal(), &settings{}, now, tell)
}

func TestSumsAreKept(t *testing.T) {
	for way, make := range map[string]func(testing.TB) *world{api.ByWhole: newWorld, api.ByDelta: indexed} {
		w := make(t)
		if err := w.install(nil); err != nil {
			t.Fatal(err)
		}
		a := w.journal().Last()
		if len(a.Images) != 3 || a.Proved.IsZero() {
			t.Fatalf("got %+v", a)
		}
		for _, i := range a.Images {
			sum := sha256.Sum256(w.images[i.Image])
			if i.Way != way || i.SHA256 != hex.EncodeToString(sum[:]) || i.Size != int64(len(w.images[i.Image])) {
				t.Errorf("%s: %+v", i.Image, i)
			}
		}
	}
}

// What waited for days is read again before it boots.
func TestActivateLater(t *testing.T) {
	w := newWorld(t)
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	told := map[string]int64{}
	now := w.later()
	if err := w.activate(now, func(p Progress) {
		if p.Phase != image.Proving || p.Size != 700_000 {
			t.Errorf("told %+v", p)
		}
		told[p.Step] = p.Done
	}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"read back root", "read back boot", "read back hash"} {
		if told[step] != 700_000 {
			t.Errorf("told %v", told)
		}
	}
	if a := w.journal().Last(); a.State != api.AttemptActivated || !a.Proved.Equal(now) {
		t.Errorf("got %+v", a)
	}
}

func TestActivateWhatIsSpoilt(t *testing.T) {
	for name, at := range map[string]int64{"root": 0, "boot": 350_000, "hash": 699_999} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.install(nil); err != nil {
				t.Fatal(err)
			}
			w.spoil(name, at)
			err := w.activate(w.later(), nil)
			var e *api.Error
			if !errors.As(err, &e) || !strings.HasPrefix(e.Message, "the "+name+" image of 1.1.0 in slot B is no longer as it was proved at ") || e.Hint == "" {
				t.Errorf("got %v", err)
			}
			if a := w.journal().Last(); a.State != api.AttemptFailed || a.Step != "read back "+name || a.Error == "" || w.words() != "1/0/true 0/0/false " {
				t.Errorf("flags %s, %+v", w.words(), a)
			}
			if err := w.activate(w.later(), nil); err == nil || !strings.Contains(err.Error(), "Could not mark inactive partition for boot: ") {
				t.Errorf("once more: %v", err)
			}
			if err := w.install(nil); err != nil {
				t.Fatal(err)
			}
			for _, i := range w.journal().Last().Images {
				if (i.Written > 0) != (i.Image == name) || i.Written > 64<<10 {
					t.Errorf("of %s %d bytes were written", i.Image, i.Written)
				}
			}
			if err := w.activate(w.later(), nil); err != nil {
				t.Error(err)
			}
			w.check()
		})
	}
}

// A disk that cannot be read is no better than one that has something else.
func TestActivateWhatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	j := w.journal()
	if err := j.Note(w.host.Now(), func(a *journal.Attempt) { a.Images[1].Size = 1 << 40 }); err != nil {
		t.Fatal(err)
	}
	if err := w.activate(w.later(), nil); !strings.Contains(err.Error(), image.ErrTooLarge.Error()) || w.journal().Last().State != api.AttemptFailed {
		t.Errorf("got %v, %+v", err, w.journal().Last())
	}
}

func TestActivateWithoutASecondLook(t *testing.T) {
	tests := []struct {
		what   string
		change func(*journal.Attempt)
		after  time.Duration
	}{
		{"read back a moment ago", func(*journal.Attempt) {}, time.Second},
		{"by a program that kept no sums", func(a *journal.Attempt) {
			a.Proved = time.Time{}
			for i := range a.Images {
				a.Images[i].Size, a.Images[i].SHA256 = 0, ""
			}
		}, 72 * time.Hour},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			w := newWorld(t)
			if err := w.install(nil); err != nil {
				t.Fatal(err)
			}
			if err := w.journal().Note(w.host.Now(), test.change); err != nil {
				t.Fatal(err)
			}
			w.spoil("root", 0) // which shows that nobody looks
			looked := func(p Progress) { t.Errorf("read again: %+v", p) }
			if err := w.activate(w.host.Now().Add(test.after), looked); err != nil {
				t.Error(err)
			}
		})
	}
}

// A slot whose flags were changed by hand may be all that is left to fall back
// to: whatever the journal says of it, they stay.
func TestActivateAfterFlagsWereChanged(t *testing.T) {
	w := newWorld(t)
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	w.spoil("root", 0)
	change := func(s slot.State) (slot.State, error) {
		s.Sets[slot.B] = s.Sets[slot.A]
		return s, nil
	}
	if _, err := w.disk().Change(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	before := w.words()
	if err := w.activate(w.later(), nil); err == nil || w.words() != before {
		t.Errorf("%v; flags %s, before %s", err, w.words(), before)
	}
}

// A clock that was set back tells nothing of how long ago something was.
func TestActivateAfterTheClockWasSetBack(t *testing.T) {
	w := newWorld(t)
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	w.spoil("root", 0)
	if err := w.activate(w.host.Now().Add(-time.Hour), nil); err == nil {
		t.Error("it was not read again")
	}
}

// That somebody has had enough of waiting says nothing of the slot.
func TestActivationBrokenOff(t *testing.T) {
	w := newWorld(t)
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	before := w.words()
	ctx, cancel := context.WithCancel(t.Context())
	err := Activate(ctx, w.disk(), w.journal(), &settings{}, w.later(), func(Progress) { cancel() })
	if !errors.Is(err, context.Canceled) || w.words() != before || w.journal().Last().State != api.AttemptPrepared {
		t.Errorf("got %v; flags %s; %+v", err, w.words(), w.journal().Last())
	}
	if err := w.activate(w.later(), nil); err != nil {
		t.Error(err)
	}
}
