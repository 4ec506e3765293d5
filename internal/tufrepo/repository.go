package tufrepo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hostler-os/hostler/internal/durable"
)

// Delegations says whether targets may be vouched for by roles that the
// top-level targets role delegates to.
type Delegations int

const (
	// RefuseDelegations believes the top-level role alone: all that updates need.
	RefuseDelegations Delegations = iota
	// AllowDelegations follows delegations in order, depth first.
	AllowDelegations
)

// Options are what a caller of [Open] decides. Only TrustedRoot is needed.
type Options struct {
	// TrustedRoot is the root metadata that the image brought, of any version.
	TrustedRoot []byte
	// Dir keeps what is trusted from one run to the next, which is what protects
	// from rollback; it is made if missing. Empty: nothing is kept.
	Dir string
	// Expiry is enforced unless told otherwise.
	Expiry Expiry
	// Delegations are refused unless told otherwise.
	Delegations Delegations
	// Now is the clock; nil: time.Now. It is asked at each check.
	Now func() time.Time
	// FS is what the state and downloads are written to; nil: the host's.
	FS durable.FS
	// Log tells of stored metadata that is passed over; nil: nothing is told.
	Log *slog.Logger
}

// Repository is a repository whose metadata was proved. Its methods may be
// called from several goroutines only if delegations are refused.
type Repository struct {
	source      Source
	store       store
	delegations Delegations
	log         *slog.Logger

	trust
	roots     map[int64][]byte  // the chain above the image's root
	delegated map[string][]byte // delegated roles that were believed, by name
}

// maxRootUpdates bounds the root chain.
const maxRootUpdates = 1024

// Open proves a repository's metadata: it follows the root chain from the
// trusted root to the newest, and reads timestamp, snapshot and targets,
// each only as far as it is vouched for by the one before. What was proved is
// kept in Options.Dir at each step, so that a failure leaves what is trusted as
// far as it came, and never less. Errors are of type *Error where the repository
// is to blame.
func Open(ctx context.Context, source Source, o Options) (*Repository, error) {
	r := &Repository{
		source: source, delegations: o.Delegations, log: o.Log,
		store:     store{dir: o.Dir, fs: o.FS},
		trust:     trust{expiry: o.Expiry, now: o.Now},
		roots:     map[int64][]byte{},
		delegated: map[string][]byte{},
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.store.fs == nil {
		r.store.fs = durable.OS{}
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if err := r.firstRoot(o.TrustedRoot); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{r.updateRoot, r.updateTimestamp, r.updateSnapshot, r.updateTargets} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// updateRoot follows the chain: first as far as it is on disk, then the source's.
func (r *Repository) updateRoot(ctx context.Context) error {
	for {
		raw, err := r.store.load(history+"/"+rootName(r.root.version+1), maxRoot)
		if err != nil {
			return err
		}
		if raw == nil {
			break
		}
		if err := r.nextRoot(raw); err != nil {
			// An image with another root of trust makes the old chain worthless.
			r.log.Warn("stored root metadata is passed over", "version", r.root.version+1, "err", err)
			break
		}
		r.roots[r.root.version] = raw
	}
	for range maxRootUpdates {
		name := rootName(r.root.version + 1)
		raw, err := r.source.Metadata(ctx, name, maxRoot)
		if errors.Is(err, ErrNotFound) {
			return r.endOfChain()
		}
		if err != nil {
			return err
		}
		if err := r.nextRoot(raw); err != nil {
			return r.blame(name, err)
		}
		r.roots[r.root.version] = raw
		if err := r.store.saveRoot(r.root.version, raw); err != nil {
			return err
		}
	}
	return &Error{
		Kind: ErrTooManyRoots, What: metadataOf(rootRole),
		Text: fmt.Sprintf("more than %d updates", maxRootUpdates),
		Hint: "take an image with a newer root of trust, or tell the publisher",
	}
}

// endOfChain checks the newest root alone: those before it may well be expired.
func (r *Repository) endOfChain() error {
	if err := checkExpired(&r.trust, r.root); err != nil {
		return err
	}
	// The image's own root has no update yet; the store shows it all the same.
	if last, err := r.store.load(rootRole+".json", maxRoot); err != nil || string(last) == string(r.root.raw) {
		return err
	}
	return r.store.save(rootRole+".json", r.root.raw)
}

// stored reads metadata that was trusted in an earlier run. If keys were
// replaced since, so that it is no longer signed by enough of them, it counts
// for nothing: that is how a repository recovers from versions that a thief of
// keys drove up. Its time may be over.
func stored[T body](r *Repository, role string, limit int64) (*signed[T], error) {
	raw, err := r.store.load(role+".json", limit)
	if raw == nil || err != nil {
		return nil, err
	}
	s, err := parseFor[T](&r.trust, role, raw)
	if err != nil {
		r.log.Warn("stored metadata is passed over", "role", role, "err", err)
		return nil, nil
	}
	return &s, nil
}

func (r *Repository) updateTimestamp(ctx context.Context) error {
	old, err := stored[timestampBody](r, timestampRole, maxTimestamp)
	if err != nil {
		return err
	}
	raw, err := r.source.Metadata(ctx, timestampRole+".json", maxTimestamp)
	if err != nil {
		return err
	}
	isNew, err := r.newTimestamp(raw, old)
	if err != nil || !isNew {
		return r.blame(timestampRole+".json", err)
	}
	return r.store.save(timestampRole+".json", raw)
}

func (r *Repository) updateSnapshot(ctx context.Context) error {
	old, err := stored[snapshotBody](r, snapshotRole, maxSnapshot)
	if err != nil {
		return err
	}
	if old != nil && r.newSnapshot(old.raw, nil) == nil {
		return nil
	}
	a := announcement(r.timestamp.body.Meta["snapshot.json"])
	raw, err := r.fetch(ctx, snapshotRole, a, maxSnapshot)
	if err != nil {
		return err
	}
	if err := r.newSnapshot(raw, old); err != nil {
		return r.blame(r.metadataName(snapshotRole, a.version), err)
	}
	return r.store.save(snapshotRole+".json", raw)
}

func (r *Repository) updateTargets(ctx context.Context) error {
	old, err := r.store.load(targetsRole+".json", maxTargets)
	if err != nil {
		return err
	}
	if old != nil && r.newTargets(old) == nil {
		return nil
	}
	a := announcement(r.snapshot.body.Meta["targets.json"])
	raw, err := r.fetch(ctx, targetsRole, a, maxTargets)
	if err != nil {
		return err
	}
	if err := r.newTargets(raw); err != nil {
		return r.blame(r.metadataName(targetsRole, a.version), err)
	}
	return r.store.save(targetsRole+".json", raw)
}

// blame tells where a file came from that is not believed; of one that was good
// once, the time says more.
func (r *Repository) blame(name string, err error) error {
	e, ok := errors.AsType[*Error](err)
	l, known := r.source.(locator)
	if !ok || !known || e.What == "" {
		return err
	}
	located := *e
	located.What += ", from " + l.Where(name)
	return &located
}

// metadataName is the name of a role's file in this repository.
func (r *Repository) metadataName(role string, version int64) string {
	name := quote(role) + ".json"
	if r.root.body.ConsistentSnapshot && role != timestampRole {
		return fmt.Sprintf("%d.%s", version, name)
	}
	return name
}

func (r *Repository) fetch(ctx context.Context, role string, a announced, most int64) ([]byte, error) {
	return r.source.Metadata(ctx, r.metadataName(role, a.version), a.limit(most))
}
