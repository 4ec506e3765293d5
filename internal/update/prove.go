package update

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update/image"
	"github.com/hostler-os/hostler/internal/update/journal"
)

// freshFor is for how long what was read back is taken for what is there, while
// the host runs: clients that prepare and activate at one go wait for activations
// for seconds, and would wait for reading twice what has just been read.
const freshFor = 10 * time.Minute

// proveAgain reads back what an earlier command wrote into the spare slot: there
// it may have waited for days, on a disk that forgets, or within reach of somebody
// who wrote something else. A slot that is not what was proved does not boot, and
// is written again by the next preparation. Attempts of programs that kept no sums pass.
func proveAgain(ctx context.Context, d *slot.Disk, j *journal.Journal, now time.Time, tell func(Progress)) error {
	a := j.Open()
	if a == nil || a.State != api.AttemptPrepared || fresh(a, now) {
		return nil
	}
	sets, err := d.Sets(ctx)
	if err != nil {
		return fixed("Failed to read OS disk partition table: %w", err)
	}
	if spare := sets.Active.Other(); a.Slot != spare.String() || !sets.State.Sets[spare].Valid() {
		return nil // it is not what is activated, or nothing is: the flags were changed by hand
	}
	for _, w := range a.Images {
		if w.SHA256 == "" {
			return nil
		}
		if err := proveImage(ctx, w, sets, tell); err != nil {
			return spoilt(ctx, d, j, now, w.Image, err)
		}
	}
	return j.NoteOpen(now, func(a *journal.Attempt) { a.Proved = now.UTC() })
}

// fresh tells whether the slot was read back a moment ago, by this clock and since the host was started.
func fresh(a *journal.Attempt, now time.Time) bool {
	since := now.Sub(a.Proved)
	return since >= 0 && since < min(freshFor, uptime())
}

// uptime is for how long the host has run; 0 if that cannot be known.
func uptime() time.Duration {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return time.Duration(info.Uptime) * time.Second
}

// errOther is returned for an image that is not what was proved.
var errOther = errors.New("it is not what was written there")

// parts are the partitions of images.
var parts = map[string]slot.Kind{"root": slot.RootPartition, "boot": slot.BootPartition, "hash": slot.HashPartition}

func proveImage(ctx context.Context, w api.UpdateWritten, s slot.Sets, tell func(Progress)) (err error) {
	extent := s.Extents[s.Active.Other()][parts[w.Image]]
	p, err := image.OpenBack(extent.Path, extent.Offset, extent.Size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	now := Progress{Step: "read back " + w.Image, Whole: w.Size, Size: w.Size}
	sum, err := p.Sum(ctx, w.Size, func(done int64) {
		if tell != nil {
			now.Progress = image.Progress{Phase: image.Proving, Done: done}
			tell(now)
		}
	})
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum); got != w.SHA256 {
		return fmt.Errorf("%w: its %d bytes have the SHA-256 %s, not %s", errOther, w.Size, got, w.SHA256)
	}
	return nil
}

// spoilt refuses a slot that is not, or cannot be read as, what was proved. Its
// flags are cleared, and then it counts as not prepared: in this order, so that
// it never boots. That somebody has had enough of waiting says nothing of the slot.
func spoilt(ctx context.Context, d *slot.Disk, j *journal.Journal, now time.Time, what string, why error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	a := j.Open()
	proved := a.Proved
	if proved.IsZero() {
		proved = a.Changed // the note that it was, at the end, was lost
	}
	refusal := &api.Error{
		Code: api.CodeConflict,
		Message: fmt.Sprintf("the %s image of %s in slot %s is no longer as it was proved at %s: %v",
			what, a.Version, a.Slot, api.TimeText(proved.UTC()), why),
		Hint: "prepare it again, which writes what differs: apiclient update apply, or updog update-image. If that happens again, the disk is failing",
	}
	if _, err := d.Change(ctx, slot.ClearInactive); err != nil {
		return errors.Join(refusal, fixed("Failed to modify OS disk partition table: %w", err))
	}
	noted := j.NoteOpen(now, func(a *journal.Attempt) {
		a.State, a.Step, a.Error = api.AttemptFailed, "read back "+what, refusal.Message
	})
	if noted != nil {
		return errors.Join(refusal, noted)
	}
	return refusal
}
