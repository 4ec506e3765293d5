package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/service"
)

// The kinds of tasks.
const (
	taskRender  = "render" // only of a template that failed and is left out
	taskWrite   = "write"
	taskReload  = "reload"
	taskRestart = "restart"
	taskUndo    = "undo"
)

// job is one step of carrying a change out.
type job struct {
	kind    string
	summary string
	service string // of a restart
	do      func(context.Context) (output string, err error)
}

// carry takes a committed change to its end.
func (e *Engine) carry(ctx context.Context, r *running) {
	defer r.filesAgree()
	err := e.forward(ctx, r)
	switch {
	case e.halted() && err != nil:
		// The journal has it; the next start goes on.
	case err == nil:
		e.succeed(ctx, r)
	case r.rec.Keep:
		e.fail(ctx, r, err)
	default:
		e.backward(ctx, r, err)
	}
}

// filesAgree tells Recover that files and settings agree.
func (r *running) filesAgree() {
	select {
	case <-r.filesDone:
	default:
		close(r.filesDone)
	}
}

// forward writes the files and runs the commands. The error is the first
// failure; when the settings are kept, the rest is done nonetheless.
func (e *Engine) forward(ctx context.Context, r *running) error {
	e.faultTasks(r)
	if r.draft.refused {
		return r.draft.renderError()
	}
	writes := e.writeJobs(r)
	reloads := e.reloadJobs(r)
	restarts := e.restartJobs(r, r.rec.Change.Plan.Restarts, len(writes) > 0)
	first := len(r.rec.Change.Tasks)
	e.addTasks(r, slices.Concat(writes, reloads, restarts))

	failure := e.runJobs(ctx, r, writes, first)
	if failure == nil {
		r.filesAgree()
	}
	if failure == nil || r.rec.Keep {
		rest := e.runJobs(ctx, r, append(reloads, restarts...), first+len(writes))
		failure = cmp.Or(failure, rest)
	}
	e.skipPending(r)
	return failure
}

// runJobs runs jobs whose tasks begin at index first, until one fails; when
// the settings are kept, only the rest of a failed service's commands is left out.
func (e *Engine) runJobs(ctx context.Context, r *running, jobs []job, first int) error {
	var failure error
	for i, j := range jobs {
		if r.stale[j.service] {
			e.skip(r, first+i)
			continue
		}
		err := e.runJob(ctx, r, j, first+i)
		if err == nil {
			continue
		}
		failure = cmp.Or(failure, err)
		if j.service != "" {
			r.stale[j.service] = true
		}
		if !r.rec.Keep || e.halted() {
			return failure
		}
	}
	return failure
}

// runJob runs one job and shows it as a task.
func (e *Engine) runJob(ctx context.Context, r *running, j job, task int) error {
	t := &r.rec.Change.Tasks[task]
	t.State, t.Started = api.TaskDoing, e.cfg.Now().UTC()
	e.publishTask(r, task)
	if j.service != "" {
		r.begun[j.service] = true
	}
	output, err := j.do(ctx)
	t.State, t.Finished = api.TaskDone, e.cfg.Now().UTC()
	t.Output = r.draft.secrets.redact(output)
	if err != nil {
		t.State, t.Error = api.TaskFailed, r.draft.secrets.redact(err.Error())
		e.cfg.Log.Warn("task of a change failed", "change", r.rec.Change.ID, "task", t.Summary, "err", t.Error)
	}
	e.publishTask(r, task)
	return err
}

func (e *Engine) addTasks(r *running, jobs []job) {
	for _, j := range jobs {
		r.rec.Change.Tasks = append(r.rec.Change.Tasks, api.Task{Kind: j.kind, Summary: j.summary, State: api.TaskPending})
	}
	e.publish(r)
}

func (e *Engine) skip(r *running, task int) {
	r.rec.Change.Tasks[task].State = api.TaskSkipped
	e.publishTask(r, task)
}

