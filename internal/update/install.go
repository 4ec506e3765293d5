package update

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/update/image"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// ErrNotGood is returned when the running slot is not marked good: until it is,
// the other one is all there is to fall back to, and is not written.
var ErrNotGood = errors.New("the running slot has not been marked as booted well")

// ErrSpace is returned when there is no room for what must be kept.
var ErrSpace = errors.New("not enough space")

// Progress is how far an installation has come.
type Progress struct {
	Step   string // such as "write root"
	Target string // the image that is being written
	Whole  int64  // bytes to fetch if it is fetched whole
	Size   int64  // bytes to fetch as it is done now: less once it is known what the running slot has
	Reused int64  // bytes of the image that are not fetched because they are here
	image.Progress
}

// Installation writes a release into the spare slot.
type Installation struct {
	Catalog  *Catalog
	Update   manifest.Update
	Disk     *slot.Disk
	Journal  *journal.Journal
	Progress func(Progress) // nil: nobody looks

	// Rehearse tries on a copy what the first boot of a version will do to the
	// settings; nil: nobody does. If it fails, [Activate] refuses the release,
	// unless Force; one that is to be activated at once is not even written.
	Rehearse func(ctx context.Context, to manifest.Version) (*api.Migration, error)
	Force    bool
	AtOnce   bool     // Activate follows
	Extra    []string // targets that the rehearsal reads, if there are such

	before func(step string) error // for tests: what happens before a step
	sets   slot.Sets
	names  []string // of the migrations, and the manifest
}

// step is one of an installation's; its name is in the journal.
type step struct {
	name string
	run  func(*Installation, context.Context) error
}

// steps are all of an installation's. Until the flags are cleared nothing has
// changed; from then on the spare slot does not boot until the last step. At
// no time do they touch the flags of the slot that runs.
var steps = []step{
	{journal.StepCheck, (*Installation).check},
	{journal.StepFetch, (*Installation).cache},
	{journal.StepRehearse, (*Installation).rehearse},
	{"clear flags", (*Installation).clear},
	{"probe disk", func(i *Installation, ctx context.Context) error { return i.Disk.Echo(ctx) }},
	{"write root", func(i *Installation, ctx context.Context) error {
		return i.write(ctx, "root", i.Update.Images.Root, slot.RootPartition)
	}},
	{"write boot", func(i *Installation, ctx context.Context) error {
		return i.write(ctx, "boot", i.Update.Images.Boot, slot.BootPartition)
	}},
	{"write hash", func(i *Installation, ctx context.Context) error {
		return i.write(ctx, "hash", i.Update.Images.Hash, slot.HashPartition)
	}},
	{journal.StepValid, (*Installation).valid},
}

// Run runs all steps and keeps the journal. After an error the running slot
// boots as before, and the spare one boots only if the flags were not yet cleared.
func (i *Installation) Run(ctx context.Context) error {
	now := i.Catalog.host.Now
	var err error
	if i.sets, err = i.Disk.Sets(ctx); err != nil {
		return fixed("Failed to read OS disk partition table: %w", err)
	}
	if err := i.Journal.Settle(now(), i.Catalog.host.Release.VersionID, i.sets.State); err != nil {
		return err
	}
	digest, err := i.Catalog.Digest(ctx, i.Update)
	if err != nil {
		return err
	}
	err = i.Journal.Begin(journal.Attempt{
		Version: i.Update.Version.String(), Variant: i.Update.Variant, Digest: digest, From: i.Catalog.host.Release.VersionID,
		Slot: i.sets.Active.Other().String(), Started: now().UTC(), Changed: now().UTC(), State: api.AttemptPreparing,
	})
	if err != nil {
		return err
	}
	if err := i.run(ctx); err != nil {
		return errors.Join(err, i.Journal.Note(now(), func(a *journal.Attempt) { a.State, a.Error = api.AttemptFailed, err.Error() }))
	}
	return i.Journal.Note(now(), func(a *journal.Attempt) { a.State, a.Proved = api.AttemptPrepared, now().UTC() })
}

func (i *Installation) run(ctx context.Context) error {
	for _, s := range steps {
		if i.before != nil {
			if err := i.before(s.name); err != nil {
				return err
			}
		}
		if err := i.Journal.Note(i.Catalog.host.Now(), func(a *journal.Attempt) { a.Step = s.name }); err != nil {
			return err
		}
		if err := s.run(i, ctx); err != nil {
			return err
		}
	}
	return nil
}

