package updater

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
)

// Overview is all that is known, also while a command is under way.
func (u *Updater) Overview(ctx context.Context) (api.Updates, error) {
	unlock, err := u.Share()
	running := errors.Is(err, ErrLocked)
	switch {
	case err == nil:
		defer unlock()
	case !running:
		return api.Updates{}, err
	}
	r, err := u.load()
	if errors.Is(err, ErrNone) {
		return api.Updates{Running: u.underWay(running, r)}, nil
	}
	if err != nil {
		return api.Updates{}, err
	}
	now := u.underWay(running, r)
	if running {
		r.Begun = nil // nobody interrupted it
	}
	v, err := u.view(ctx, r)
	if err != nil {
		return api.Updates{}, err
	}
	return api.Updates{Status: &v.Status, Running: now, Last: v.Last, Ended: v.Ended, Offer: v.Offer, Problem: v.Problem}, nil
}

// underWay is how far the command is that is under way, if one is. One that has
// not told anything yet has just begun.
func (u *Updater) underWay(running bool, r Record) *api.UpdateWork {
	if !running {
		return nil
	}
	var w api.UpdateWork
	if text, err := durable.ReadFile(u.Root.UpdateProgress(), maxProgress); err == nil && json.Unmarshal(text, &w) == nil {
		return &w
	}
	if r.Begun == nil {
		return &api.UpdateWork{Started: u.Now().UTC()}
	}
	return &api.UpdateWork{Command: r.Begun.Command, Started: r.Begun.Started}
}

// maxJournal bounds the journal of attempts, in bytes.
const maxJournal = 4 << 20

// History is the updates that were tried on this host, the newest first, as
// package update keeps them.
func (u *Updater) History() ([]api.UpdateAttempt, error) {
	text, err := durable.ReadFile(u.Root.Attempts(), maxJournal)
	if errors.Is(err, fs.ErrNotExist) {
		return []api.UpdateAttempt{}, nil
	}
	var journal struct {
		Attempts []api.UpdateAttempt `json:"attempts"`
	}
	if err == nil {
		err = json.Unmarshal(text, &journal)
	}
	if err != nil {
		return nil, fmt.Errorf("read journal of updates: %s: %w", u.Root.Attempts(), err)
	}
	slices.Reverse(journal.Attempts)
	return append([]api.UpdateAttempt{}, journal.Attempts...), nil
}

// cancellable are the commands that may take long; the other is over before
// anybody could say a word.
var cancellable = []string{api.UpdateRefresh, api.UpdatePrepare, api.UpdateActivate}

// ErrNothing is returned where there is no command to cancel.
var ErrNothing = errors.New("no update command is under way that could be cancelled")

// Cancel asks the command that is under way to stop.
func (u *Updater) Cancel(ctx context.Context) error {
	o, err := u.Overview(ctx)
	if err != nil {
		return err
	}
	if o.Running == nil || !slices.Contains(cancellable, o.Running.Command) {
		return ErrNothing
	}
	if err := write(u.Root.UpdateCancel(), nil); err != nil {
		return fmt.Errorf("cancel update command: %w", err)
	}
	return nil
}
