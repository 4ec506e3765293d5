package pubsys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/tufrepo/publish"
	"github.com/hostler-os/hostler/internal/update/delta"
	"github.com/hostler-os/hostler/internal/update/manifest"
	"github.com/hostler-os/hostler/internal/update/pack"
)

const releaseHelp = `Publish a release: its images, its migrations, and who gets it when.

Images and migrations are packed as lz4 unless they are packed already, and images
are also published in blocks, of which a host fetches only those that it lacks. A
file whose name does not hold the version gets a name that does. Release.toml lists
the migrations between all versions; each version that hosts may run needs a
chain of them to the new one, with an empty list where nothing is to be done.

The waves of a policy spread a release over a fleet; "none" gives it to everybody
at once. Publishing the same release again changes nothing; with other images it
is refused, because hosts may have the old ones.`

// release is what is to be published.
type release struct {
	version, maxVersion manifest.Version
	boot, root, hash    string
	releaseFile         string
	migrations          []string
	copies              []string
	model               string
	waves, start        string
	expiry              string
	gaps, whole         bool

	at      time.Time
	startAt bool // it was given
}

func (a *app) releaseCommand() *cobra.Command {
	var s site
	var r release
	c := &cobra.Command{
		Use: "release", Aliases: []string{"repo"}, SuggestFor: []string{"publish"}, Short: "publish a release", Long: releaseHelp,
		Example: `  pubsys release --dir repo --root roots/1.root.json --key keys/release.pem \
      --variant metal-dev --version 1.1.0 --release-file Release.toml --migrations migrations \
      --root-image root.ext4 --boot-image boot.ext4 --hash-image root.verity --waves default`,
		Args: arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if r.at, err = a.parseStart(r.start); err != nil {
				return err
			}
			r.startAt = r.start != ""
			return a.change(c.Context(), s, r.edit)
		},
	}
	s.writes(c)
	f := c.Flags()
	f.BoolVar(&s.new, "new", false, "begin a repository where there is none")
	f.Var((*versionFlag)(&r.version), "version", "`VERSION` of the release (default: that of Release.toml)")
	f.StringVar(&r.root, "root-image", "", "`FILE` of the root file system's image")
	f.StringVar(&r.boot, "boot-image", "", "`FILE` of the boot partition's image")
	f.StringVar(&r.hash, "hash-image", "", "`FILE` of the verity hashes' image")
	f.StringVar(&r.releaseFile, "release-file", "", "the Release.toml `FILE`, which lists migrations")
	f.StringArrayVar(&r.migrations, "migrations", nil, "`FILE` or folder of migrations; may be repeated")
	f.StringArrayVar(&r.copies, "copy-target", nil, "publish this `FILE` as it is, too; may be repeated")
	f.StringVar(&r.model, "model", "", "`DIR` with the new image's models and variants: hosts rehearse migrations with it")
	f.StringVar(&r.waves, "waves", "", fmt.Sprintf("wave policy: a `FILE`, one of %s, or none", strings.Join(manifest.PolicyNames(), ", ")))
	f.StringVar(&r.start, "start", "", "`TIME` of the release, or an offset such as \"2 hours\" (default now)")
	f.Var((*versionFlag)(&r.maxVersion), "max-version", "newest `VERSION` that may be run from now on")
	f.StringVar(&r.expiry, "expiry", defaultExpiry, expiryUsage)
	f.BoolVar(&r.gaps, "allow-gaps", false, "publish even if some version has no chain of migrations to this one")
	f.BoolVar(&r.whole, "no-delta", false, "do not publish the images in blocks as well: hosts then fetch them whole")
	completePolicies(c)
	require(c, "root-image", "boot-image", "hash-image", "waves")
	return c
}

// completePolicies offers the policies that come with the program, and files.
func completePolicies(c *cobra.Command) {
	c.RegisterFlagCompletionFunc("waves", cobra.FixedCompletions(append(manifest.PolicyNames(), noWaves), cobra.ShellCompDirectiveDefault))
	c.RegisterFlagCompletionFunc("expiry", cobra.FixedCompletions([]string{defaultExpiry}, cobra.ShellCompDirectiveDefault))
}

// edit puts the release into a draft.
func (r *release) edit(ctx context.Context, d *draft) error {
	if err := r.readRelease(d); err != nil {
		return err
	}
	u := manifest.Update{Variant: d.variant, Arch: d.arch, Version: r.version, MaxVersion: r.maxVersion}
	for _, image := range []struct {
		path string
		name *string
	}{{r.root, &u.Images.Root}, {r.boot, &u.Images.Boot}, {r.hash, &u.Images.Hash}} {
		var err error
		if *image.name, err = d.pack(ctx, image.path, r.named(d, image.path)); err != nil {
			return err
		}
		if r.whole {
			continue
		}
		if err := d.addDelta(ctx, image.path, *image.name); err != nil {
			return err
		}
	}
	if err := r.addFiles(ctx, d); err != nil {
		return err
	}
	if err := r.addUpdate(d, u); err != nil {
		return err
	}
	if err := r.check(d); err != nil {
		return err
	}
	return d.lifetimes(r.expiry, r.at)
}

