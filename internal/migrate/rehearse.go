package migrate

import (
	"context"
	"errors"
	"io/fs"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// Rehearsal is what Rehearse is to try, and for whom.
type Rehearsal struct {
	Options

	Running manifest.Version // of the image that runs: that of a datastore that was never told its own
	Old     *model.Model     // of the image that runs; nil: what does not fit before is not known
}

// Rehearse does to a copy of the datastore what the first boot of another
// version will do to the datastore itself. apiserver may run meanwhile. The
// report is nil if there is nothing to do. If the migration would fail, the
// error says why, and so does the report.
func Rehearse(ctx context.Context, r Rehearsal) (*api.Migration, error) {
	r.Options = r.filled()
	r.Secrets = r.Old
	copied, err := datastore.ReadDraft(ctx, r.Datastore, r.opening())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	from := copied.Release().Version
	if from == "" {
		from = r.Running.String()
	}
	if from == r.To.String() {
		return nil, copied.Close()
	}
	m := newMove(r.Options, copied.Store, from)
	m.report.Rehearsal, m.report.History = true, copied.LastHistory()
	m.tolerate(r.Old)
	err = m.endChanges(ctx)
	if err == nil {
		err = m.prepare(ctx)
	}
	return m.finish(errors.Join(err, m.closeDraft(), copied.Close()))
}

// tolerate accepts what the model of today refuses as well: the migration has
// not made it worse.
func (m *move) tolerate(old *model.Model) {
	if old == nil {
		return
	}
	before := map[place]bool{}
	for _, v := range misfits(m.store.Snapshot(), old) {
		before[place{v.Key, v.Layer}] = true
	}
	m.Accept = func(v api.Misfit) bool { return before[place{v.Key, v.Layer}] }
}

// Accepts is an Options.Accept for the boot after a rehearsal: it accepts what
// did not fit before, and, if somebody has insisted on the update, all that was listed.
func Accepts(rehearsal *api.Migration, forced bool) func(api.Misfit) bool {
	if rehearsal == nil {
		return nil
	}
	known := map[place]bool{}
	for _, v := range rehearsal.Before {
		known[place{v.Key, v.Layer}] = true
	}
	for _, v := range rehearsal.Violations {
		known[place{v.Key, v.Layer}] = forced
	}
	return func(v api.Misfit) bool { return known[place{v.Key, v.Layer}] }
}

// place is where a value stands.
type place struct {
	key   string
	layer api.Layer
}
