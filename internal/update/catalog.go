package update

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// Host is what a host brings to an update.
type Host struct {
	Root    paths.Root
	Config  Config
	Release osrelease.Release // what runs; its variant may be pretended
	Now     func() time.Time
	Log     *slog.Logger

	// For tests; 0: as usual.
	tries     int   // after so many failures a server counts as out of reach
	keepEvery int64 // bytes that are fetched between marks
}

// Version is the running version.
func (h Host) Version() (manifest.Version, error) {
	v, err := manifest.ParseVersion(h.Release.VersionID)
	if err != nil {
		return v, fixed("Unable to get OS version: %w", err)
	}
	return v, nil
}

// Catalog is what a repository offers, proved authentic.
type Catalog struct {
	Manifest *manifest.Manifest

	host  Host
	repo  *tufrepo.Repository
	query *query
}

// beliefPatience is how long to wait for another process that reads metadata.
const beliefPatience = time.Minute

// maxRootSize bounds the trusted root that the image brings.
const maxRootSize = 1 << 20

// Open proves the repository that the host is configured for and reads its
// manifest. What is believed is kept, so that no older state of the repository
// is believed again.
func Open(ctx context.Context, h Host) (*Catalog, error) {
	c := &Catalog{host: h, query: newQuery(h)}
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	text, err := c.readManifest(ctx)
	if err != nil {
		return nil, err
	}
	if c.Manifest, err = manifest.Parse(text); err != nil {
		return nil, fixed("Error parsing manifest: %w", err)
	}
	return c, nil
}

func (c *Catalog) open(ctx context.Context) error {
	h := c.host
	root, err := durable.ReadFile(h.Root.TrustedRoot(), maxRootSize)
	if err != nil {
		return missing(fixed("Failed to open trusted root metadata file %s: %w", h.Root.TrustedRoot(), err),
			"the image brings it; its publisher has it as N.root.json")
	}
	if err := h.Config.checkURLs(); err != nil {
		return err
	}
	source, err := tufrepo.Remote(h.Config.MetadataBaseURL, h.Config.TargetsBaseURL, tufrepo.RemoteOptions{
		Proxy: h.Config.proxy(), Query: c.query.values, Tries: h.tries,
	})
	if err != nil {
		return fixed("Metadata error: %w", err)
	}
	// One process at a time may use what is believed.
	unlock, err := durable.Lock(ctx, h.Root.MetadataLock(), beliefPatience, journal.ErrBusy)
	if err != nil {
		return err
	}
	defer unlock()
	c.repo, err = tufrepo.Open(ctx, source, tufrepo.Options{
		TrustedRoot: root, Dir: h.Root.TrustedMetadata(), Now: h.Now, Log: h.Log,
	})
	if err != nil {
		return fixed("Metadata error: %w", err)
	}
	return nil
}

// proxy is what the configuration says; nil leaves it to the environment.
func (c Config) proxy() *tufrepo.Proxy {
	if c.HTTPSProxy == "" {
		return nil
	}
	return &tufrepo.Proxy{URL: c.HTTPSProxy, No: c.NoProxy}
}

func (c *Catalog) readManifest(ctx context.Context) ([]byte, error) {
	target, err := c.repo.Target(ctx, manifest.Name)
	if errors.Is(err, tufrepo.ErrNoTarget) {
		return nil, fixed("Manifest not found in repository")
	}
	if err == nil && target.Length > manifest.MaxSize {
		return nil, fixed("Manifest load error: it has %d bytes, more than the limit of %d", target.Length, manifest.MaxSize)
	}
	var body io.ReadCloser
	if err == nil {
		body, err = c.repo.Open(ctx, manifest.Name)
	}
	if err != nil {
		return nil, fixed("Manifest load error: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(body, manifest.MaxSize+1))
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, fixed("Manifest load error: %w", err)
	}
	return text, nil
}

// Wish is what a caller asks for beside the configuration.
type Wish struct {
	Forced      *manifest.Version // this version and no other
	IgnoreWaves bool
	IgnoreLock  bool                         // as if the host followed the latest release
	Failed      func(manifest.Update) string // how a release failed here before; nil: none did
}

// Choose decides about every release.
func (c *Catalog) Choose(w Wish) (manifest.Choice, error) {
	version, err := c.host.Version()
	if err != nil {
		return manifest.Choice{}, err
	}
	lock := c.host.Config.VersionLock
	if w.IgnoreLock {
		lock = manifest.Latest
	}
	return c.Manifest.Choose(manifest.Host{
		Variant: c.host.Release.VariantID, Arch: c.host.Release.Arch, Version: version,
		Seed: c.host.Config.Seed, Lock: lock, IgnoreWaves: w.IgnoreWaves || c.host.Config.IgnoreWaves,
		Forced: w.Forced, Now: c.host.Now(), Failed: w.Failed,
	})
}

// Size is the length of a target in bytes.
func (c *Catalog) Size(ctx context.Context, target string) (int64, error) {
	t, err := c.target(ctx, target)
	return t.Length, err
}

func (c *Catalog) target(ctx context.Context, name string) (tufrepo.Target, error) {
	t, err := c.repo.Target(ctx, name)
	switch {
	case errors.Is(err, tufrepo.ErrNoTarget):
		return t, fixed("Target not found: %s", name)
	case errors.Is(err, tufrepo.ErrName):
		return t, fixed("Invalid target name '%s': %w", name, err)
	case err != nil:
		return t, fixed("Metadata error: %w", err)
	}
	return t, nil
}

// Migrations are the targets that carry data from the running version to that of u.
func (c *Catalog) Migrations(u manifest.Update) ([]string, error) {
	version, err := c.host.Version()
	if err != nil {
		return nil, err
	}
	return c.Manifest.Chain(version, u.Version)
}

// query is what each request tells the repository's statistics.
type query struct {
	mu  sync.Mutex
	all url.Values
}

func newQuery(h Host) *query {
	return &query{all: url.Values{"version": {h.Release.VersionID}, "seed": {strconv.FormatUint(uint64(h.Config.Seed), 10)}}}
}

// set adds something to all further requests.
func (q *query) set(name, value string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all.Set(name, value)
}

func (q *query) values() url.Values {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.all)
}
