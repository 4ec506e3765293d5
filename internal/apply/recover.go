package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
)

// Recover finishes or undoes what a crash interrupted and resumes tries. When
// it returns, files and settings agree; restart commands may still be running,
// since a server must not wait for them to be up. A change that cannot be
// finished is undone.
func (e *Engine) Recover(ctx context.Context) error {
	leave, err := e.enter()
	if err != nil {
		return err
	}
	defer leave()
	records, err := e.cfg.Store.OpenChanges()
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	var interrupted []*running
	for _, data := range records {
		rec, err := parseRecord(data)
		if err != nil {
			return err
		}
		run := newRunning(*rec)
		e.adopt(run)
		e.publish(run)
		switch rec.Phase {
		case phaseForward, phaseBack:
			interrupted = append(interrupted, run)
		case phaseQueued:
			defer e.work.Go(func() { e.awaitTurn(run) })
		case phaseTrying:
			defer e.resumeTry(run)
		}
	}
	return e.resume(ctx, interrupted)
}

// resume goes on with changes that a crash interrupted and waits until their
// files agree with the settings.
func (e *Engine) resume(ctx context.Context, interrupted []*running) error {
	if len(interrupted) == 0 {
		return nil
	}
	if err := e.turn.take(ctx, e.closing); err != nil {
		return err
	}
	e.work.Go(func() {
		defer e.turn.give()
		for _, r := range interrupted {
			e.again(e.background, r)
		}
	})
	for _, r := range interrupted {
		select {
		case <-r.filesDone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// again goes on with one change.
func (e *Engine) again(ctx context.Context, r *running) {
	defer r.filesAgree()
	r.resumed = true
	e.cfg.Log.Warn("going on with a change that was interrupted", "change", r.rec.Change.ID, "phase", string(r.rec.Phase))
	e.clean(r.rec.Files)
	r.rec.Change.Tasks = nil
	r.rec.Keep = r.rec.Keep || r.rec.quiet()
	d, err := e.draftAgain(ctx, r)
	r.draft = d
	switch {
	case r.rec.Phase == phaseBack:
		e.restore(ctx, r)
	case err == nil:
		e.carry(ctx, r)
	case e.halted():
	case r.rec.Keep:
		e.fail(ctx, r, err)
	default:
		e.backward(ctx, r, err)
	}
}

// clean removes what interrupted writing left beside files.
func (e *Engine) clean(files []formerFile) {
	for _, f := range files {
		if err := durable.Clean(e.disk.fs, e.cfg.Root.Join(f.Path)); err != nil {
			e.cfg.Log.Warn("remove what an interrupted change left", "err", err)
		}
	}
}

// draftAgain works out what is left to do of a change whose settings are
// committed. Its commands are those of its own plan, since files that are
// written already would no longer ask for them.
func (e *Engine) draftAgain(ctx context.Context, r *running) (*draft, error) {
	e.committing.Lock()
	defer e.committing.Unlock()
	now := e.cfg.Store.Snapshot()
	blank := &draft{before: now, after: now, secrets: findSecrets(e.cfg.Model, now)}
	if r.rec.Phase == phaseBack {
		return blank, nil
	}
	d, err := e.draft(ctx, r.rec.request())
	if err != nil {
		return blank, err
	}
	for _, f := range d.files {
		e.reconcile(r, f)
	}
	return d, nil
}

// request asks for applying the change's keys again.
func (r *record) request() Request {
	return Request{Apply: r.keys(), ApplyAll: r.ApplyAll, Keep: r.Keep, leaveOut: r.Change.Undoes != 0}
}

// reconcile makes one file of a resumed change's draft agree with the journal:
// its former content is what the journal says, and what the change itself
// wrote before the crash was not edited by hand.
func (e *Engine) reconcile(r *running, f *file) {
	i := slices.IndexFunc(r.rec.Files, func(former formerFile) bool { return former.Path == f.target })
	if i < 0 {
		if f.differs() {
			r.rec.Files = append(r.rec.Files, formerFile{Path: f.target, Edited: f.change.Edited, Content: f.disk})
		}
		return
	}
	former := r.rec.Files[i]
	f.change.Edited = f.differs() && (former.Edited || !e.disk.same(f.disk, former.Content))
	if f.change.Edited && !f.disk.Exists {
		f.change.Edited = false
	}
	f.change.ModeEdited = f.change.ModeEdited && !f.change.Edited
}

// resumeTry starts a try's clock again. One that started in what is now the
// future gets a new start, and all of its time.
func (e *Engine) resumeTry(r *running) {
	now := e.cfg.Now().UTC()
	if now.Before(r.rec.Try.Since) {
		e.restartTry(r)
	}
	e.startClock(r, r.rec.remaining(now))
}

func (e *Engine) restartTry(r *running) {
	e.committing.Lock()
	defer e.committing.Unlock()
	e.beginTrying(&r.rec)
	err := e.update(e.background, datastore.Author{Caller: suite(), Change: r.rec.Change.ID}, r.rec.put)
	if err != nil {
		e.cfg.Log.Error("store the new end of a try", "change", r.rec.Change.ID, "err", err)
	}
	e.publish(r)
}

// awaitTurn applies a change that was committed ahead of its turn.
func (e *Engine) awaitTurn(r *running) {
	select {
	case <-e.turn.token:
	case <-e.closing:
		return // it stays in the journal
	}
	defer e.turn.give()
	err := e.planQueued(e.background, r)
	switch {
	case e.halted():
	case err != nil:
		e.fail(e.background, r, err)
	default:
		e.carry(e.background, r)
	}
}

// planQueued works out the files and commands of a change whose settings are
// committed already, and journals them.
func (e *Engine) planQueued(ctx context.Context, r *running) error {
	e.committing.Lock()
	defer e.committing.Unlock()
	now := e.cfg.Store.Snapshot()
	r.draft = &draft{before: now, after: now, secrets: findSecrets(e.cfg.Model, now)}
	d, err := e.draft(ctx, r.rec.request())
	if err != nil {
		return err
	}
	d.plan.Edits = r.rec.Change.Plan.Edits
	rec := r.rec
	rec.Phase, rec.Change.State = phaseForward, api.StateApplying
	rec.Change.Plan, rec.Files = d.plan, d.formerFiles()
	by := datastore.Author{Caller: rec.Change.Caller, Change: rec.Change.ID}
	if err := e.update(ctx, by, rec.put); err != nil {
		return err
	}
	r.draft, r.rec = d, rec
	return nil
}
