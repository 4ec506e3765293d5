package update

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// prepare installs what is offered, with a rehearsal that ends like this.
func (w *world) prepare(atOnce, force bool, report *api.Migration, failure error) error {
	w.t.Helper()
	c, err := Open(context.Background(), w.host)
	if err != nil {
		return err
	}
	choice, err := c.Choose(Wish{})
	if err != nil {
		return err
	}
	u, _ := choice.Chosen()
	i := &Installation{
		Catalog: c, Update: u, Disk: w.disk(), Journal: w.journal(), AtOnce: atOnce, Force: force, Extra: []string{"model.tar.zst", "not there"},
		Rehearse: func(_ context.Context, to manifest.Version) (*api.Migration, error) {
			if to != u.Version {
				w.t.Errorf("rehearsed for %s", to)
			}
			return report, failure
		},
	}
	return i.Run(context.Background())
}

func TestRehearsal(t *testing.T) {
	w := newWorld(t)
	before := w.words()
	failed := &api.Migration{State: api.MigrationFailed, To: "1.1.0"}
	err := w.prepare(true, false, failed, errors.New("there is no way"))
	if err == nil || !strings.HasPrefix(err.Error(), "the settings of this host cannot be brought to 1.1.0: there is no way") {
		t.Errorf("got %v", err)
	}
	last := w.journal().Last()
	if w.words() != before || last.State != Failed || last.Step != "rehearse migrations" || last.Rehearsal.State != api.MigrationFailed {
		t.Errorf("flags %s, before %s; %+v", w.words(), before, last)
	}
	if err := w.prepare(true, true, failed, errors.New("there is no way")); err != nil {
		t.Error(err)
	}
	if last := w.journal().Last(); last.State != Prepared || !last.Forced {
		t.Errorf("got %+v", last)
	}
	w.check()
}

// TestRehearsalThenActivation: what was prepared on its own waits for somebody who overrules the rehearsal.
func TestRehearsalThenActivation(t *testing.T) {
	w := newWorld(t)
	failed := &api.Migration{State: api.MigrationFailed, To: "1.1.0"}
	if err := w.prepare(false, false, failed, errors.New("there is no way")); err != nil {
		t.Fatal(err)
	}
	before, j := w.words(), w.journal()
	err := Activate(t.Context(), w.disk(), j, w.host.Now())
	if err == nil || !strings.HasPrefix(err.Error(), "the settings of this host cannot be brought to 1.1.0: there is no way") {
		t.Errorf("got %v", err)
	}
	if w.words() != before || j.Last().State != Prepared {
		t.Errorf("flags %s, before %s; %+v", w.words(), before, j.Last())
	}
	// A later attempt that touched nothing is not the one that is forced.
	if err := j.begin(Attempt{Version: "1.2.0", State: Failed, Step: "check"}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Force(j, w.host.Now()), Activate(t.Context(), w.disk(), j, w.host.Now())); err != nil {
		t.Error(err)
	}
	if a := j.Open(); a == nil || a.State != Activated || !a.Forced || j.Last().Forced {
		t.Errorf("got %+v", j.Attempts)
	}
}

func TestRehearsalIsKept(t *testing.T) {
	w := newWorld(t)
	report := &api.Migration{State: api.MigrationDone, To: "1.1.0", Diff: make([]api.Edit, 1000)}
	if err := w.prepare(false, false, report, nil); err != nil {
		t.Fatal(err)
	}
	if last := w.journal().Last(); last.Rehearsal == nil || len(last.Rehearsal.Diff) != 200 || len(last.Rehearsal.Warnings) != 1 {
		t.Errorf("got %+v", last.Rehearsal)
	}
	versions, err := tufrepo.LoadVersions(w.host.Root.CachedVersions())
	if err != nil || versions.Targets == 0 {
		t.Errorf("got %+v, %v", versions, err)
	}
}
