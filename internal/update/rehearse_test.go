package update

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/update/journal"
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
	if w.words() != before || last.State != api.AttemptFailed || last.Step != "rehearse migrations" || last.Rehearsal.State != api.MigrationFailed {
		t.Errorf("flags %s, before %s; %+v", w.words(), before, last)
	}
	if err := w.prepare(true, true, failed, errors.New("there is no way")); err != nil {
		t.Error(err)
	}
	if last := w.journal().Last(); last.State != api.AttemptPrepared || !last.Forced {
		t.Errorf("got %+v", last)
	}
	w.check()
}

// settings are those of a host, whose migration ends like this.
type settings struct {
	history uint64
	failure error
	asked   int // how often it was rehearsed
}

func (s *settings) LastChange(context.Context) (uint64, error) { return s.history, nil }

func (s *settings) Rehearse(_ context.Context, to manifest.Version) (*api.Migration, error) {
	s.asked++
	return &api.Migration{Rehearsal: true, State: api.MigrationDone, To: to.String(), History: s.history}, s.failure
}

// TestActivationRehearsesWhatChanged: what is known of other settings than those of now does not count.
func TestActivationRehearsesWhatChanged(t *testing.T) {
	w := newWorld(t)
	if err := w.prepare(false, false, &api.Migration{State: api.MigrationDone, To: "1.1.0", History: 7}, nil); err != nil {
		t.Fatal(err)
	}
	j, before := w.journal(), w.words()
	activate := func(s *settings) error { return Activate(t.Context(), w.disk(), j, s, w.host.Now(), nil) }

	now := &settings{history: 8, failure: errors.New("one value is refused")}
	err := activate(now)
	if err == nil || !strings.HasPrefix(err.Error(), "the settings of this host cannot be brought to 1.1.0: one value is refused") {
		t.Errorf("got %v", err)
	}
	if r := w.journal().Last().Rehearsal; w.words() != before || now.asked != 1 || r.History != 8 || r.State != api.MigrationFailed {
		t.Errorf("flags %s, before %s; asked %d times; %+v", w.words(), before, now.asked, r)
	}
	if err := activate(now); err == nil || now.asked != 1 {
		t.Errorf("unchanged since: %v, asked %d times", err, now.asked)
	}
	// Forced, it is tried all the same: the boot must know what may not fit.
	forced := &settings{history: 9, failure: errors.New("two values are refused")}
	if err := errors.Join(j.Force(w.host.Now()), activate(forced)); err != nil {
		t.Error(err)
	}
	if a := j.Open(); forced.asked != 1 || a.State != api.AttemptActivated || a.Rehearsal.History != 9 {
		t.Errorf("asked %d times; %+v", forced.asked, a)
	}
}

// TestActivationInterrupted: a rehearsal that was broken off says nothing of the
// settings, and the next activation must not take it for one that does.
func TestActivationInterrupted(t *testing.T) {
	w := newWorld(t)
	if err := w.prepare(false, false, &api.Migration{State: api.MigrationDone, To: "1.1.0", History: 7}, nil); err != nil {
		t.Fatal(err)
	}
	j, before := w.journal(), w.words()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Activate(ctx, w.disk(), j, &settings{history: 8, failure: context.Canceled}, w.host.Now(), nil)
	if !errors.Is(err, context.Canceled) || w.words() != before || j.Open().Rehearsal.History != 7 {
		t.Errorf("got %v; flags %s, before %s; %+v", err, w.words(), before, j.Open().Rehearsal)
	}
	if err := Activate(t.Context(), w.disk(), j, &settings{history: 8}, w.host.Now(), nil); err != nil {
		t.Error(err)
	}
}

// TestActivationOutOfTime: nor does one that took too long say anything for good.
func TestActivationOutOfTime(t *testing.T) {
	w := newWorld(t)
	if err := w.prepare(false, false, nil, nil); err != nil {
		t.Fatal(err)
	}
	late := &settings{history: 8, failure: fmt.Errorf("run migration: %w", context.DeadlineExceeded)}
	for asked := 1; asked <= 2; asked++ {
		err := Activate(t.Context(), w.disk(), w.journal(), late, w.host.Now(), nil)
		if err == nil || late.asked != asked {
			t.Errorf("got %v, asked %d times", err, late.asked)
		}
	}
}

// TestForcedActivationOutOfTime: what an earlier rehearsal found is not lost to the
// boot because a later one found nothing in time.
func TestForcedActivationOutOfTime(t *testing.T) {
	w := newWorld(t)
	found := &api.Migration{State: api.MigrationDone, To: "1.1.0", History: 7, Violations: []api.Misfit{{Key: "settings.motd"}}, Before: []api.Misfit{{Key: "settings.ntp"}}}
	if err := w.prepare(false, false, found, errors.New("one value is refused")); err != nil {
		t.Fatal(err)
	}
	late := &settings{history: 8, failure: fmt.Errorf("run migration: %w", context.DeadlineExceeded)}
	if err := errors.Join(w.journal().Force(w.host.Now()), Activate(t.Context(), w.disk(), w.journal(), late, w.host.Now(), nil)); err != nil {
		t.Fatal(err)
	}
	r := w.journal().Last().Rehearsal
	if r == nil || r.State != api.MigrationFailed || r.History != 0 || len(r.Violations) != 1 || len(r.Before) != 1 {
		t.Errorf("got %+v", r)
	}
}

// TestActivationAfterMending: whoever mends what the rehearsal found need not prepare the update again.
func TestActivationAfterMending(t *testing.T) {
	w := newWorld(t)
	if err := w.prepare(false, false, &api.Migration{State: api.MigrationFailed, To: "1.1.0", History: 7}, errors.New("there is no way")); err != nil {
		t.Fatal(err)
	}
	if err := Activate(t.Context(), w.disk(), w.journal(), &settings{history: 8}, w.host.Now(), nil); err != nil {
		t.Error(err)
	}
	if a := w.journal().Last(); a.State != api.AttemptActivated || a.Rehearsal.State != api.MigrationDone {
		t.Errorf("got %+v", a)
	}
}

// TestRehearsalThenActivation: what was prepared on its own waits for somebody who overrules the rehearsal.
func TestRehearsalThenActivation(t *testing.T) {
	w := newWorld(t)
	failed := &api.Migration{State: api.MigrationFailed, To: "1.1.0"}
	if err := w.prepare(false, false, failed, errors.New("there is no way")); err != nil {
		t.Fatal(err)
	}
	before, j := w.words(), w.journal()
	err := Activate(t.Context(), w.disk(), j, &settings{}, w.host.Now(), nil)
	if err == nil || !strings.HasPrefix(err.Error(), "the settings of this host cannot be brought to 1.1.0: there is no way") {
		t.Errorf("got %v", err)
	}
	if w.words() != before || j.Last().State != api.AttemptPrepared {
		t.Errorf("flags %s, before %s; %+v", w.words(), before, j.Last())
	}
	// A later attempt that touched nothing is not the one that is forced.
	if err := j.Begin(journal.Attempt{Version: "1.2.0", State: api.AttemptFailed, Step: "check"}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Force(w.host.Now()), Activate(t.Context(), w.disk(), j, &settings{}, w.host.Now(), nil)); err != nil {
		t.Error(err)
	}
	if a := j.Open(); a == nil || a.State != api.AttemptActivated || !a.Forced || j.Last().Forced {
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
