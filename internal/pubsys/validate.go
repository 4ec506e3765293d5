package pubsys

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/publish"
	"github.com/hostler-os/hostler/internal/update/delta"
	"github.com/hostler-os/hostler/internal/update/manifest"
	"github.com/hostler-os/hostler/internal/update/pack"
)

const validateHelp = `Read a repository as a client does, all of it: the chain of roots from the oldest
that is there, metadata, and every target to its last byte. Then look whether the
manifest makes sense: each release has its images and a chain of migrations, images
can be unpacked, and their blocks belong to them.

It tells all that is wrong, not only the first thing.`

// inspection collects what is wrong with a repository.
type inspection struct {
	*place
	state    *publish.State
	manifest *manifest.Manifest

	mu    sync.Mutex
	wrong []string
	bytes int64
}

func (a *app) validateCommand() *cobra.Command {
	var s site
	var metadataOnly bool
	c := &cobra.Command{
		Use: "validate", Aliases: []string{"validate-repo"}, Short: "prove a whole repository as a client would", Long: validateHelp,
		Example: `  pubsys validate --dir repo --root roots/1.root.json --variant metal-dev
  pubsys validate --metadata-url https://updates.example/ --targets-url https://updates.example/targets --root 1.root.json --variant metal-dev`,
		Args: arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return a.validate(c.Context(), s, metadataOnly) },
	}
	s.reads(c)
	c.Flags().BoolVar(&metadataOnly, "metadata-only", false, "do not read targets")
	return c
}

func (a *app) validate(ctx context.Context, s site, metadataOnly bool) error {
	p, state, m, err := a.published(ctx, s)
	if err != nil {
		return err
	}
	i := &inspection{place: p, state: state, manifest: m}
	i.roots()
	i.releases()
	if !metadataOnly {
		if err := i.targets(ctx); err != nil {
			return err
		}
	}
	return i.report(metadataOnly)
}

func (i *inspection) fault(format string, args ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.wrong = append(i.wrong, fmt.Sprintf(format, args...))
}

// roots: hosts follow the chain from the root that their image brought, which
// may be the first one.
func (i *inspection) roots() {
	if len(i.state.Pending()) > 0 {
		i.fault("%s is not published", i.state.Pending()[0].Name())
	}
	if first := i.state.First().Version; first != 1 {
		i.fault("%d.root.json is missing: hosts with an older root cannot follow, and the reference's need 1.root.json to keep migrations", first-1)
	}
}

// releases holds the manifest against what is vouched for.
func (i *inspection) releases() {
	known := i.state.Repo.Targets()
	need := func(name, what string) {
		if !slices.Contains(known, name) {
			i.fault("%s: target %s is not in the repository", what, name)
		}
	}
	for _, u := range i.manifest.Updates {
		what := fmt.Sprintf("release %s %s %s", u.Variant, u.Arch, u.Version)
		for _, name := range u.Images.Names() {
			need(name, what)
		}
		if err := u.Waves.Check(); err != nil {
			i.fault("%s: %v", what, err)
		}
		for _, other := range i.manifest.Updates {
			if other.Variant != u.Variant || other.Arch != u.Arch || other.Version.Compare(u.Version) >= 0 {
				continue
			}
			if _, err := i.manifest.Chain(other.Version, u.Version); err != nil {
				i.fault("%s: no way from %s: %v", what, other.Version, err)
			}
		}
	}
	for _, m := range i.manifest.Migrations {
		for _, name := range m.Targets {
			need(name, fmt.Sprintf("migration from %s to %s", m.From, m.To))
		}
	}
}

// atOnce is how many targets are read at the same time.
const atOnce = 4

// targets reads every one to its end, where it is proved.
func (i *inspection) targets(ctx context.Context) error {
	images := i.images()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, name := range i.state.Repo.Targets() {
		group.Go(func() error {
			err := i.target(ctx, name, images[name])
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				i.fault("target %s: %v", name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// images are the targets that must unpack to something.
func (i *inspection) images() map[string]bool {
	images := map[string]bool{}
	for _, u := range i.manifest.Updates {
		for _, name := range u.Images.Names() {
			images[name] = true
		}
	}
	return images
}

func (i *inspection) target(ctx context.Context, name string, image bool) error {
	body, err := i.state.Repo.Open(ctx, name)
	if err != nil {
		return err
	}
	defer body.Close()
	count := &counted{Reader: body}
	if image {
		err = i.image(ctx, name, count)
	}
	// To the end in any case: that is where it is proved.
	_, end := io.Copy(io.Discard, count)
	i.mu.Lock()
	i.bytes += count.n
	i.mu.Unlock()
	return errors.Join(end, err)
}

// image unpacks an image, and compares it with its block index.
func (i *inspection) image(ctx context.Context, name string, packed io.Reader) error {
	plain, err := pack.Reader(packed)
	if err != nil {
		return err
	}
	sum := sha256.New()
	size, err := io.Copy(sum, plain)
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	index, blocks, err := i.index(ctx, name)
	if err != nil || index == nil {
		return err
	}
	switch {
	case index.Size != size || index.SHA256 != [sha256.Size]byte(sum.Sum(nil)):
		return fmt.Errorf("its block index is of another image, of %d bytes", index.Size)
	case index.BlocksSize != blocks:
		return fmt.Errorf("its blocks have %d bytes, the index is for %d", blocks, index.BlocksSize)
	}
	return nil
}

// index is nil for an image that is not published in blocks.
func (i *inspection) index(ctx context.Context, name string) (x *delta.Index, blocks int64, err error) {
	t, err := i.state.Repo.Target(ctx, delta.BlocksName(name))
	if errors.Is(err, tufrepo.ErrNoTarget) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	body, err := i.state.Repo.Open(ctx, delta.IndexName(name))
	if err != nil {
		return nil, 0, err
	}
	x, err = delta.ReadIndex(body)
	return x, t.Length, errors.Join(err, body.Close())
}

type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

func faults(n int) string {
	if n == 1 {
		return "a fault"
	}
	return fmt.Sprintf("%d faults", n)
}

func (i *inspection) report(metadataOnly bool) error {
	slices.Sort(i.wrong)
	for _, text := range i.wrong {
		i.printf("%s\n", text)
	}
	if len(i.wrong) > 0 {
		return hintf("publish what is missing again; what was damaged is mended by the command that published it", "the repository has %s", faults(len(i.wrong)))
	}
	v := i.state.Repo.Versions()
	i.printf("root version %d, timestamp version %d: proved\n", v.Root, v.Timestamp)
	releases := fmt.Sprintf("%d releases", len(i.manifest.Updates))
	if len(i.manifest.Updates) == 1 {
		releases = "1 release"
	}
	if metadataOnly {
		i.printf("%s, %d targets, which were not read\n", releases, len(i.state.Repo.Targets()))
	} else {
		i.printf("%s, %d targets with %d bytes: proved\n", releases, len(i.state.Repo.Targets()), i.bytes)
	}
	return nil
}
