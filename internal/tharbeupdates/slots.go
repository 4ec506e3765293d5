package tharbeupdates

import (
	"context"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update"
	"github.com/hostler-os/hostler/internal/updater"
)

// journal is the record of attempts, after a look at what became of the last
// one. A host without slots has nothing to look at.
func (j *job) journal(ctx context.Context) (*update.Journal, error) {
	unlock, err := update.Lock(ctx, j.root.UpdateLock(), 0)
	if err != nil {
		return nil, err
	}
	defer unlock()
	journal := update.LoadJournal(j.root, j.log)
	sets, err := j.sets(ctx)
	if err != nil {
		j.log.Debug("what became of the last attempt cannot be seen", "err", err)
		return journal, nil
	}
	release, err := osrelease.Read(j.root)
	if err != nil {
		return nil, fixed("Unable to get OS version: %w", err)
	}
	return journal, journal.Settle(j.now(), release.VersionID, sets.State)
}

func (j *job) sets(ctx context.Context) (slot.Sets, error) {
	d, err := slot.Of(j.root)
	if err != nil {
		return slot.Sets{}, err
	}
	return d.Sets(ctx)
}

// restage notes what the journal says is in the spare slot: updog may have
// written it, by hand. What became of it was settled before.
func (j *job) restage(ctx context.Context, r *updater.Record, journal *update.Journal) {
	sets, err := j.sets(ctx)
	if err != nil {
		return
	}
	release, err := osrelease.Read(j.root)
	if err != nil {
		return
	}
	r.Staged = nil
	if a := journal.Open(); a != nil && a.Slot == sets.Active.Other().String() {
		r.Staged = &updater.Staged{Slot: a.Slot, Image: api.UpdateImage{Arch: release.Arch, Version: a.Version, Variant: a.Variant}}
	}
}

// flip changes which slot boots next. It needs no network.
func (j *job) flip(ctx context.Context, change func(context.Context, *slot.Disk, *update.Journal, time.Time) error) (apply, error) {
	unlock, err := update.Lock(ctx, j.root.UpdateLock(), 0)
	if err != nil {
		return nil, err
	}
	defer unlock()
	d, err := slot.Of(j.root)
	if err != nil {
		return nil, err
	}
	return nil, change(ctx, d, update.LoadJournal(j.root, j.log), j.now())
}
