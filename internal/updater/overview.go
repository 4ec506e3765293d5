package updater

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/update/journal"
)

// Overview is all that is known, also while a command is under way. Without a
// record that can be read there is no status.
func (u *Updater) Overview(ctx context.Context) (api.Updates, error) {
	unlock, err := u.Share()
	running := errors.Is(err, ErrLocked)
	switch {
	case err == nil:
		defer unlock()
	case !running:
		return api.Updates{}, err
	}
	r, unknown := u.load()
	o := api.Updates{Running: u.underWay(running, r)}
	if running {
		r.Begun = nil // nobody interrupted it
	}
	v, err := u.view(ctx, r)
	o.Last, o.Ended, o.Offer, o.Attempt, o.FellBack, o.Problem = v.Last, v.Ended, v.Offer, v.Attempt, v.FellBack, v.Problem
	switch {
	case unknown == nil:
		o.Status = &v.Status
		return o, err
	case !errors.Is(unknown, ErrNone):
		o.Problem = unknown.Error() // the next command starts anew
	}
	return o, nil
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

// History is the updates that were tried on this host, the newest first.
func (u *Updater) History() ([]api.UpdateAttempt, error) {
	j, err := journal.Read(u.Root)
	if err != nil {
		return nil, err
	}
	slices.Reverse(j.Attempts)
	return append([]api.UpdateAttempt{}, j.Attempts...), nil
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
