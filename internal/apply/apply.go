// Package apply carries changes of settings to files and services, and back.
//
// Start with [Engine.Submit]. A change runs through these steps, and never
// beside another one:
//
//	turn     wait until no other change is being applied
//	draft    render every file concerned, compare with the disk: the plan
//	commit   settings, history and the journal's record in one durable update
//	files    write those that differ
//	restarts run the restart commands of the services concerned
//	finish   the final state, one more durable update
//
// The record holds what undoing needs: the settings' former values and the
// files' former bytes. So a change that fails is taken back, and one that a
// crash interrupted is finished, or else taken back, by [Engine.Recover].
// Whichever it is, the store decides first and the files follow: settings are
// committed before files are written, and reverted before files are restored.
//
// A service whose restart commands merely (re)start or reload units is left
// alone when its files, which are all that it reads of the settings, stayed as
// they are. Any other command is taken at its word and runs, since it may read
// settings by itself (CHANGED_SETTINGS names them); and so does a restart
// because of a setting that none of the service's templates can see. A service
// whose last restart failed counts as changed until one succeeds.
//
// The package does not validate settings (package model does, at the edge, but
// for what an undo brings back), does not know HTTP, and does not decide who may
// do what.
package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
	"github.com/hostler-os/hostler/internal/template"
)

// Config is what an Engine needs.
type Config struct {
	Root      paths.Root
	Store     *datastore.Store
	Model     *model.Model
	Templates fs.FS      // below /usr/share/templates; nil: the root's
	Disk      durable.FS // nil: the real one
	Services  service.Manager
	OS        func() (map[string]any, error) // template data "os"; nil: none
	System    template.System
	BootID    string
	Log       *slog.Logger     // nil: none
	Now       func() time.Time // nil: time.Now
}

// Engine owns all changes. One change is applied at a time. Its methods may be
// called from any goroutine.
type Engine struct {
	cfg       Config
	disk      disk
	templates templates
	turn      turn

	// committing is held from a draft to its commit, so that the draft's
	// settings are still the store's.
	committing sync.Mutex

	// background is the context of work that belongs to no caller. It ends
	// when Close will wait no longer.
	background context.Context
	halt       context.CancelFunc
	work       sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	closing  chan struct{}
	live     map[uint64]*running
	unsaved  map[uint64]*running // final, but the store could not be told
	watchers map[*watcher]struct{}
}

// New makes an engine; call Recover before the first Submit.
func New(c Config) *Engine {
	if c.Templates == nil {
		c.Templates = os.DirFS(c.Root.Templates())
	}
	if c.OS == nil {
		c.OS = func() (map[string]any, error) { return nil, nil }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	e := &Engine{
		cfg: c, disk: newDisk(c.Root, c.Disk), turn: newTurn(),
		closing: make(chan struct{}), live: map[uint64]*running{},
		unsaved: map[uint64]*running{}, watchers: map[*watcher]struct{}{},
	}
	e.templates.fs = c.Templates
	e.background, e.halt = context.WithCancel(context.Background())
	return e
}

// Close lets the change in hand finish. When ctx ends first, what it is doing
// is cut short and left to the next start: the journal has all of it. New
// changes are refused from now on.
func (e *Engine) Close(ctx context.Context) error {
	if !e.shut() {
		return nil
	}
	e.logAwaited(ctx)
	done := make(chan struct{})
	go func() { e.work.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		e.cfg.Log.Warn("a change is left to the next start")
	}
	e.halt()
	<-done
	err := e.saveUnsaved(context.WithoutCancel(ctx))
	e.closeWatchers()
	return err
}

// logAwaited tells what Close waits for, and how long at most.
func (e *Engine) logAwaited(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(e.live)) {
		c := e.live[id].shown
		if c.State.Settled() {
			continue
		}
		attrs := []any{"change", id, "state", string(c.State)}
		if i := slices.IndexFunc(c.Tasks, func(t api.Task) bool { return t.State == api.TaskDoing }); i >= 0 {
			attrs = append(attrs, "task", c.Tasks[i].Summary)
		}
		if deadline, ok := ctx.Deadline(); ok {
			attrs = append(attrs, "at-most", time.Until(deadline).Round(time.Second))
		}
		e.cfg.Log.Info("waiting for a change; what is not over then goes on at the next start", attrs...)
	}
}

// shut refuses new work and stops the tries' clocks; false if that was done before.
func (e *Engine) shut() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.closed = true
	close(e.closing)
	for _, r := range e.live {
		r.stopClock()
	}
	return true
}

// enter begins work that Close waits for, until leave.
func (e *Engine) enter() (leave func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errStopping()
	}
	e.work.Add(1)
	return e.work.Done, nil
}

func (e *Engine) halted() bool { return e.background.Err() != nil }

// Change returns a change as it stands.
func (e *Engine) Change(id uint64) (*api.Change, error) {
	if r := e.find(id); r != nil {
		return e.shown(r), nil
	}
	rec, err := e.load(id)
	if err != nil {
		return nil, err
	}
	return &rec.Change, nil
}

// Changes returns up to limit changes with ids below before (0: newest), newest first.
func (e *Engine) Changes(before uint64, limit int) ([]api.Change, error) {
	records, err := e.cfg.Store.Changes(before, limit)
	if err != nil {
		return nil, err
	}
	changes := make([]api.Change, 0, len(records))
	for _, data := range records {
		rec, err := parseRecord(data)
		if err != nil {
			return nil, err
		}
		change := &rec.Change
		if rec.open() { // by now it may be over, even in the store
			if change, err = e.Change(rec.Change.ID); err != nil {
				return nil, err
			}
		}
		changes = append(changes, *change)
	}
	return changes, nil
}

// load reads a change's record from the store.
func (e *Engine) load(id uint64) (*record, error) {
	data, err := e.cfg.Store.Change(id)
	if errors.Is(err, datastore.ErrNoChange) {
		return nil, &api.Error{
			Code: api.CodeNotFound, Message: fmt.Sprintf("there is no change %d", id),
			Hint: "list the changes that there are with: apiclient changes",
		}
	}
	if err != nil {
		return nil, err
	}
	return parseRecord(data)
}

func errStopping() error {
	return &api.Error{Code: api.CodeUnavailable, Message: "the server is stopping", Hint: "try again once it is back"}
}

func conflict(hint, format string, args ...any) error {
	return &api.Error{Code: api.CodeConflict, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func texts(keys []key.Key) []string {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = string(k)
	}
	return texts
}