// check finds out what can be known before anything changes.
func (i *Installation) check(ctx context.Context) error {
	if i.sets.Single {
		return fixed("Could not find inactive partition set")
	}
	if !i.sets.Good() {
		return fmt.Errorf("%w: slot %s", ErrNotGood, i.sets.Active)
	}
	migrations, err := i.Catalog.Migrations(i.Update)
	if err != nil {
		return err
	}
	i.names = append(migrations, manifest.Name)
	for _, name := range i.Extra {
		if _, err := i.Catalog.repo.Target(ctx, name); err == nil {
			i.names = append(i.names, name)
		}
	}
	for kind, name := range map[slot.Kind]string{
		slot.RootPartition: i.Update.Images.Root, slot.BootPartition: i.Update.Images.Boot, slot.HashPartition: i.Update.Images.Hash,
	} {
		size, err := i.Catalog.Size(ctx, name)
		if err != nil {
			return err
		}
		// Even what cannot be compressed grows by less than that.
		if place := i.extent(kind); size > place.Size+place.Size/64+1<<16 {
			return fmt.Errorf("target %s has %d bytes even when compressed, its partition %s only %d", name, size, place.Path, place.Size)
		}
	}
	return i.space(ctx)
}

func (i *Installation) extent(kind slot.Kind) slot.Extent {
	return i.sets.Extents[i.sets.Active.Other()][kind]
}

// space asks for twice what is needed: metadata and journals need some too.
func (i *Installation) space(ctx context.Context) error {
	var need int64
	for _, name := range i.names {
		size, err := i.Catalog.Size(ctx, name)
		if err != nil {
			return err
		}
		need += 2 * size
	}
	dir := i.Catalog.host.Root.Migrations()
	free, err := freeSpace(dir)
	if err != nil {
		return err
	}
	if free < need {
		return fmt.Errorf("%w: %s has %d bytes free, migrations need %d", ErrSpace, dir, free, need)
	}
	return nil
}

// freeSpace is that of the file system that dir is on, or will be.
func freeSpace(dir string) (int64, error) {
	var s unix.Statfs_t
	for {
		err := unix.Statfs(dir, &s)
		if err == nil {
			return int64(s.Bavail) * s.Bsize, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return 0, &fs.PathError{Op: "statfs", Path: dir, Err: err}
		}
		dir = filepath.Dir(dir)
	}
}

// cache keeps what the first boot of the new version needs, and verifies again.
// Migrations lead back as well: the old version has none of the new one's.
func (i *Installation) cache(ctx context.Context) error {
	i.Catalog.query.set("target", i.Update.Version.String())
	root := i.Catalog.host.Root
	for _, dir := range []string{root.CachedMetadata(), root.Migrations()} {
		if err := durable.MkdirAll(durable.OS{}, dir); err != nil {
			return fixed("Failed to create metadata cache directory '%s': %w", dir, err)
		}
	}
	if err := i.Catalog.repo.Cache(ctx, root.CachedMetadata(), root.Migrations(), i.names...); err != nil {
		return fixed("Failed to store manifest and migrations: %w", err)
	}
	if err := tufrepo.SaveVersions(durable.OS{}, root.CachedVersions(), i.Catalog.repo.Versions()); err != nil {
		return fixed("Failed to store manifest and migrations: %w", err)
	}
	i.Catalog.query.set("migrations", strings.Join(i.names, ","))
	return nil
}

// rehearse tries the migrations before anything is written. Its report is part
// of the attempt, and tells the boot what it may let pass.
func (i *Installation) rehearse(ctx context.Context) error {
	if i.Rehearse == nil {
		return nil
	}
	to := i.Update.Version
	report, err := i.Rehearse(ctx, to)
	noted := i.Journal.Note(i.Catalog.host.Now(), func(a *journal.Attempt) {
		a.Forced = i.Force
		rehearsed(a, report, err)
	})
	switch {
	case err == nil || noted != nil:
		return noted
	case i.AtOnce && !i.Force:
		return notMigrated(to.String(), i.Journal.Last().Rehearsal.Error)
	}
	i.Catalog.host.Log.Warn("the settings cannot be migrated; the release is prepared all the same", "err", err)
	return nil
}

// notMigrated refuses a release that the settings of this host stand against.
func notMigrated(version string, why *api.Error) error {
	return &api.Error{
		Code: api.CodeConflict, Message: fmt.Sprintf("the settings of this host cannot be brought to %s: %s", version, why.Message),
		Hint: "migrator rehearse --migrate-to-version " + version + " tells more; if that is mended, try again; " +
			"apiclient update apply --force, updog update --force and updog update-apply --force go on all the same",
	}
}

func (i *Installation) clear(ctx context.Context) error { return i.change(ctx, slot.ClearInactive) }
func (i *Installation) valid(ctx context.Context) error { return i.change(ctx, slot.MarkInactiveValid) }

func (i *Installation) change(ctx context.Context, change slot.Change) error {
	if _, err := i.Disk.Change(ctx, change); err != nil {
		return fixed("Failed to modify OS disk partition table: %w", err)
	}
	return nil
}

// Digest stands for the bytes of a release's images.
func (c *Catalog) Digest(ctx context.Context, u manifest.Update) (string, error) {
	sum := sha256.New()
	for _, name := range u.Images.Names() {
		t, err := c.target(ctx, name)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, name, t.Length, t.SHA256())
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
