package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/memexec"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/update/manifest"
	"github.com/hostler-os/hostler/migration"
)

// Options are what Run is to do, and for whom.
type Options struct {
	Datastore string // the file
	Cache     Cache
	To        manifest.Version
	OS        osrelease.Release // of the image that has that version
	Model     *model.Model      // of that image; nil: only the form of the result is checked
	NoModel   string            // why there is none
	Secrets   *model.Model      // where there is none, says what must not be shown

	// Accept tells which violations of the model may be: values that the model of
	// the version before refused as well, or that somebody has decided to lose. nil: none.
	Accept func(api.Misfit) bool
	// UseKept goes back to the datastore that was kept, even if settings were
	// changed since.
	UseKept bool

	// Losing is called before a damaged datastore is replaced by an older state,
	// which fails if it does, and Recovered when it was. nil: nobody minds.
	Losing    func() error
	Recovered func(datastore.Recovery)

	Limits memexec.Limits
	Log    *slog.Logger     // nil: none
	Now    func() time.Time // nil: time.Now
	FS     durable.FS       // nil: the host's
}

func (o Options) filled() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	if o.Limits.Output == 0 {
		o.Limits.Output = migration.MaxDocument
	}
	return o
}

// DataVersion is the version that the settings in a datastore are of; false if
// there is no datastore, or if it was never told: then they are those of the
// image that is running.
func DataVersion(path string) (manifest.Version, bool, error) {
	r, err := datastore.ReadRelease(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && r.Version == "" {
		return manifest.Version{}, false, nil
	}
	if err != nil {
		return manifest.Version{}, false, err
	}
	v, err := manifest.ParseVersion(r.Version)
	if err != nil {
		return v, false, fixed("Data store path '%s' contains invalid version: %w", path, err)
	}
	return v, true, nil
}

// Run brings the datastore to a version. The report is nil if there was nothing
// to do: then nothing but the datastore's version was looked at. If it fails, the
// datastore is what it was, but for changes that were not over, which have ended
// (see apply.HandOver), and the report says why as the error does. No other
// process may have the datastore open; the error is datastore.ErrHeld if one has.
func Run(ctx context.Context, o Options) (*api.Migration, error) {
	o = o.filled()
	from, known, err := DataVersion(o.Datastore)
	if err == nil && (!known || from == o.To) {
		return nil, nil
	}
	// Damage is mended, as at any other start, before anything is decided.
	store, err := o.open()
	if err != nil {
		return nil, err
	}
	version := store.Release().Version
	if version == "" || version == o.To.String() { // it was damaged, and now shows
		return nil, store.Close()
	}
	m := newMove(o, store, version)
	err = m.endChanges(ctx)
	if err == nil {
		err = m.prepare(ctx)
	}
	if err == nil {
		err = m.replace()
	}
	return m.finish(errors.Join(err, m.closeDraft(), store.Close()))
}

// open opens the datastore that is to be migrated, and tells if it was damaged.
func (o Options) open() (*datastore.Store, error) {
	opening := o.opening()
	opening.Losing = o.Losing
	store, err := datastore.Open(o.Datastore, opening)
	if err == nil && o.Recovered != nil && store.Recovered() != nil {
		o.Recovered(*store.Recovered())
	}
	return store, err
}

// opening are the options of every datastore here: no value is left out because
// it does not fit, and none is shown that may be secret.
func (o Options) opening() datastore.Options {
	return datastore.Options{Secret: secretFor(o.judge()), Log: o.Log, Now: o.Now, FS: o.FS, CopyAfter: -1}
}

func (o Options) judge() *model.Model {
	if o.Model != nil {
		return o.Model
	}
	return o.Secrets
}

// move is one run, on the host's datastore or on a copy.
type move struct {
	Options
	store *datastore.Store // as it was

	began  time.Time
	from   manifest.Version
	draft  *datastore.Draft // what it will be
	report *api.Migration
}

func newMove(o Options, store *datastore.Store, from string) *move {
	return &move{
		Options: o, store: store, began: o.Now(),
		report: &api.Migration{State: api.MigrationFailed, From: from, To: o.To.String(), Started: o.Now().UTC()},
	}
}

func (m *move) closeDraft() error {
	if m.draft == nil {
		return nil
	}
	return m.draft.Close()
}

// finish completes the report.
func (m *move) finish(err error) (*api.Migration, error) {
	m.report.Took = m.Now().Sub(m.began)
	if err != nil {
		m.report.Error = api.AsError(err)
		return m.report, err
	}
	m.report.State = api.MigrationDone
	return m.report, nil
}

// endChanges ends what the version before had begun. It is a commit of its own,
// so that all ways lead on from the same settings, also that back to the older
// version, where the changes would have ended as well.
func (m *move) endChanges(ctx context.Context) error {
	tries, err := apply.HandOver(ctx, m.store, caller(), m.To.String()+" booted", m.Now())
	for _, id := range tries {
		m.report.Warnings = append(m.report.Warnings, fmt.Sprintf("change %d was not confirmed, so it was taken back first", id))
	}
	return err
}

// prepare makes the draft.
func (m *move) prepare(ctx context.Context) (err error) {
	if m.from, err = manifest.ParseVersion(m.report.From); err != nil {
		return fixed("Data store path '%s' contains invalid version: %w", m.Datastore, err)
	}
	if m.To.Compare(m.from) < 0 {
		if err := m.useKept(ctx); err == nil || !errors.Is(err, errChanged) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return m.migrate(ctx)
}

// useKept takes what the older version had left. Only those who insist lose
// something by it.
func (m *move) useKept(ctx context.Context) error {
	d, err := keptDraft(ctx, m.store, m.Datastore, m.report.To, m.UseKept, m.opening())
	if err != nil {
		return err
	}
	m.draft, m.report.Way = d, api.WayKept
	if m.store.LastHistory() != m.store.Release().History {
		m.report.Warnings = append(m.report.Warnings, "lost: "+lost(m.store, m.store.Release().History))
	}
	return m.sign(func(*datastore.Tx) error { return nil })
}

// migrate takes what the migrations make of the present settings.
func (m *move) migrate(ctx context.Context) error {
	m.report.Way = api.WayForward
	if m.To.Compare(m.from) < 0 {
		m.report.Way = api.WayBackward
	}
	chain, err := Verify(ctx, m.Cache, m.from, m.To, m.Log)
	if err != nil {
		return m.orKept(err)
	}
	c, err := m.through(ctx, chain)
	if err != nil {
		return m.orKept(err)
	}
	if m.draft, err = datastore.ReadDraft(ctx, m.Datastore, m.opening()); err != nil {
		return err
	}
	edits := c.edits(m.store.Snapshot())
	m.report.Diff = diff(m.store.Snapshot(), edits, secretFor(m.judge()))
	if err := m.sign(func(tx *datastore.Tx) error { return write(tx, m.draft.Store, edits) }); err != nil {
		return err
	}
	return m.validate()
}

// orKept adds to the error of a way back that there is another one.
func (m *move) orKept(err error) error {
	if m.report.Way != api.WayBackward || m.store.Release().From != m.report.To {
		return err
	}
	if _, missing := os.Stat(keptPath(m.Datastore, m.report.To)); missing != nil {
		return err
	}
	return &api.Error{
		Code: api.AsError(err).Code, Message: err.Error(),
		Hint: fmt.Sprintf("migrator run --use-kept takes the settings that %s had left; it loses %s", m.report.To, lost(m.store, m.store.Release().History)),
	}
}

// through sends the settings through a chain.
func (m *move) through(ctx context.Context, chain *Chain) (contents, error) {
	doc, err := export(m.store.Snapshot())
	if err != nil {
		return nil, err
	}
	doc.OS = migration.OS(m.OS)
	r := runner{
		sandbox: memexec.Sandbox{Limits: m.Limits}, chain: chain, report: m.report, log: m.Log,
		generators: maps.Clone(m.store.Release().Generators),
	}
	if doc, err = r.run(ctx, doc); err != nil {
		return nil, err
	}
	c, ignored := imported(doc)
	for _, k := range ignored {
		m.Log.Info("migrations made what is no setting; it is left out", "key", k)
	}
	return c, nil
}

// write does all of a migration's edits. What is pending is of a boot that is over.
func write(tx *datastore.Tx, s *datastore.Store, edits []datastore.Edits) error {
	for _, e := range edits {
		if err := tx.Edit(e); err != nil {
			return err
		}
	}
	for _, name := range s.PendingNames() {
		if _, err := tx.DropPending(name); err != nil {
			return err
		}
	}
	return nil
}

func caller() api.Caller { return api.Caller{PID: int32(os.Getpid()), Program: "migrator"} }

// sign commits the draft, as being of the new version.
func (m *move) sign(fill func(*datastore.Tx) error) error {
	author := datastore.Author{Caller: caller(), Reason: title(m.report.From, m.report.To)}
	return m.draft.Update(context.Background(), author, func(tx *datastore.Tx) error {
		if err := fill(tx); err != nil {
			return err
		}
		return tx.SetMigrated(datastore.Release{
			Version: m.report.To, Generators: generators(m.Model), From: m.report.From, Commit: m.store.Commit(), Time: m.Now().UTC(),
		})
	})
}

// generators are how an image makes settings; nil if its model is not known.
func generators(m *model.Model) map[key.Key]json.RawMessage {
	if m == nil {
		return nil
	}
	return m.MetadataAll(model.MetadataSettingGenerator)
}

// validate lists everything that the new image's model refuses.
func (m *move) validate() error {
	if m.Model == nil {
		m.report.Unchecked = m.NoModel
		return nil
	}
	var violations []api.Misfit
	for _, v := range misfits(m.draft.Snapshot(), m.Model) {
		if m.Accept != nil && m.Accept(v) {
			m.report.Before = append(m.report.Before, v)
			continue
		}
		violations = append(violations, v)
	}
	m.report.Violations = violations
	if len(violations) > 0 {
		return refused(violations, m.report.To)
	}
	return nil
}

// replace shows the draft as the datastore, and keeps the old one.
func (m *move) replace() error {
	err := m.draft.Replace(m.Datastore, func() error { return keep(m.FS, m.Datastore, m.report.From) })
	if err != nil {
		return err
	}
	m.report.Kept = keptPath(m.Datastore, m.report.From)
	if err := prune(m.FS, m.Datastore, m.report.From); err != nil {
		m.report.Warnings = append(m.report.Warnings, fmt.Sprintf("remove old datastores: %v", err))
	}
	return nil
}
