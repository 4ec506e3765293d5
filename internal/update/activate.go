package update

import (
	"context"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/slot"
)

// Activate makes the prepared slot boot next. It needs no network. A release
// whose migrations failed on a copy of the settings is refused, unless forced.
func Activate(ctx context.Context, d *slot.Disk, j *Journal, now time.Time) error {
	if a := j.Open(); a != nil && a.State == Prepared && !a.Forced && a.Rehearsal != nil && a.Rehearsal.State == api.MigrationFailed {
		return notMigrated(a.Version, a.Rehearsal.Error)
	}
	if _, err := d.Change(ctx, slot.UpgradeToInactive); err != nil {
		return fixed("Could not mark inactive partition for boot: %w", err)
	}
	return j.noteOpen(now, func(a *Attempt) {
		if a.State == Prepared {
			a.State, a.Step = Activated, "activate"
		}
	})
}

// Force lets Activate take the prepared release, whatever the rehearsal said.
func Force(j *Journal, now time.Time) error {
	return j.noteOpen(now, func(a *Attempt) { a.Forced = true })
}

// Deactivate takes Activate back: the running slot boots next, and the other
// one stays prepared.
func Deactivate(ctx context.Context, d *slot.Disk, j *Journal, now time.Time) error {
	if _, err := d.Change(ctx, slot.CancelUpgrade); err != nil {
		return fixed("Failed to modify OS disk partition table: %w", err)
	}
	return j.noteOpen(now, func(a *Attempt) {
		if a.State == Activated {
			a.State, a.Step = Prepared, "deactivate"
		}
	})
}
