package bootstage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/slot"
)

// diskPatience is how long a disk may take to appear.
const diskPatience = 60 * time.Second

// errNothing is returned when no slot is left that would boot.
var errNothing = errors.New("no slot boots: none has a priority and either tries left or a successful boot")

// choose takes the slot that is to boot, of those that have not failed in this
// boot, and a try off it, before anything of it is used. A disk that cannot be
// written keeps only those slots from booting of which a try is to be taken.
func choose(ctx context.Context, d *slot.Disk, failed map[slot.Name]bool) (slot.Name, error) {
	var chosen slot.Name
	_, err := d.Change(ctx, func(s slot.State) (after slot.State, err error) {
		after, chosen, err = pick(s, failed)
		return after, err
	})
	if err == nil {
		return chosen, nil
	}
	sets, readErr := d.Sets(ctx)
	if readErr != nil {
		return chosen, err
	}
	if after, chosen, pickErr := pick(sets.State, failed); pickErr == nil && after == sets.State {
		return chosen, nil // what could not be written is a repair, or nothing
	}
	return chosen, err
}

// pick is the slot that is to boot, of those that have not failed, and the state
// with its try taken off.
func pick(s slot.State, failed map[slot.Name]bool) (slot.State, slot.Name, error) {
	left := s
	for name := range failed {
		left.Sets[name] = 0
	}
	booted, ok := left.Boot()
	if !ok {
		return s, 0, errNothing
	}
	s.Sets[booted.Active] = booted.Sets[booted.Active]
	return s, booted.Active, nil
}

// findDisk waits for the disk at path or, without one, for the first in the
// order of names that has slots.
func findDisk(ctx context.Context, path string) (*slot.Disk, error) {
	ctx, cancel := context.WithTimeout(ctx, diskPatience)
	defer cancel()
	for {
		d, err := look(ctx, path)
		if err == nil {
			return d, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("find disk with slots: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func look(ctx context.Context, path string) (*slot.Disk, error) {
	if path != "" {
		return withSlots(ctx, path)
	}
	entries, err := os.ReadDir("/sys/block")
	if err != nil {
		return nil, err
	}
	errs := []error{errors.New("none of the disks has slots")}
	for _, e := range entries {
		d, err := withSlots(ctx, "/dev/"+e.Name())
		if err == nil {
			return d, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// withSlots opens a disk, which counts only if it has slots.
func withSlots(ctx context.Context, path string) (*slot.Disk, error) {
	d, err := slot.At(path, slot.A)
	if err != nil {
		return nil, err
	}
	_, err = d.Sets(ctx)
	return d, err
}

// link makes the links to partitions that udev would make, for images without it.
func link(partitions []slot.Partition) error {
	var errs []error
	for _, p := range partitions {
		errs = append(errs, symlink(p.Node, "/dev/disk/by-partuuid/"+p.ID))
		if p.Name != "" && !strings.Contains(p.Name, "/") {
			errs = append(errs, symlink(p.Node, "/dev/disk/by-partlabel/"+p.Name))
		}
	}
	return errors.Join(errs...)
}

// symlink leaves a name alone that is taken: the second bank's EFI partition has that of the first.
func symlink(to, name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(to, name); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
