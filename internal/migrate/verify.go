package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pierrec/lz4/v4"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/memexec"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// Limits of what is read from the caches.
const (
	maxTrustedRoot = 1 << 20   // bytes
	maxCompressed  = 64 << 20  // of one migration
	maxChain       = 256 << 20 // of all migrations of a chain, compressed
	maxExecutable  = 128 << 20 // of one migration
)

// Cache is where an update has put what the next boot needs. Nothing in it is
// believed but what leads back to the trusted root.
type Cache struct {
	TrustedRoot string // a file of the image
	Metadata    string // folder
	Targets     string // folder
	Versions    string // file of the versions that were put there: see tufrepo.SaveVersions; may be missing
}

// CacheBelow is the cache of the host with that root.
func CacheBelow(root paths.Root) Cache {
	return Cache{
		TrustedRoot: root.TrustedRoot(), Metadata: root.CachedMetadata(), Targets: root.Migrations(), Versions: root.CachedVersions(),
	}
}

// Chain is the migrations between two versions, verified and in memory.
type Chain struct {
	From, To manifest.Version
	Steps    []Step // in the order in which they run
}

// Backward tells which way the chain leads.
func (c *Chain) Backward() bool { return c.To.Compare(c.From) < 0 }

// Step is one migration.
type Step struct {
	Name   string // of the target
	SHA256 string // of the target
	code   []byte // compressed
}

// Verify proves the metadata in the cache, chooses the migrations from one
// version to another and reads them. Each file is read once; what is used later
// is what was verified. That the time of metadata is over does not matter: a host may be
// off for weeks between update and boot. That it is older than what the last
// update put there does.
func Verify(ctx context.Context, cache Cache, from, to manifest.Version, log *slog.Logger) (*Chain, error) {
	v := &verifier{cache: cache, log: log}
	if err := v.open(ctx); err != nil {
		return nil, fixed("Failed to load TUF repo: %w", err)
	}
	m, err := v.manifest(ctx)
	if err != nil {
		return nil, err
	}
	names, err := m.Chain(from, to)
	if err != nil {
		return nil, fixed("Error finding migration: %w", gap(err))
	}
	c := &Chain{From: from, To: to}
	for _, name := range names {
		step, err := v.step(ctx, name)
		if err != nil {
			return nil, err
		}
		c.Steps = append(c.Steps, step)
	}
	return c, nil
}

func gap(err error) error {
	if g, ok := errors.AsType[*manifest.GapError](err); ok {
		return &api.Error{Code: api.CodeNotFound, Message: g.Error(), Hint: g.Hint()}
	}
	return err
}

type verifier struct {
	cache Cache
	log   *slog.Logger
	repo  *tufrepo.Repository
	total int64
}

func (v *verifier) open(ctx context.Context) error {
	root, err := durable.ReadFile(v.cache.TrustedRoot, maxTrustedRoot)
	if err != nil {
		return fmt.Errorf("read trusted root: %w", err)
	}
	v.repo, err = tufrepo.Open(ctx, tufrepo.Dir(v.cache.Metadata, v.cache.Targets), tufrepo.Options{
		TrustedRoot: root, Expiry: tufrepo.IgnoreExpiry, Log: v.log,
	})
	if err != nil {
		return err
	}
	return v.checkAge()
}

// checkAge refuses metadata that was put back: all of it is signed well, and
// its versions were the newest once.
func (v *verifier) checkAge() error {
	least, err := tufrepo.LoadVersions(v.cache.Versions)
	if errors.Is(err, fs.ErrNotExist) {
		v.log.Warn("no record of the metadata's versions: it may have been replaced by an older one", "path", v.cache.Versions)
		return nil
	}
	if err != nil {
		return err
	}
	if role, have, want := v.repo.Versions().Before(least); role != "" {
		return &api.Error{
			Code:    api.CodeConflict,
			Message: fmt.Sprintf("%s metadata in %s has version %d, but the last update put version %d there", role, v.cache.Metadata, have, want),
			Hint:    "somebody has put older metadata back; go back to the other slot and update again",
		}
	}
	return nil
}

func (v *verifier) manifest(ctx context.Context) (*manifest.Manifest, error) {
	text, _, err := v.read(ctx, manifest.Name, manifest.MaxSize)
	if errors.Is(err, tufrepo.ErrNoTarget) {
		return nil, fixed("Manifest not found in repository")
	}
	if err != nil {
		return nil, fixed("Error loading manifest: %w", err)
	}
	m, err := manifest.Parse(text)
	if err != nil {
		return nil, fixed("Error parsing manifest: %w", err)
	}
	return m, nil
}

func (v *verifier) step(ctx context.Context, name string) (Step, error) {
	code, target, err := v.read(ctx, name, maxCompressed)
	if errors.Is(err, tufrepo.ErrNoTarget) {
		return Step{}, fixed("Migration '%s' not found", name)
	}
	if err != nil {
		return Step{}, fixed("Error loading migration '%s': %w", name, err)
	}
	if v.total += int64(len(code)); v.total > maxChain {
		return Step{}, fixed("Error loading migration '%s': the migrations have more than %d bytes", name, int64(maxChain))
	}
	return Step{Name: name, SHA256: target.SHA256(), code: code}, nil
}

// read reads a target whole: its length and hash are right when it returns.
func (v *verifier) read(ctx context.Context, name string, limit int64) ([]byte, tufrepo.Target, error) {
	t, err := v.repo.Target(ctx, name)
	if err != nil {
		return nil, t, err
	}
	if t.Length > limit {
		return nil, t, fmt.Errorf("it has %d bytes; at most %d are possible", t.Length, limit)
	}
	body, err := v.repo.Open(ctx, name)
	if err != nil {
		return nil, t, err
	}
	var data bytes.Buffer
	data.Grow(int(t.Length) + bytes.MinRead)
	_, err = data.ReadFrom(body)
	return data.Bytes(), t, errors.Join(err, body.Close())
}

// load puts a migration's executable into sealed memory.
func (s Step) load() (*memexec.Program, error) {
	r := lz4.NewReader(bytes.NewReader(s.code))
	return memexec.Load(s.Name, r, maxExecutable)
}

// fixed is fmt.Errorf for the texts that the reference's users know, which
// begin with a capital letter.
func fixed(format string, args ...any) error { return fmt.Errorf(format, args...) }
