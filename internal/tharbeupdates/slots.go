package tharbeupdates

import (
	"context"
	"time"

	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update/journal"
)

// alone does something while no other process changes the journal, or writes a slot.
func (j *job) alone(ctx context.Context, do func(*journal.Journal) error) error {
	unlock, err := journal.Lock(ctx, j.root, journal.Moment)
	if err != nil {
		return err
	}
	defer unlock()
	return do(journal.Load(j.root, j.log))
}

// settle finds out what became of the last attempt. A host without slots has
// nothing to look at.
func (j *job) settle(ctx context.Context, tried *journal.Journal) error {
	sets, err := j.sets(ctx)
	if err != nil {
		j.log.Debug("what became of the last attempt cannot be seen", "err", err)
		return nil
	}
	release, err := osrelease.Read(j.root)
	if err != nil {
		return fixed("Unable to get OS version: %w", err)
	}
	return tried.Settle(j.now(), release.VersionID, sets.State)
}

func (j *job) sets(ctx context.Context) (slot.Sets, error) {
	d, err := slot.Of(j.root)
	if err != nil {
		return slot.Sets{}, err
	}
	return d.Sets(ctx)
}

// flip changes which slot boots next. It needs no network.
func (j *job) flip(ctx context.Context, change func(context.Context, *slot.Disk, *journal.Journal, time.Time) error) error {
	return j.alone(ctx, func(tried *journal.Journal) error {
		d, err := slot.Of(j.root)
		if err != nil {
			return err
		}
		if err := j.settle(ctx, tried); err != nil {
			return err
		}
		return change(ctx, d, tried, j.now())
	})
}
