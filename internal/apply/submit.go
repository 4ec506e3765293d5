package apply

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
)

// running is a change that is not over.
type running struct {
	// rec belongs to the goroutine that carries the change; while the change
	// is being tried it is guarded by Engine.committing.
	rec     record
	draft   *draft
	begun   map[string]bool       // services some of whose commands were begun
	stale   map[string]bool       // services whose commands failed or were left out
	written map[string]fileRecord // to be remembered, by host path
	resumed bool                  // after a crash: any command may have run already
	ends    *running              // the tried change that this one takes back

	filesDone chan struct{} // closed once files and settings agree

	// Guarded by Engine.mu.
	shown   api.Change
	size    int           // of the record, in bytes
	settled chan struct{} // closed, and made anew, when shown is or becomes settled
	clock   *time.Timer   // of a try
	expired bool
}

func newRunning(rec record) *running {
	return &running{
		rec: rec, begun: map[string]bool{}, stale: map[string]bool{}, written: map[string]fileRecord{},
		filesDone: make(chan struct{}), settled: make(chan struct{}),
	}
}

// Plan says what Submit would do and touches nothing.
func (e *Engine) Plan(ctx context.Context, r Request) (*api.Plan, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	d, err := e.draft(ctx, r)
	if err != nil {
		return nil, err
	}
	return &d.plan, nil
}

// Submit commits r and starts applying it; the change returned is committed
// (or nothing was, and err says why). Unless r.Keep, a template that cannot be
// rendered refuses the change before anything is committed.
//
// Submit waits for its turn, with two exceptions that must not wait, because
// they may come from a program that a restart command has started: what is
// only committed needs no turn, and a change that keeps its settings whatever
// happens is committed now and applied when its turn has come.
func (e *Engine) Submit(ctx context.Context, r Request) (*api.Change, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	leave, err := e.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	switch {
	case r.CommitOnly:
		return e.commitOnly(ctx, r)
	case e.turn.tryTake():
	case r.Keep:
		return e.commitAhead(ctx, r)
	default:
		if err := e.turn.take(ctx, e.closing); err != nil {
			return nil, err
		}
	}
	return e.submit(ctx, r)
}

// submit begins a change whose turn has come; the turn ends with the change.
func (e *Engine) submit(ctx context.Context, r Request) (*api.Change, error) {
	run, err := e.begin(ctx, r)
	if err != nil || e.shown(run).State != api.StateApplying { // its record may be that of a try by now, which others may end
		e.turn.give()
		return e.outcome(run, err)
	}
	e.work.Go(func() {
		defer e.turn.give()
		e.carry(e.background, run)
	})
	return e.shown(run), nil
}

func (e *Engine) outcome(run *running, err error) (*api.Change, error) {
	if err != nil {
		return nil, err
	}
	return e.shown(run), nil
}

func (e *Engine) commitOnly(ctx context.Context, r Request) (*api.Change, error) {
	run, err := e.begin(ctx, r)
	return e.outcome(run, err)
}

// commitAhead commits a change now and applies it when its turn has come.
func (e *Engine) commitAhead(ctx context.Context, r Request) (*api.Change, error) {
	out, err := e.turn.queue()
	if err != nil {
		return nil, err
	}
	run, err := e.beginAhead(ctx, r)
	if err != nil {
		out()
		return nil, err
	}
	e.work.Go(func() {
		defer out()
		e.awaitTurn(run)
	})
	return e.shown(run), nil
}

// errMoved is returned when a pending transaction changed between a draft and its commit.
var errMoved = errors.New("pending settings have changed")

// begin drafts and commits a change.
func (e *Engine) begin(ctx context.Context, r Request) (*running, error) {
	e.committing.Lock()
	defer e.committing.Unlock()
	if r.expiring != nil && !e.trying(r.expiring) {
		return nil, conflict("undo it again", "change %d has just been confirmed", r.undoes.Change.ID)
	}
	for {
		d, err := e.draft(ctx, r)
		if err != nil {
			return nil, err
		}
		rec := e.newRecord(r, d)
		e.enterPhase(&rec, r, d)
		run, err := e.commit(ctx, r, d, rec)
		if !errors.Is(err, errMoved) {
			return run, err
		}
	}
}

// beginAhead commits a change whose files will be drafted later.
func (e *Engine) beginAhead(ctx context.Context, r Request) (*running, error) {
	e.committing.Lock()
	defer e.committing.Unlock()
	for {
		d, err := e.draftEdits(r)
		if err != nil {
			return nil, err
		}
		rec := e.newRecord(r, d)
		rec.Phase, rec.Change.State = phaseQueued, api.StatePlanned
		run, err := e.commit(ctx, r, d, rec)
		if !errors.Is(err, errMoved) {
			return run, err
		}
	}
}

func (e *Engine) newRecord(r Request, d *draft) record {
	rec := record{
		Change: api.Change{
			State: api.StateApplying, Caller: r.Caller, Created: e.cfg.Now().UTC(),
			Keys: texts(d.edits.Keys()), Plan: d.plan, Tasks: []api.Task{}, Reason: r.Reason,
		},
		Phase: phaseForward, Layer: d.edits.Layer, Settings: formerValues(d.edits, d.before, d.after),
		Apply: r.Apply, ApplyAll: r.ApplyAll, Keep: r.Keep, Boot: e.cfg.BootID, Try: tryClock{Length: r.Try},
	}
	if r.undoes != nil {
		rec.Change.Undoes = r.undoes.Change.ID
	}
	return rec
}