// readRelease takes migrations, and perhaps the version, from Release.toml.
func (r *release) readRelease(d *draft) error {
	if r.releaseFile == "" {
		if r.version == (manifest.Version{}) {
			return hintf("give --version, or --release-file", "no version was named")
		}
		return nil
	}
	text, err := durable.ReadFile(r.releaseFile, manifest.MaxSize)
	if err != nil {
		return fmt.Errorf("read release file: %w", err)
	}
	file, err := manifest.ParseRelease(text)
	if err != nil {
		return fmt.Errorf("%s: %w", r.releaseFile, err)
	}
	if r.version == (manifest.Version{}) {
		r.version = file.Version
	}
	if r.version != file.Version {
		return fmt.Errorf("--version is %s, but %s is for %s", r.version, r.releaseFile, file.Version)
	}
	d.manifest.Migrations = file.Migrations
	return nil
}

// named is the name of the target for a file: its own, if that tells releases apart.
func (r *release) named(d *draft, path string) string {
	base := filepath.Base(path)
	if strings.Contains(base, r.version.String()) {
		return base
	}
	return fmt.Sprintf("%s-%s-%s-%s", d.variant, d.arch, r.version, base)
}

// addFiles adds what is no image.
func (r *release) addFiles(ctx context.Context, d *draft) error {
	migrations, err := listMigrations(r.migrations)
	if err != nil {
		return err
	}
	for _, path := range migrations {
		if why := unfit(path, d.arch); why != nil {
			d.log().Warn("no host can run this migration, and none that needs it will activate the release", "file", path, "err", why)
		}
		if _, err := d.pack(ctx, path, filepath.Base(path)); err != nil {
			return err
		}
	}
	for _, path := range r.copies {
		t, err := d.stage.File(ctx, filepath.Base(path), path)
		if err != nil {
			return err
		}
		if err := d.set(filepath.Base(path), t); err != nil {
			return err
		}
	}
	return r.addModel(ctx, d)
}

// maxModelTarget is what hosts read of a model at most, in bytes.
const maxModelTarget = 8 << 20

// addModel adds the new image's model. One that hosts could not load would keep
// them from updating, so it is loaded here first.
func (r *release) addModel(ctx context.Context, d *draft) error {
	if r.model == "" {
		return nil
	}
	if _, err := model.Load(os.DirFS(r.model), d.variant); err != nil {
		return hintf("name the folder that holds models and variants, as the image has them in /usr/share/hostler", "--model %s: %v", r.model, err)
	}
	name := modelName(manifest.Update{Variant: d.variant, Arch: d.arch, Version: r.version})
	if err := d.make(ctx, name, func(w io.Writer) error { return pack.Folder(w, r.model) }); err != nil {
		return err
	}
	if size := d.targets[name].Length; size > maxModelTarget {
		return hintf("leave in it only what models and variants need", "--model %s: packed it has %d bytes; hosts read at most %d", r.model, size, maxModelTarget)
	}
	return nil
}

// addUpdate puts the release into the manifest, or finds it there unchanged.
func (r *release) addUpdate(d *draft, u manifest.Update) error {
	existing, found := d.manifest.Find(u.Variant, u.Arch, u.Version)
	if found && existing.Images != u.Images {
		return published(u, existing.Images, u.Images)
	}
	if !found {
		if err := d.manifest.Add(u); err != nil {
			return err
		}
	} else if r.maxVersion != (manifest.Version{}) {
		d.manifest.SetMaxVersion(r.maxVersion, u.Variant, u.Arch)
	}
	if found && !r.startAt {
		return nil // its waves began with it
	}
	waves, err := policyWaves(r.waves, r.at)
	if err != nil {
		return err
	}
	_, err = d.manifest.SetWaves(u.Variant, u.Arch, u.Version, waves)
	return err
}

func published(u manifest.Update, was, is any) error {
	return hintf("publish it under a new version; if no host has it yet, pubsys unpublish takes it back first",
		"%s %s %s is published already, with other images (%v, now %v)", u.Variant, u.Arch, u.Version, was, is)
}

// noWaves stands for a policy that gives a release to everybody at once.
const noWaves = "none"

