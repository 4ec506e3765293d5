package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update/journal"
)

// patience is how long to wait for whoever looks at the journal of updates.
const patience = 10 * time.Second

// booted is a sandbox whose boot loader has done its part.
type booted struct {
	root paths.Root
	disk *slot.Disk // nil: it has none
}

// bootSlot does what a host's boot begins with: the boot loader takes a slot of
// the sandbox's disk, if it has one, and the slot's image is what runs. A server
// that is running would go on with the old image, and so must not.
func bootSlot(ctx context.Context, root paths.Root, image string, serving bool) (booted, error) {
	b := booted{root: root}
	if image != "" && serving {
		return b, inTheWay(root)
	}
	if image != "" {
		if err := checkImage(paths.Root(image)); err != nil { // before it takes a try
			return b, err
		}
	}
	disk, err := slot.Of(root)
	if errors.Is(err, slot.ErrNoDisk) {
		return b, b.install(image)
	}
	if err != nil {
		return b, err
	}
	b.disk = disk
	before, after, err := b.load(ctx, serving)
	switch {
	case err != nil:
		return b, err
	case before.Active == after.Active:
		return b, b.install(image)
	}
	if err := errors.Join(b.exchange(before.Active, after.Active, image), b.forget()); err != nil {
		return b, err
	}
	if err := slot.Assign(root, disk.Path, after.Active); err != nil {
		return b, err
	}
	b.disk, err = slot.Of(root)
	return b, err
}

func inTheWay(root paths.Root) error {
	return &api.Error{
		Code: api.CodeConflict, Message: fmt.Sprintf("apiserver serves %s, and would go on with the old image", root),
		Hint: "end it, boot again, then start it again",
	}
}

// load is the boot loader.
func (b *booted) load(ctx context.Context, serving bool) (before, after slot.State, err error) {
	_, err = b.disk.Change(ctx, func(s slot.State) (slot.State, error) {
		var ok bool
		if before = s; serving {
			if next, ok := s.Next(); ok && next != s.Active {
				return s, inTheWay(b.root)
			}
			after = s
			return s, nil
		}
		if after, ok = s.Boot(); !ok {
			return s, fmt.Errorf("nothing on %s boots: no set has a priority and either tries left or a successful boot", b.disk.Path)
		}
		return after, nil
	})
	return before, after, err
}

// install makes the folder usr of image that of the sandbox, unless none is named.
func (b *booted) install(image string) error {
	if image == "" {
		return nil
	}
	return replace(paths.Root(image), b.root)
}

// checkImage refuses a folder that is not laid out as a host's root.
func checkImage(image paths.Root) error {
	if _, err := osrelease.Read(image); err != nil {
		return &api.Error{
			Code: api.CodeInvalid, Message: fmt.Sprintf("%s is no image: %v", image, err),
			Hint: "name a folder laid out as a host's root, such as one that hostler sandbox new made",
		}
	}
	return nil
}

// replace makes the folder usr below to a copy of that below from. What cannot be
// copied whole takes the place of nothing.
func replace(from, to paths.Root) error {
	if err := checkImage(from); err != nil {
		return err
	}
	aside, place := to.Join("/usr.new"), to.Join("/usr")
	for _, step := range []func() error{
		func() error { return os.RemoveAll(aside) },
		func() error { return os.CopyFS(aside, os.DirFS(from.Join("/usr"))) },
		func() error { return os.RemoveAll(place) },
		func() error { return os.Rename(aside, place) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("replace image: %w", err)
		}
	}
	return nil
}

// exchange puts the image that ran aside, and in its place that of the other slot.
func (b *booted) exchange(old, now slot.Name, image string) error {
	kept, next := paths.Root(b.root.SlotImage(old.String())), paths.Root(b.root.SlotImage(now.String()))
	version := b.written(now)
	if image == "" {
		if r, err := osrelease.Read(next); err == nil && (version == "" || r.VersionID == version) {
			image = string(next)
		}
	}
	if err := os.MkdirAll(string(kept), 0o755); err != nil {
		return fmt.Errorf("keep image: %w", err)
	}
	if err := replace(b.root, kept); err != nil {
		return err
	}
	if image == "" && version != "" {
		return relabel(b.root, version)
	}
	return b.install(image)
}

// forget removes what was rendered: a host has its /etc in memory, and so begins anew.
func (b *booted) forget() error {
	entries, err := os.ReadDir(b.root.Join("/etc"))
	for _, entry := range entries {
		if path := b.root.Join("/etc/" + entry.Name()); path != b.root.Config() {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}
	if err != nil {
		return fmt.Errorf("empty /etc: %w", err)
	}
	return nil
}

// written is the version that the last update wrote into a slot; "" if none did.
func (b *booted) written(name slot.Name) string {
	j := journal.Load(b.root, slog.New(slog.DiscardHandler))
	for _, a := range slices.Backward(j.Attempts) {
		if a.Slot == name.String() && a.State != api.AttemptFailed && a.State != api.AttemptInterrupted {
			return a.Version
		}
	}
	return ""
}

var versionLine = regexp.MustCompile(`(?m)^VERSION_ID=.*$`)

// relabel makes the image of a root one of another version.
func relabel(root paths.Root, version string) error {
	text, err := os.ReadFile(root.OSRelease())
	if err == nil {
		err = os.WriteFile(root.OSRelease(), versionLine.ReplaceAll(text, []byte("VERSION_ID="+version)), fs.FileMode(0o644))
	}
	if err != nil {
		return fmt.Errorf("name version: %w", err)
	}
	return nil
}

// judge does what a host does after a boot: it marks the slot as good, or keeps
// what was wrong for the other slot to tell. It answers a line for people.
func (b *booted) judge(ctx context.Context, good bool, blame string) (string, error) {
	if b.disk == nil {
		return "", nil
	}
	release, err := osrelease.Read(b.root)
	if err != nil {
		return "", err
	}
	state, err := b.mark(ctx, good)
	if err != nil {
		return "", err
	}
	unlock, err := journal.Lock(ctx, b.root, patience)
	if err != nil {
		return "", err
	}
	defer unlock()
	verdict, j, now := "good", journal.Load(b.root, slog.New(slog.DiscardHandler)), time.Now()
	if !good {
		next, _ := state.Next()
		verdict = fmt.Sprintf("not good; slot %s boots next", next)
		err = j.NoteHealth(now, release.VersionID, blame, state)
	}
	line := fmt.Sprintf("\nslot %s runs, with version %s: %s\n", state.Active, release.VersionID, verdict)
	return line, errors.Join(err, j.Settle(now, release.VersionID, state))
}

// mark marks the slot that runs, if it is good.
func (b *booted) mark(ctx context.Context, good bool) (state slot.State, err error) {
	change := slot.Keep
	if good {
		change = slot.MarkSuccessfulBoot
	}
	_, err = b.disk.Change(ctx, func(s slot.State) (slot.State, error) {
		s, err := change(s)
		state = s
		return s, err
	})
	return state, err
}
