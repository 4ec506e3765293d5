package update

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// Rehearser tries on a copy what the first boot of a version will do to the settings.
type Rehearser interface {
	Rehearse(ctx context.Context, to manifest.Version) (*api.Migration, error)

	// LastChange is the newest entry of the settings' history.
	LastChange(context.Context) (uint64, error)
}

// rehearsalTime bounds what an activation may wait for a rehearsal.
const rehearsalTime = 2 * time.Minute

// Activate makes the prepared slot boot next. It needs no network. A release
// whose migrations failed on a copy of the settings is refused, unless forced.
// If the settings were changed since that was tried, it is tried again; and if the
// slot was written long ago, it is read again, of which tell, unless nil, is told.
func Activate(ctx context.Context, d *slot.Disk, j *journal.Journal, r Rehearser, now time.Time, tell func(Progress)) error {
	if err := rehearseAgain(ctx, j, r, now); err != nil {
		return err
	}
	if a := j.Open(); a != nil && a.State == api.AttemptPrepared && !a.Forced && a.Rehearsal != nil && a.Rehearsal.State == api.MigrationFailed {
		return notMigrated(a.Version, a.Rehearsal.Error)
	}
	if err := proveAgain(ctx, d, j, now, tell); err != nil {
		return err
	}
	if _, err := d.Change(ctx, slot.UpgradeToInactive); err != nil {
		return fixed("Could not mark inactive partition for boot: %w", err)
	}
	return j.NoteOpen(now, func(a *journal.Attempt) {
		if a.State == api.AttemptPrepared {
			a.State, a.Step = api.AttemptActivated, "activate"
		}
	})
}

// rehearseAgain replaces a rehearsal that is out of date: also what is forced,
// because the boot must know which values may not fit. One that was broken off
// tells nothing of the settings: it is not noted, and one that took too long not as
// being of these, so that the next activation tries again.
func rehearseAgain(ctx context.Context, j *journal.Journal, r Rehearser, now time.Time) error {
	a := j.Open()
	if a == nil || a.State != api.AttemptPrepared {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, rehearsalTime)
	defer cancel()
	if last, err := r.LastChange(bounded); a.Rehearsal != nil && err == nil && last == a.Rehearsal.History {
		return nil
	}
	to, err := manifest.ParseVersion(a.Version)
	if err != nil {
		return err
	}
	report, failure := r.Rehearse(bounded, to)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(failure, context.DeadlineExceeded) {
		report = nil
	}
	return j.NoteOpen(now, func(a *journal.Attempt) { rehearsed(a, report, failure) })
}

// misfits is what an earlier rehearsal found that does not fit. A boot that is
// forced without a newer one has nothing better to go by.
func misfits(a *journal.Attempt) *api.Migration {
	m := &api.Migration{Rehearsal: true, To: a.Version}
	if a.Rehearsal != nil {
		m.Violations, m.Before = a.Rehearsal.Violations, a.Rehearsal.Before
	}
	return m
}

// rehearsed notes how a rehearsal went; there is no report if there was nothing to migrate.
func rehearsed(a *journal.Attempt, report *api.Migration, failure error) {
	if report == nil && failure == nil {
		a.Rehearsal = nil
		return
	}
	if report == nil {
		report = misfits(a)
	}
	kept := report.Trimmed()
	if failure != nil {
		kept.State, kept.Error = api.MigrationFailed, &api.Error{Code: api.CodeConflict, Message: failure.Error()}
	}
	a.Rehearsal = &kept
}

// Deactivate takes Activate back: the running slot boots next, and the other
// one stays prepared.
func Deactivate(ctx context.Context, d *slot.Disk, j *journal.Journal, now time.Time) error {
	if _, err := d.Change(ctx, cancel); err != nil {
		return fixed("Failed to modify OS disk partition table: %w", err)
	}
	return j.NoteOpen(now, func(a *journal.Attempt) {
		if a.State == api.AttemptActivated {
			a.State, a.Step = api.AttemptPrepared, "deactivate"
		}
	})
}

// cancel is [slot.CancelUpgrade], unless nothing would boot any more: a slot that
// runs on trial has no tries left, and cancelling takes the other one's priority.
func cancel(s slot.State) (slot.State, error) {
	after, err := slot.CancelUpgrade(s)
	if err != nil {
		return s, err
	}
	if _, boots := after.Next(); !boots {
		return s, fmt.Errorf("%w: without slot %s nothing would boot; a reboot goes back to it by itself", ErrNotGood, s.Active.Other())
	}
	return after, nil
}
