package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/calendar"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/reboot"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/updater"
)

// updates answers the routes of updates. It runs no command itself: it starts
// thar-be-updates, so that this process stays small.
type updates struct {
	*program
	machine *updater.Updater
	reboots *reboot.Authority
}

const dispatcher = "thar-be-updates"

// dispatcherPath is the program beside this one, or where programs are found.
func dispatcherPath() (string, error) {
	if self, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(self), dispatcher)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(dispatcher)
}

// refusals are the answers to exit codes of thar-be-updates.
var refusals = map[int]api.Error{
	updater.ExitLocked: {
		Code: api.CodeLocked, Message: "Update lock held",
		Hint: "another update command is under way; 'apiclient update status' (GET /updates) shows how far it is",
	},
	updater.ExitState: {
		Code: api.CodeConflict, Message: "Update action not allowed according to update state",
		Hint: "'apiclient update status' (GET /updates/status) tells the state; where nothing can be applied, 'apiclient update check' looks again and says why",
	},
	updater.ExitNoChoice: {
		Code: api.CodeNotFound, Message: "Previously chosen Update no longer exists",
		Hint: "look for updates first: 'apiclient update check' (POST /actions/refresh-updates)",
	},
	updater.ExitNoImage: {
		Code: api.CodeNotFound, Message: "No update image applied to staging partition",
		Hint: "prepare an update first: POST /actions/prepare-update",
	},
}

// Do begins a command.
func (u *updates) Do(ctx context.Context, command string) error {
	path, err := dispatcherPath()
	if err != nil {
		return notStarted(err)
	}
	c := exec.CommandContext(ctx, path, "--root", string(u.root), "--json", command)
	c.Args[0] = dispatcher
	var why bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = "/", &why, os.Stderr
	err = c.Run()
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		u.log.Info("update command begun", "command", command)
		return nil
	case !exited:
		return notStarted(err)
	}
	if refusal, ok := refusals[exit.ExitCode()]; ok {
		return &refusal
	}
	return dispatcherFailed(blame(why.Bytes()))
}

// blame is why a command could not begin, as thar-be-updates tells it, and what to do.
func blame(told []byte) string {
	var e api.Error
	if json.Unmarshal(told, &e) != nil || e.Message == "" {
		return "the server's log has what it said"
	}
	return strings.TrimSuffix(e.Message+"; "+e.Hint, "; ")
}

func notStarted(err error) error {
	return &api.Error{
		Code: api.CodeInternal, Message: fmt.Sprintf("Unable to start the update dispatcher: %v ", err),
		Hint: dispatcher + " is a name of the file that holds the host's programs",
	}
}

// dispatcherFailed has the reference's text, which its clients know; what is wrong is the hint.
func dispatcherFailed(why string) error {
	return &api.Error{Code: api.CodeInternal, Message: "Update dispatcher failed", Hint: why}
}

// Force overrules the rehearsal of what is in the spare slot.
func (u *updates) Force(ctx context.Context) error {
	unlock, err := journal.Lock(ctx, u.root, journal.Moment)
	if err != nil {
		return &api.Error{Code: api.CodeLocked, Message: err.Error(), Hint: "wait for it: 'apiclient update status'"}
	}
	defer unlock()
	return journal.Load(u.root, u.log).Force(u.machine.Now())
}

// Status is what the reference's clients ask for.
func (u *updates) Status(ctx context.Context) (api.UpdateStatus, error) {
	unlock, err := u.machine.Share()
	switch open := (*updater.OpenError)(nil); {
	case errors.As(err, &open):
		return api.UpdateStatus{}, &api.Error{Code: api.CodeInternal, Message: fmt.Sprintf("Unable to open update lock file: %v", err)}
	case err != nil:
		return api.UpdateStatus{}, &api.Error{
			Code: api.CodeLocked, Message: fmt.Sprintf("Unable to obtain shared lock for reading update status: %v", err),
			Hint: "an update command is under way; GET /updates tells how far it is",
		}
	}
	defer unlock()
	v, err := u.machine.View(ctx)
	switch {
	case errors.Is(err, updater.ErrNone):
		return api.UpdateStatus{}, &api.Error{
			Code: api.CodeNotFound, Message: "Update status is uninitialized, refresh-updates to initialize it",
		}
	case err != nil:
		u.log.Error("status of updates cannot be told", "err", err)
		return api.UpdateStatus{}, dispatcherFailed("what is remembered of updates cannot be read; 'apiclient update check' begins anew, the server's log says more")
	}
	return v.Status, nil
}

// Overview is all that is known.
func (u *updates) Overview(ctx context.Context) (api.Updates, error) {
	o, err := u.overview(ctx)
	if err != nil {
		return o, err
	}
	o.Holds, err = u.reboots.Holds(ctx, api.RebootCareful)
	return o, err
}

// Event is how far updates are.
func (u *updates) Event(ctx context.Context) (api.UpdateEvent, error) {
	o, err := u.machine.Overview(ctx)
	e := api.UpdateEvent{Running: o.Running, Last: o.Last}
	if o.Status != nil {
		e.State = o.Status.State
	}
	return e, err
}

// overview is the same without what holds a reboot back.
func (u *updates) overview(ctx context.Context) (api.Updates, error) {
	o, err := u.machine.Overview(ctx)
	if err != nil {
		return o, err
	}
	o.History = u.store.LastHistory()
	o.Next = u.machine.NextStep(o, u.automatic())
	return o, nil
}

// defaultWindow is how long a window stays open if no setting says it.
const defaultWindow = time.Hour

// automatic is what the settings say. The model has judged them.
func (u *updates) automatic() updater.Automatic {
	const group = "settings.updates.automatic."
	a := updater.Automatic{Mode: u.text(group + "mode")}
	event, err := calendar.Parse(u.text(group + "window.start"))
	if err != nil {
		return a // there is none
	}
	a.Window = &calendar.Window{Event: event, Length: defaultWindow}
	if length, err := time.ParseDuration(u.text(group + "window.length")); err == nil {
		a.Window.Length = length
	}
	return a
}

// text is the value of a setting that is a string; "" without one.
func (u *updates) text(name string) string {
	var text string
	if e, ok := u.store.Snapshot().Get(key.MustParse(name)); ok {
		_ = json.Unmarshal(e.Value, &text)
	}
	return text
}

// History is what was tried.
func (u *updates) History() ([]api.UpdateAttempt, error) { return u.machine.History() }

// Cancel asks the command that is under way to stop.
func (u *updates) Cancel(ctx context.Context) error {
	err := u.machine.Cancel(ctx)
	if errors.Is(err, updater.ErrNothing) {
		return &api.Error{
			Code: api.CodeConflict, Message: err.Error(),
			Hint: "an update that is applied is taken back by POST /actions/deactivate-update",
		}
	}
	return err
}
