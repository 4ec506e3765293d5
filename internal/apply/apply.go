// Package apply carries changes of settings to files and services, and back.
package apply

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
	"github.com/hostler-os/hostler/internal/template"
)

var errStub = errors.New("stub")

// Engine owns all changes. One change runs at a time.
type Engine struct{}

// Config is what an Engine needs.
type Config struct {
	Root      paths.Root
	Store     *datastore.Store
	Model     *model.Model
	Templates fs.FS // below /usr/share/templates; nil: the root's
	Services  service.Manager
	OS        func() (map[string]any, error) // template data "os"
	System    template.System
	BootID    string
	Log       *slog.Logger
	Now       func() time.Time
}

// New makes an engine; call Recover before the first Submit.
func New(c Config) *Engine { return &Engine{} }

// Recover finishes or undoes what a crash interrupted and resumes tries.
func (e *Engine) Recover(ctx context.Context) error { return errStub }

// Close lets the change in hand finish or journals it, within ctx.
func (e *Engine) Close(ctx context.Context) error { return errStub }

// Request is a change to make.
type Request struct {
	Edits       datastore.Edits
	Transaction string // pending settings to fold in (under Edits.Layer) and drop
	Caller      api.Caller
	Apply       []key.Key // also apply these keys
	ApplyAll    bool
	CommitOnly  bool // commit, apply nothing
	Keep        bool // do not undo when applying fails
	Try         time.Duration
	Reason      string
}

// Plan says what Submit would do and touches nothing.
func (e *Engine) Plan(ctx context.Context, r Request) (*api.Plan, error) { return nil, errStub }

// Submit commits r and starts applying it; the change returned is committed (or nothing was, and err says why).
// Unless r.Keep, a template that cannot be rendered refuses the change before anything is committed.
func (e *Engine) Submit(ctx context.Context, r Request) (*api.Change, error) { return nil, errStub }

// Wait returns the change once it is applied: in a final state or trying; or its present state when ctx ends.
func (e *Engine) Wait(ctx context.Context, id uint64) (*api.Change, error) { return nil, errStub }

// Change returns a change as it stands.
func (e *Engine) Change(id uint64) (*api.Change, error) { return nil, errStub }

// Changes returns up to limit changes with ids below before (0: newest), newest first.
func (e *Engine) Changes(before uint64, limit int) ([]api.Change, error) { return nil, errStub }

// Confirm keeps a change that is being tried.
func (e *Engine) Confirm(ctx context.Context, id uint64, by api.Caller) (*api.Change, error) {
	return nil, errStub
}

// Undo reverts a change by a new one; settings that later changes set again stay.
func (e *Engine) Undo(ctx context.Context, id uint64, by api.Caller) (*api.Change, error) {
	return nil, errStub
}

// Watch delivers the events of all changes until ctx ends; a slow watcher loses intermediate events, never the last.
func (e *Engine) Watch(ctx context.Context) <-chan api.Event { return nil }
