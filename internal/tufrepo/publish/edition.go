package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/signer"
)

// Expirations are until when the metadata of an edition is good.
type Expirations struct{ Targets, Snapshot, Timestamp time.Time }

// Edition is the next state of a repository.
type Edition struct {
	State   *State
	Stage   *Stage            // has the files of new targets
	Targets map[string]Target // all that the repository vouches for
	Expires Expirations
	Signers []signer.Signer
	Now     time.Time
	Renew   bool // sign anew, even if nothing else changes
	Scope   Scope
}

// Scope is how much of a repository's metadata an edition signs.
type Scope int

// The scopes. All but the first leave targets as they are.
const (
	Everything    Scope = iota // targets, snapshot and timestamp
	TimestampOnly              // so that the other keys can stay offline
	RootsOnly                  // new roots that change no keys in use
)

// Act is one step of a plan.
type Act struct {
	Path  string // of the file that clients find
	Size  int64  // bytes
	Known bool   // it is there already

	data []byte // of metadata
	temp string // of a target that is staged
}

// Plan is what is to be done to publish an edition, in this order:
//
//	targets, then V.targets.json and V.snapshot.json, then timestamp.json
//
// New roots come last if what is before them is also signed with the keys that
// clients trust until then: no client ever sees metadata that its root does not
// vouch for. Where the old keys do not sign any more, because they are lost, new
// roots come right before timestamp.json, and Gap is true: a client that comes
// between these two files fails once.
type Plan struct {
	Acts []Act // empty: the repository is as it should be
	Gap  bool

	place Place
}

// Changed tells whether an edition differs from what is published.
func (e *Edition) changed() bool {
	return e.Renew || e.State.Fresh() || len(e.State.pending) > 0 || !maps.EqualFunc(e.Targets, e.State.Targets.Targets, sameTarget)
}

func sameTarget(a, b Target) bool {
	return a.Length == b.Length && maps.Equal(a.Hashes, b.Hashes) && bytes.Equal(a.Custom, b.Custom) && bytes.Equal(a.Unknown, b.Unknown)
}