func (e *Engine) skipPending(r *running) {
	for i := range r.rec.Change.Tasks {
		if r.rec.Change.Tasks[i].State == api.TaskPending {
			r.rec.Change.Tasks[i].State = api.TaskSkipped
		}
	}
}

// faultTasks shows the templates that failed and are left out.
func (e *Engine) faultTasks(r *running) {
	for _, f := range r.draft.faults {
		r.rec.Change.Tasks = append(r.rec.Change.Tasks, api.Task{
			Kind: taskRender, Summary: "render " + f.file, State: api.TaskFailed,
			Error: r.draft.secrets.redact(f.err.Error()),
		})
	}
}

func (e *Engine) writeJobs(r *running) []job {
	var jobs []job
	for _, f := range r.draft.files {
		if f.differs() {
			jobs = append(jobs, job{
				kind: taskWrite, summary: "write " + f.model.Path,
				do: func(context.Context) (string, error) { return "", e.write(r, f) },
			})
		}
	}
	return jobs
}

// write replaces a file; what somebody had edited into it is kept aside first.
func (e *Engine) write(r *running, f *file) error {
	if f.change.Edited {
		if err := e.keepCopy(r, f); err != nil {
			return fmt.Errorf("%s: keep a copy of what was edited: %w", f.name, err)
		}
	}
	if err := e.disk.put(f.target, f.want); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	f.written = true
	return nil
}

// maxCopies is of how many changes copies are kept of what was edited by hand.
const maxCopies = 100

func (e *Engine) keepCopy(r *running, f *file) error {
	e.pruneCopies()
	name := filepath.Join(e.cfg.Root.Edited(), strconv.FormatUint(r.rec.Change.ID, 10), f.target)
	return durable.WriteFile(e.disk.fs, name, f.disk.Data, durable.Attributes{Mode: 0o600, UID: durable.Keep, GID: durable.Keep})
}

