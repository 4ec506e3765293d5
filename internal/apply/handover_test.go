package apply_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/datastore"
)

// Before the settings are handed to another version, tries are taken back: what
// was confirmed or set again stays, and the next start has nothing to do.
func TestEndTries(t *testing.T) {
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
		path := w.root.Datastore()
		w.close(t)

		s, err := datastore.Open(path, datastore.Options{CopyAfter: -1})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time there is nothing to do
			if _, err := apply.EndTries(t.Context(), s, api.Caller{Program: "migrator"}, "2.0.0 booted", time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(string(s.Snapshot().JSON()), `{"demo":{"a":"kept","c":"again"}}`); diff != "" {
			t.Error(diff)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		w = open(t, root)
		defer w.close(t)
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

// A try that a crash interrupted while it was applied would wait for its
// confirmation in the other version: it is taken back too. Others stay.
func TestEndTriesInterrupted(t *testing.T) {
	for name, tc := range map[string]struct {
		request apply.Request
		want    string
		ended   int
	}{
		"a try":  {trial("a=new"), "old", 1},
		"no try": {set("a=new"), "new", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, t.TempDir())
			must(t, w.do(t, set("a=old")), api.StateDone)
			w.abandon(t, tc.request)
			s, err := datastore.Open(w.root.Datastore(), datastore.Options{CopyAfter: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			ended, err := apply.EndTries(t.Context(), s, api.Caller{Program: "migrator"}, "2.0.0 booted", time.Now())
			if err != nil || len(ended) != tc.ended {
				t.Errorf("ended %v, %v", ended, err)
			}
			if diff := cmp.Diff(string(s.Snapshot().JSON()), `{"demo":{"a":"`+tc.want+`"}}`); diff != "" {
				t.Error(diff)
			}
		})
	}
}