func policyWaves(nameOrFile string, start time.Time) (manifest.Waves, error) {
	if nameOrFile == noWaves {
		return nil, nil
	}
	if p, err := manifest.NamedPolicy(nameOrFile); err == nil {
		return p.At(start)
	}
	text, err := durable.ReadFile(nameOrFile, maxPolicy)
	if err != nil {
		return nil, fmt.Errorf("read wave policy: %w; it is none of %s either", err, strings.Join(manifest.PolicyNames(), ", "))
	}
	p, err := manifest.ParsePolicy(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", nameOrFile, err)
	}
	return p.At(start)
}

// check finds what would strand hosts.
func (r *release) check(d *draft) error {
	var missing []string
	for _, m := range d.manifest.Migrations {
		for _, name := range m.Targets {
			if _, ok := d.targets[name]; !ok && !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
		}
	}
	if len(missing) > 0 {
		return hintf("give them, or the folder that they are in, with --migrations", "these migrations are listed, but neither published nor given: %s", strings.Join(missing, ", "))
	}
	if r.gaps {
		return nil
	}
	for _, other := range d.manifest.Updates {
		if other.Variant != d.variant || other.Arch != d.arch {
			continue
		}
		if _, err := d.manifest.Chain(other.Version, r.version); err != nil {
			gap, ok := errors.AsType[*manifest.GapError](err)
			if !ok {
				return err
			}
			return hintf(fmt.Sprintf("add a step from %s to %s's migrations, with an empty list if nothing is to be done: \"(%s, %s)\" = []; --allow-gaps publishes all the same",
				gap.At, firstOf(r.releaseFile, "a Release.toml"), gap.At, gap.Target),
				"hosts that run %s could not go to %s and back: %v", other.Version, r.version, err)
		}
	}
	return nil
}

// pack adds a file as an lz4 frame; one that is packed already stays as it is.
func (d *draft) pack(ctx context.Context, path, name string) (string, error) {
	format, err := pack.FormatOf(path)
	if err != nil {
		return "", err
	}
	if format == pack.Zstd {
		d.log().Warn("hosts of the reference read lz4 only, not zstd", "file", path)
	}
	if format != pack.Plain {
		t, err := d.stage.File(ctx, name, path)
		if err != nil {
			return "", err
		}
		return name, d.set(name, t)
	}
	name += ".lz4"
	return name, d.make(ctx, name, func(w io.Writer) error { return packFile(w, path) })
}

func packFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size == 0 {
		return fmt.Errorf("%s is empty", path)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return pack.LZ4(w, f, size)
}

// addDelta adds the blocks of an image, of which hosts fetch those that they lack.
func (d *draft) addDelta(ctx context.Context, path, name string) error {
	var index bytes.Buffer
	err := d.make(ctx, delta.BlocksName(name), func(w io.Writer) error {
		image, err := pack.Open(path)
		if err != nil {
			return err
		}
		defer image.Close()
		index.Reset()
		return delta.Build(ctx, image, &index, w)
	})
	if err != nil {
		return err
	}
	return d.make(ctx, delta.IndexName(name), func(w io.Writer) error {
		_, err := w.Write(index.Bytes())
		return err
	})
}

// make adds a target that is made here.
func (d *draft) make(ctx context.Context, name string, fill func(io.Writer) error) error {
	t, err := d.stage.Make(ctx, name, fill)
	if err != nil {
		return err
	}
	return d.set(name, t)
}

// set lets the repository vouch for a target. One that is published is never
// replaced: hosts may be in the middle of it.
func (d *draft) set(name string, t publish.Target) error {
	if old, ok := d.targets[name]; ok && !maps.Equal(old.Hashes, t.Hashes) {
		return hintf("give the file another name; what is published must not change, because hosts may have begun with it",
			"target %s is published already, with other content", name)
	} else if ok {
		t = old
	}
	d.targets[name] = t
	return nil
}

// add is make for the manifest, which is replaced each time.
func (d *draft) add(ctx context.Context, name string, data []byte) error {
	t := publish.TargetOf(data)
	if old, ok := d.targets[name]; ok && maps.Equal(old.Hashes, t.Hashes) {
		return nil
	}
	var err error
	d.targets[name], err = d.stage.Make(ctx, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	return err
}

// versionFlag is a semantic version, with or without a leading v.
type versionFlag manifest.Version

func (v *versionFlag) String() string {
	if *v == (versionFlag{}) {
		return ""
	}
	return manifest.Version(*v).String()
}

// Type is the word for the value in --help.
func (v *versionFlag) Type() string { return "VERSION" }

// Set implements pflag.Value.
func (v *versionFlag) Set(text string) error {
	parsed, err := manifest.ParseFriendlyVersion(text)
	*v = versionFlag(parsed)
	return err
}