// pruneCopies makes room for one more. What cannot be removed stays.
func (e *Engine) pruneCopies() {
	entries, _ := os.ReadDir(e.cfg.Root.Edited()) // none yet
	var ids []uint64
	for _, entry := range entries {
		if id, err := strconv.ParseUint(entry.Name(), 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids[:max(0, len(ids)-maxCopies+1)] {
		if err := os.RemoveAll(filepath.Join(e.cfg.Root.Edited(), strconv.FormatUint(id, 10))); err != nil {
			e.cfg.Log.Warn("remove an old copy of what was edited", "change", id, "err", err)
		}
	}
}

// reloadJobs is the daemon-reload that unit files need.
func (e *Engine) reloadJobs(r *running) []job {
	if !units(formerPaths(r.rec.Files)) {
		return nil
	}
	return []job{{
		kind: taskReload, summary: "reload systemd",
		do: func(ctx context.Context) (string, error) { return "", e.cfg.Services.DaemonReload(ctx) },
	}}
}

func formerPaths(files []formerFile) []string {
	list := make([]string, len(files))
	for i, f := range files {
		list[i] = f.Path
	}
	return list
}

// restartJobs are the commands of services, in order, identical lines once:
// with the changed keys of all the services that share a line. written tells
// whether files are written just now.
func (e *Engine) restartJobs(r *running, restarts []api.Restart, written bool) []job {
	if r.resumed && r.rec.Boot != e.cfg.BootID && !written {
		return nil // since then everything was started anew, with the files as they are
	}
	var jobs []job
	var commands []*service.Command
	for _, restart := range restarts {
		for _, line := range restart.Commands {
			i := slices.IndexFunc(commands, func(c *service.Command) bool { return c.Line == line })
			if i >= 0 {
				commands[i].Changed = union(commands[i].Changed, restart.Because)
				continue
			}
			c := &service.Command{Line: line, Service: restart.Service, Undo: r.rec.Phase == phaseBack}
			if !r.rec.ApplyAll {
				c.Changed = slices.Clone(restart.Because)
			}
			commands = append(commands, c)
			jobs = append(jobs, job{
				kind: taskRestart, summary: fmt.Sprintf("restart %s: %s", c.Service, line), service: c.Service,
				do: func(ctx context.Context) (string, error) { return e.command(ctx, *c) },
			})
		}
	}
	return jobs
}

func union(a, b []string) []string {
	if a == nil {
		return nil
	}
	all := append(a, b...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (e *Engine) command(ctx context.Context, c service.Command) (string, error) {
	output, err := e.cfg.Services.Run(ctx, c)
	if err != nil {
		return output, fmt.Errorf("restart %s: %w", c.Service, err)
	}
	return output, nil
}

// succeed ends a change whose every step was done.
func (e *Engine) succeed(ctx context.Context, r *running) {
	r.remember(r.rec.Change.Plan.Restarts)
	if r.rec.Try.Length > 0 {
		e.beginTrying(&r.rec)
		e.finish(ctx, r)
		return
	}
	quiet := r.rec.quiet()
	r.rec.over(api.StateDone, e.cfg.Now())
	if quiet {
		e.owe(r)
		e.saveLater(r)
		e.settled(r)
		return
	}
	e.finish(ctx, r)
}

// quiet tells whether a change is nothing but settings and files. Once those
// are on disk, such a change is over, whatever happens: doing it again at the
// next start changes nothing. So its end is shown before the store has it,
// which saves everyone the wait for one more sync; and so the next start,
// which cannot know whether the end was shown, does not undo it.
func (r *record) quiet() bool {
	return len(r.Change.Plan.Restarts) == 0 && !units(formerPaths(r.Files))
}

// fail ends a change whose settings are kept although applying it failed.
func (e *Engine) fail(ctx context.Context, r *running, err error) {
	r.remember(r.rec.Change.Plan.Restarts)
	r.rec.Change.Error = r.applyError(err, "the settings were kept; apply them again once the cause is gone")
	r.rec.over(api.StateFailed, e.cfg.Now())
	e.finish(ctx, r)
}

func (r *running) applyError(err error, hint string) *api.Error {
	if known, ok := errors.AsType[*api.Error](err); ok && known.Code == api.CodeRenderFailed {
		return known
	}
	return &api.Error{Code: api.CodeApplyFailed, Message: r.draft.secrets.redact(err.Error()), Hint: hint}
}

// addToError says what else went wrong. The error so far may be in use by
// those who watch, so it is replaced.
func (r *running) addToError(more, hint string) {
	e := *r.rec.Change.Error
	e.Message, e.Hint = e.Message+"; and "+more, hint
	r.rec.Change.Error = &e
}

// remember notes what was last written, for every file whose note is not up to
// date, and which services have not been restarted with it.
func (r *running) remember(restarts []api.Restart) {
	restarted := map[string]bool{}
	for _, restart := range restarts {
		restarted[restart.Service] = !r.stale[restart.Service]
	}
	for _, f := range r.draft.files {
		if f.differs() && !f.written {
			continue
		}
		note := fileRecord{Digest: f.want.digest(), Mode: formatMode(f.want.Mode), Found: f.found(r.rec.ApplyAll), Secret: f.change.Hidden}
		for _, s := range f.services {
			if r.stale[s] || !restarted[s] && slices.Contains(f.record.Stale, s) {
				note.Stale = append(note.Stale, s)
			}
		}
		if !note.equal(f.record) {
			r.written[f.target] = note
		}
	}
}

// finish stores the state that a change has reached and shows it. A store that
// cannot take it is told with the next update; until then only a crash could
// tell the difference, and the next start would do the last steps again.
func (e *Engine) finish(ctx context.Context, r *running) {
	id, state := r.rec.Change.ID, r.rec.Change.State
	by := datastore.Author{Caller: r.rec.Change.Caller, Change: id}
	e.committing.Lock()
	err := e.update(context.WithoutCancel(ctx), by, r.persist)
	e.committing.Unlock()
	e.cfg.Log.Info("change ended", "change", id, "state", string(state))
	if err != nil {
		e.cfg.Log.Error("store the end of a change", "change", id, "err", err)
		e.owe(r)
	}
	e.settled(r)
}
