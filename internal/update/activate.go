package update

import (
	"context"
	"time"

	"github.com/hostler-os/hostler/internal/slot"
)

// Activate makes the prepared slot boot next. It needs no network.
func Activate(ctx context.Context, d *slot.Disk, j *Journal, now time.Time) error {
	if _, err := d.Change(ctx, slot.UpgradeToInactive); err != nil {
		return fixed("Could not mark inactive partition for boot: %w", err)
	}
	return j.note(now, func(a *Attempt) {
		if a.State == Prepared {
			a.State, a.Step = Activated, "activate"
		}
	})
}

// Deactivate takes Activate back: the running slot boots next, and the other
// one stays prepared.
func Deactivate(ctx context.Context, d *slot.Disk, j *Journal, now time.Time) error {
	if _, err := d.Change(ctx, slot.CancelUpgrade); err != nil {
		return fixed("Failed to modify OS disk partition table: %w", err)
	}
	return j.note(now, func(a *Attempt) {
		if a.State == Activated {
			a.State, a.Step = Prepared, "deactivate"
		}
	})
}
