package pubsys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/tufrepo/publish"
	"github.com/hostler-os/hostler/internal/update/delta"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

func (a *app) unpublishCommand() *cobra.Command {
	var o onRelease
	c := &cobra.Command{
		Use: "unpublish", Short: "take a release out of the repository",
		Long: `Take a release out of the manifest, and its images out of what is vouched for. Its
files stay until "pubsys prune" removes them, so that hosts in the middle of it can
finish. Hosts that run it stay with it: "pubsys set-max-version" takes them back.`,
		Example: "  pubsys unpublish --version 1.0.0 --dir repo --root roots/1.root.json --key keys/release.pem --variant metal-dev",
		Args:    arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), a, func(d *draft, u manifest.Update) error { return d.unpublish(u) })
		},
	}
	o.flags(c)
	require(c, "version")
	return c
}

// unpublish drops a release and those of its targets that no other one has.
func (d *draft) unpublish(u manifest.Update) error {
	if err := d.manifest.Remove(u.Variant, u.Arch, u.Version); err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, other := range d.manifest.Updates {
		for _, name := range other.Images.Names() {
			kept[name] = true
		}
	}
	delete(d.targets, modelName(u))
	for _, name := range u.Images.Names() {
		if kept[name] {
			continue
		}
		for _, gone := range []string{name, delta.IndexName(name), delta.BlocksName(name)} {
			delete(d.targets, gone)
		}
	}
	return nil
}

func (a *app) pruneCommand() *cobra.Command {
	var dir, age string
	var dry bool
	c := &cobra.Command{
		Use: "prune", Short: "remove files that nothing refers to any more",
		Long: `Remove targets that no metadata vouches for any more, and metadata that newer one has
replaced, of all variants in the folder. What was still vouched for within the age
stays, so that hosts in the middle of an update find it. Roots are never removed.`,
		Example: "  pubsys prune --dir repo\n  pubsys prune --dir repo --age \"2 weeks\" --dry-run",
		Args:    arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			keep, err := manifest.ParseOffset(age)
			if err != nil {
				return clihelp.UsageError(c, fmt.Errorf("--age: %w", err))
			}
			return a.prune(c.Context(), dir, keep, dry)
		},
	}
	f := c.Flags()
	f.StringVar(&dir, "dir", "", "the repository's `DIR`")
	f.StringVar(&age, "age", "1 day", "keep what was in use within this `OFFSET`")
	f.BoolVar(&dry, "dry-run", false, "show what would be removed, and remove nothing")
	c.MarkFlagDirname("dir")
	require(c, "dir")
	return c
}

func (a *app) prune(ctx context.Context, dir string, age time.Duration, dry bool) error {
	p := place{app: a, Place: publish.Place{Targets: filepath.Join(dir, "targets")}, site: site{dry: dry}}
	if _, err := os.Stat(p.Targets); err != nil {
		return hintf("--dir is the folder that has targets in it, and one folder a variant", "%s is no repository: %v", dir, err)
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	folders, err := metadataFolders(dir)
	if err != nil {
		return err
	}
	old, err := publish.Unused(folders, p.Targets, a.now().Add(-age))
	if err != nil {
		return err
	}
	verb, freed := "removed", int64(0)
	if dry {
		verb = "would remove"
	}
	for _, f := range old {
		name, err := filepath.Rel(dir, f.Path)
		if err != nil {
			return err
		}
		if !dry {
			if err := a.fs.Remove(f.Path); err != nil {
				return fmt.Errorf("remove %s: %w", name, err)
			}
		}
		freed += f.Size
		a.printf("%s %s (%s)\n", verb, filepath.Join(filepath.Dir(name), shortTarget(filepath.Base(name))), cli.Bytes(f.Size))
	}
	a.printf("%s %d files, %s\n", verb, len(old), cli.Bytes(freed))
	return nil
}

// metadataFolders are those two levels below dir that have a timestamp in them.
func metadataFolders(dir string) (folders []string, err error) {
	found, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*", "*", publish.TimestampRole+".json"))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, hintf("--dir is the folder that has targets in it, and one folder a variant", "%s has no repository in it", dir)
	}
	for _, path := range found {
		info, err := os.Lstat(path)
		if err == nil && !info.Mode().IsRegular() {
			err = &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
		}
		if err != nil {
			return nil, err
		}
		folders = append(folders, filepath.Dir(path))
	}
	return folders, nil
}

// escapeGlob makes a path match itself only.
func escapeGlob(path string) string {
	var escaped []byte
	for _, c := range []byte(path) {
		if c == '*' || c == '?' || c == '[' || c == '\\' {
			escaped = append(escaped, '\\')
		}
		escaped = append(escaped, c)
	}
	return string(escaped)
}