// Plan signs the edition, and proves it with a client's code.
func (e *Edition) Plan(ctx context.Context) (*Plan, error) {
	p := &Plan{place: e.Stage.Place}
	if !e.changed() {
		return p, nil
	}
	if !e.State.Root.ConsistentSnapshot {
		return nil, hinted("the root says that the repository has no consistent snapshots: files would be replaced under the eyes of clients",
			"pubsys root next makes a root that says otherwise; publish it with pubsys refresh")
	}
	if e.Scope != Everything && e.State.Fresh() {
		return nil, hinted("there is nothing yet that could be renewed", "publish a release first")
	}
	files, gap, err := e.sign(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.prove(ctx, files); err != nil {
		return nil, e.unproved(err)
	}
	p.Gap = gap
	for _, f := range e.Stage.files {
		p.Acts = append(p.Acts, Act{Path: f.final, Size: f.size, Known: f.known, temp: f.temp})
	}
	for _, f := range e.order(files, gap) {
		p.Acts = append(p.Acts, Act{Path: filepath.Join(p.place.Metadata, f.Name), Size: int64(len(f.Raw)), data: f.Raw})
	}
	return p, nil
}

// order puts new roots where they belong; files ends with timestamp.json.
func (e *Edition) order(files []tufrepo.File, gap bool) []tufrepo.File {
	var roots []tufrepo.File
	for _, r := range e.State.pending {
		roots = append(roots, tufrepo.File{Name: r.Name(), Raw: r.Raw})
	}
	if len(files) > 0 && (gap || e.State.Fresh()) {
		return slices.Insert(files, len(files)-1, roots...)
	}
	return append(files, roots...)
}

// sign makes the three files. gap tells that clients which do not know the
// newest root yet cannot verify them.
func (e *Edition) sign(ctx context.Context) (files []tufrepo.File, gap bool, err error) {
	version := max(e.Now.Unix(), e.State.version+1)
	head := func(role string) Header { return Header{role, specVersion} }
	targets := e.State.Targets
	targets.Version, targets.Expires, targets.Targets = version, whole(e.Expires.Targets), e.Targets
	name := func(role string) string { return fmt.Sprintf("%d.%s.json", version, role) }

	steps := []step{
		{TargetsRole, name(TargetsRole), func() any { return targets }},
		{SnapshotRole, name(SnapshotRole), func() any {
			meta := e.delegated()
			meta["targets.json"] = describeFile(files[0].Raw, version)
			return Index{Header: head(SnapshotRole), Version: version, Expires: whole(e.Expires.Snapshot), Meta: meta}
		}},
		{TimestampRole, timestampFile, func() any {
			snapshot := e.snapshot(version, files)
			return Index{
				Header: head(TimestampRole), Version: version, Expires: whole(e.Expires.Timestamp),
				Meta: map[string]Meta{"snapshot.json": snapshot},
			}
		}},
	}
	for _, s := range steps[e.first():] {
		raw, all, err := e.signOne(ctx, s.role, s.body())
		if err != nil {
			return nil, false, err
		}
		files, gap = append(files, tufrepo.File{Name: s.name, Raw: raw}), gap || !all
	}
	return files, gap && !e.State.Fresh(), nil
}

// step is one file that is signed; body may need the files before it.
type step struct {
	role, name string
	body       func() any
}

// first is the first step of the edition's scope.
func (e *Edition) first() int {
	switch e.Scope {
	case TimestampOnly:
		return 2
	case RootsOnly:
		return 3
	}
	return 0
}

// snapshot is what the timestamp says of the snapshot: the one just signed, or
// the one that is published.
func (e *Edition) snapshot(version int64, files []tufrepo.File) Meta {
	if e.Scope == Everything {
		return describeFile(files[1].Raw, version)
	}
	old := e.State.Roles[SnapshotRole].Version
	return describeFile(e.State.files[e.State.fileName(SnapshotRole, old)], old)
}

// delegated is what the snapshot says of delegated roles, which nobody here edits.
func (e *Edition) delegated() map[string]Meta {
	meta := map[string]Meta{}
	if e.State.Fresh() {
		return meta
	}
	var old Index
	name := e.State.fileName(SnapshotRole, e.State.Roles[SnapshotRole].Version)
	if d, err := ParseDocument(e.State.files[name]); err == nil && d.Body(&old) == nil {
		maps.Copy(meta, old.Meta)
	}
	return meta
}

// signOne signs one file. all tells that it is good under every root at which
// clients may stand; under the newest it must be.
func (e *Edition) signOne(ctx context.Context, role string, body any) (raw []byte, all bool, err error) {
	d, err := NewDocument(body)
	if err != nil {
		return nil, false, err
	}
	var rings []Keyring
	for _, root := range e.State.rings {
		rings = append(rings, root.Keyring(role))
	}
	if _, err := Sign(ctx, d, e.Signers, rings...); err != nil {
		return nil, false, err
	}
	if err := e.State.Root.Keyring(role).require(role+" metadata", d); err != nil {
		return nil, false, err
	}
	all = true
	for _, ring := range rings {
		all = all && ring.require(role, d) == nil
	}
	raw, err = d.Encode()
	return raw, all, err
}

func describeFile(raw []byte, version int64) Meta {
	sum := sha256.Sum256(raw)
	return Meta{Length: int64(len(raw)), Hashes: map[string]string{"sha256": hex.EncodeToString(sum[:])}, Version: version}
}

// prove opens the repository as it will be.
func (e *Edition) prove(ctx context.Context, files []tufrepo.File) error {
	next := overlay{e.State.source, map[string][]byte{}}
	for _, f := range files {
		next.files[f.Name] = f.Raw
	}
	for _, r := range e.State.pending {
		next.files[r.Name()] = r.Raw
	}
	_, err := tufrepo.Open(ctx, next, tufrepo.Options{TrustedRoot: e.State.first.Raw, Now: func() time.Time { return e.Now }})
	return err
}

// unproved says why the new state cannot be published.
func (e *Edition) unproved(err error) error {
	err = fmt.Errorf("prove the new state as a client would: %w", err)
	if e.Scope != Everything && errors.Is(err, tufrepo.ErrThreshold) {
		return hinted(err.Error(), "the new root changes keys in use: pubsys refresh signs the metadata anew and publishes both")
	}
	return err
}

// overlay shows files that are not published yet above those that are.
type overlay struct {
	tufrepo.Source
	files map[string][]byte
}

// Metadata implements tufrepo.Source.
func (o overlay) Metadata(ctx context.Context, name string, limit int64) ([]byte, error) {
	if raw, ok := o.files[name]; ok {
		return raw, nil
	}
	return o.Source.Metadata(ctx, name, limit)
}

// Run publishes. It may be run again after an error; it does what is left.
func (p *Plan) Run(ctx context.Context, fsys durable.FS) error {
	for _, a := range p.Acts {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := a.run(fsys); err != nil {
			return fmt.Errorf("publish %s: %w", filepath.Base(a.Path), err)
		}
	}
	return nil
}

func (a Act) run(fsys durable.FS) error {
	if a.data != nil {
		if old, err := durable.ReadFile(a.Path, MaxSize); err == nil && bytes.Equal(old, a.data) {
			return nil
		}
		return durable.WriteFile(fsys, a.Path, a.data, published)
	}
	if a.temp == "" {
		return nil
	}
	if _, err := os.Lstat(a.temp); errors.Is(err, fs.ErrNotExist) {
		return nil // an earlier run has renamed it
	}
	return durable.Rename(fsys, a.temp, a.Path)
}
