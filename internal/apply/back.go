package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
)

// backward takes a change back: first the settings, durably, then the files.
// If the settings cannot be reverted, the files are left alone, and the next
// start goes forward again.
func (e *Engine) backward(ctx context.Context, r *running, cause error) {
	r.rec.Change.Error = r.applyError(cause, "find the cause in the tasks of the change, then make it again")
	if err := e.revert(ctx, r); err != nil {
		e.cfg.Log.Error("revert the settings of a change", "change", r.rec.Change.ID, "err", err)
		r.addToError("its settings could not be reverted: "+err.Error(), "the change was kept: see to the datastore, then undo it")
		r.remember(nil)
		r.rec.leave(api.StateFailed, phaseForward, e.cfg.Now())
		e.finish(ctx, r)
		return
	}
	e.restore(ctx, r)
}

func (e *Engine) revert(ctx context.Context, r *running) error {
	e.committing.Lock()
	defer e.committing.Unlock()
	inverse, err := e.inverse(&r.rec, e.cfg.Store.Snapshot())
	if err != nil {
		return err
	}
	rec := r.rec
	rec.Phase = phaseBack
	by := datastore.Author{Caller: rec.Change.Caller, Change: rec.Change.ID, Reason: fmt.Sprintf("change %d failed", rec.Change.ID)}
	var remember func()
	err = e.update(context.WithoutCancel(ctx), by, func(tx *datastore.Tx) (err error) {
		if !empty(inverse.edits) {
			if err := tx.Edit(inverse.edits); err != nil {
				return err
			}
		}
		if remember, err = e.inherit(tx, inverse.heirs); err != nil {
			return err
		}
		if err := e.markUndone(tx, rec.Change.Undoes, 0); err != nil {
			return err
		}
		return rec.put(tx)
	})
	if err == nil {
		remember()
		r.rec = rec
	}
	return err
}

// restore gives the files their former content, and has services that have
// been touched read it.
func (e *Engine) restore(ctx context.Context, r *running) {
	files, reloads := e.restoreJobs(r), e.reloadJobs(r)
	touched := slices.DeleteFunc(slices.Clone(r.rec.Change.Plan.Restarts), func(s api.Restart) bool {
		return !r.begun[s.Service] && !r.resumed
	})
	if len(files) == 0 {
		reloads = nil
	}
	jobs := slices.Concat(files, reloads, e.restartJobs(r, touched, len(files) > 0))
	for i := range jobs {
		jobs[i].kind, jobs[i].service = taskUndo, ""
	}
	first := len(r.rec.Change.Tasks)
	e.addTasks(r, jobs)
	var faults []error
	for i, j := range jobs {
		if i == len(files) {
			r.filesAgree()
		}
		faults = append(faults, e.runJob(ctx, r, j, first+i))
		if e.halted() {
			return
		}
	}
	e.undone(ctx, r, errors.Join(faults[:len(files)]...), errors.Join(faults...))
}

// undone ends a change that was taken back, as far as that was possible. One
// whose files could not all be restored stays open: the next start tries again.
func (e *Engine) undone(ctx context.Context, r *running, files, all error) {
	if all != nil {
		r.addToError("not everything could be undone: "+r.draft.secrets.redact(all.Error()), "")
	}
	if files != nil {
		r.rec.leave(api.StateUndone, phaseBack, e.cfg.Now())
	} else {
		r.rec.over(api.StateUndone, e.cfg.Now())
	}
	e.finish(ctx, r)
}

// restoreJobs puts back every file that is not as it was, the last one first.
func (e *Engine) restoreJobs(r *running) []job {
	var jobs []job
	for _, f := range slices.Backward(r.rec.Files) {
		if now, err := e.disk.read(f.Path); err == nil && e.disk.same(now, f.Content) {
			continue
		}
		summary := "restore " + f.Path
		if !f.Content.Exists {
			summary = "remove " + f.Path
		}
		jobs = append(jobs, job{summary: summary, do: func(context.Context) (string, error) {
			return "", e.disk.put(f.Path, f.Content)
		}})
	}
	return jobs
}