// enterPhase ends a change that has nothing to apply at once, and else puts
// the files' former contents into its record.
func (e *Engine) enterPhase(rec *record, r Request, d *draft) {
	rec.Files = d.formerFiles()
	switch {
	case len(rec.Files)+len(d.plan.Restarts)+len(d.faults) > 0:
	case r.Try > 0:
		e.beginTrying(rec)
	default:
		rec.over(api.StateDone, e.cfg.Now())
	}
}

// over ends a change.
func (r *record) over(s api.State, now time.Time) {
	r.leave(s, phaseOver, now)
	r.Files = nil
}

// leave ends a change as far as anybody can see, and leaves the rest of a
// phase to the next start.
func (r *record) leave(s api.State, p phase, now time.Time) {
	r.Phase, r.Change.State, r.Change.Finished = p, s, now.UTC()
}

func (d *draft) formerFiles() []formerFile {
	var files []formerFile
	for _, f := range d.files {
		if f.differs() {
			files = append(files, formerFile{Path: f.target, Edited: f.change.Edited, Content: f.disk})
		}
	}
	return files
}

// commit makes a drafted change durable and known.
func (e *Engine) commit(ctx context.Context, r Request, d *draft, rec record) (*running, error) {
	run := newRunning(rec)
	run.draft = d
	if err := e.checkWaiting(r, rec); err != nil {
		return nil, err
	}
	by := datastore.Author{Caller: r.Caller, Transaction: r.Transaction, Reason: r.Reason}
	var remember func()
	err := e.update(ctx, by, func(tx *datastore.Tx) (err error) {
		if err := e.store(tx, r, run); err != nil {
			return err
		}
		remember, err = e.inherit(tx, d.heirs)
		return err
	})
	if err != nil {
		return nil, err
	}
	remember()
	if r.expiring != nil {
		run.ends = r.expiring
		run.ends.rec.over(api.StateUndone, e.cfg.Now())
		run.ends.rec.Change.UndoneBy = run.rec.Change.ID
		e.endClock(run.ends)
	}
	e.adopt(run)
	if run.rec.Phase == phaseTrying || !run.rec.open() {
		e.settled(run)
		return run, nil
	}
	e.publish(run)
	return run, nil
}

// store is the update of a commit.
func (e *Engine) store(tx *datastore.Tx, r Request, run *running) (err error) {
	if r.takesPending() {
		held, err := tx.DropPending(r.Transaction)
		if err != nil {
			return err
		}
		if !slices.EqualFunc(held, run.draft.pending, samePair) {
			return errMoved
		}
	}
	if run.rec.Change.ID, err = tx.NextChange(); err != nil {
		return err
	}
	if !empty(run.draft.edits) {
		if err := tx.Edit(run.draft.edits); err != nil {
			return err
		}
	}
	if r.expiring != nil {
		ended := r.expiring.rec
		ended.over(api.StateUndone, e.cfg.Now())
		ended.Change.UndoneBy = run.rec.Change.ID
		if err := ended.put(tx); err != nil {
			return err
		}
	} else if err := e.markUndone(tx, run.rec.Change.Undoes, run.rec.Change.ID); err != nil {
		return err
	}
	return run.rec.put(tx)
}

func samePair(a, b key.Pair) bool { return a.Key == b.Key && string(a.Value) == string(b.Value) }

// update is a store update that also brings what could not be stored before.
func (e *Engine) update(ctx context.Context, by datastore.Author, fn func(*datastore.Tx) error) error {
	owed := e.owed()
	err := e.cfg.Store.Update(ctx, by, func(tx *datastore.Tx) error {
		for _, run := range owed {
			if err := run.persist(tx); err != nil { // no reason to refuse what is new
				e.cfg.Log.Error("store the end of a change", "change", run.rec.Change.ID, "err", err)
			}
		}
		return fn(tx)
	})
	if err == nil {
		e.settle(owed)
	}
	return err
}

// persist stores a change's record and those of the files that it wrote.
func (r *running) persist(tx *datastore.Tx) error {
	for path, f := range r.written {
		data, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if err := tx.PutFile(path, data); err != nil {
			return err
		}
	}
	return r.rec.put(tx)
}

// owed lists the changes whose last state the store was not able to take.
func (e *Engine) owed() []*running {
	e.mu.Lock()
	defer e.mu.Unlock()
	var owed []*running
	for _, r := range e.unsaved {
		owed = append(owed, r)
	}
	return owed
}

func (e *Engine) settle(saved []*running) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range saved {
		delete(e.unsaved, r.rec.Change.ID)
		if !r.rec.open() {
			delete(e.live, r.rec.Change.ID)
		}
	}
}

// saveAfter is how long the store may wait for the end of a quiet change.
const saveAfter = 200 * time.Millisecond

// saveLater stores the end of a change soon, unless another update does so
// before: while changes follow one another, each brings the end of the last.
func (e *Engine) saveLater(r *running) {
	time.AfterFunc(saveAfter, func() {
		leave, err := e.enter()
		if err != nil {
			return // Close does it
		}
		defer leave()
		if !slices.Contains(e.owed(), r) {
			return
		}
		if err := e.saveUnsaved(e.background); err != nil {
			e.cfg.Log.Error("store the end of a change", "err", err)
		}
	})
}

func (e *Engine) saveUnsaved(ctx context.Context) error {
	e.committing.Lock()
	defer e.committing.Unlock()
	if len(e.owed()) == 0 {
		return nil
	}
	return e.update(ctx, datastore.Author{}, func(*datastore.Tx) error { return nil })
}
