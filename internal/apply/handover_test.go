package apply_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/datastore"
)

// Before the settings are handed to another version, tries are taken back: what
// was confirmed or set again stays, and the next start has nothing to do.
func TestHandOverTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		w := open(t, root)
		kept := must(t, w.do(t, trial("a=kept")), api.StateTrying)
		if _, err := w.Confirm(t.Context(), kept.ID, api.Caller{}); err != nil {
			t.Fatal(err)
		}
		first := must(t, w.do(t, trial("a=first", "b=first", "c=first")), api.StateTrying)
		second := must(t, w.do(t, trial("b=second")), api.StateTrying)
		must(t, w.do(t, set("c=again")), api.StateDone)
		w.close(t)

		if undone := w.handOver(t); !slices.Equal(undone, []uint64{second.ID, first.ID}) {
			t.Errorf("undone: %v", undone)
		}
		if undone := w.handOver(t); len(undone) > 0 {
			t.Errorf("undone once more: %v", undone)
		}
		w = open(t, root)
		defer w.close(t)
		if got := [...]string{w.setting("a"), w.setting("b"), w.setting("c")}; got != [...]string{"kept", "b0", "again"} {
			t.Errorf("got %q", got)
		}
		time.Sleep(time.Hour)
		for _, id := range []uint64{first.ID, second.ID} {
			if c, err := w.Change(id); err != nil || c.State != api.StateUndone || c.Reason == "" {
				t.Errorf("change %d: %+v, %v", id, c, err)
			}
		}
		if w.state(t, kept.ID) != api.StateDone || w.setting("a") != "kept" {
			t.Errorf("what was confirmed is %s, a is %s", w.state(t, kept.ID), w.setting("a"))
		}
	})
}

// A change that a crash interrupted is ended as far as the other version can: it
// neither goes on there nor brings back what was before, which has another form.
func TestHandOverInterrupted(t *testing.T) {
	kept := set("a=new", "need=new")
	kept.Keep = true
	for name, tc := range map[string]struct {
		interrupt func(*testing.T, *world) uint64
		want      string
		state     api.State
		tries     int
	}{
		"a try":               {func(t *testing.T, w *world) uint64 { return w.abandon(t, trial("a=new", "need=new")) }, "old", api.StateUndone, 1},
		"no try":              {func(t *testing.T, w *world) uint64 { return w.abandon(t, set("a=new", "need=new")) }, "new", api.StateDone, 0},
		"waiting":             {func(t *testing.T, w *world) uint64 { return w.abandon(t, set("b=new"), kept) }, "new", api.StateDone, 0},
		"being taken back":    {func(t *testing.T, w *world) uint64 { return w.abandonUndo(t, set("a=new", "need=new")) }, "old", api.StateUndone, 0},
		"a try taken back":    {func(t *testing.T, w *world) uint64 { return w.abandonUndo(t, trial("a=new", "need=new")) }, "old", api.StateUndone, 1},
		"an undo of a change": {func(t *testing.T, w *world) uint64 { return w.abandonUndoOf(t, set("a=new", "need=new")) }, "old", api.StateDone, 0},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			w := open(t, root)
			must(t, w.do(t, set("a=old", "need=old")), api.StateDone)
			id := tc.interrupt(t, w)
			if tries := w.handOver(t); len(tries) != tc.tries {
				t.Errorf("tries %v", tries)
			}
			w = open(t, root, withTemplates(broken()), inBoot("next"))
			c := must(t, w.wait(t, id), tc.state)
			if w.setting("a") != tc.want || c.Reason == "" {
				t.Errorf("a is %s, want %s; reason %q", w.setting("a"), tc.want, c.Reason)
			}
			if log := w.commands.take(); len(log) > 0 {
				t.Errorf("commands %q", log)
			}
		})
	}
}

// handOver ends what is open in the store of a world that was closed.
func (w *world) handOver(t *testing.T) (undone []uint64) {
	t.Helper()
	s, err := datastore.Open(w.root.Datastore(), datastore.Options{CopyAfter: -1})
	if err != nil {
		t.Fatal(err)
	}
	undone, err = apply.HandOver(t.Context(), s, api.Caller{Program: "migrator"}, "2.0.0 booted", time.Now())
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	return undone
}
