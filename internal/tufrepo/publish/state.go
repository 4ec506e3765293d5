package publish

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/signer"
)

// RootFile is a root as it is published.
type RootFile struct {
	*Root
	Document *Document
	Raw      []byte
}

// ParseRootFile is [ParseRoot] that keeps the bytes.
func ParseRootFile(raw []byte) (RootFile, error) {
	r, d, err := ParseRoot(raw)
	return RootFile{r, d, raw}, err
}

// Name is the one under which it is published.
func (r RootFile) Name() string { return rootName(r.Version) }

func rootName(version int64) string { return fmt.Sprintf("%d.root.json", version) }

// maxRoot is what clients read of a root.
const maxRoot = 1 << 20

// Reading is how [Load] reads a repository.
type Reading struct {
	Source  tufrepo.Source
	Root    RootFile                    // the newest root that the publisher knows
	Earlier func(version int64) []byte  // roots that the publisher has and the repository may lack; nil: none
	New     bool                        // a repository that is not there is a new one
	Expired bool                        // one whose time is over is read all the same
	Now     func() time.Time            // the clock
	Warn    func(text string, a ...any) // is told what deserves attention; nil: nobody
}

// State is what a repository holds.
type State struct {
	Repo    *tufrepo.Repository // as a client sees it; nil if it is new
	Root    *Root               // whose keys sign from now on
	Targets Targets
	Roles   map[string]Expiry // of the four roles; empty if it is new

	first   RootFile   // the oldest root that is known: where proofs begin
	rings   []*Root    // roots that clients may stand at while it is published: that of the repository, and the new ones
	pending []RootFile // roots that the repository lacks, oldest first
	version int64      // above all versions in use
	source  tufrepo.Source
	files   map[string][]byte // metadata as it is published now, by name
}

// Expiry is until when metadata of a version is good.
type Expiry struct {
	Role    string
	Version int64
	Expires time.Time
}

// Load reads a repository as a client does, from the oldest of its roots on.
// Errors of the repository are those of package tufrepo.
func Load(ctx context.Context, r Reading) (*State, error) {
	s := &State{source: r.Source, Roles: map[string]Expiry{}, files: map[string][]byte{}}
	published, err := s.chain(ctx, r)
	if err != nil {
		return nil, err
	}
	_, err = r.Source.Metadata(ctx, timestampFile, MaxSize)
	if errors.Is(err, tufrepo.ErrNotFound) {
		return s, s.fresh(r, published)
	}
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx, r, published); err != nil {
		return nil, err
	}
	return s, s.read(r)
}

const timestampFile = TimestampRole + ".json"

// chain collects roots downward from the publisher's: first those that the
// repository lacks, then those that it has, oldest first. It returns the latter.
func (s *State) chain(ctx context.Context, r Reading) (published []RootFile, err error) {
	for version := r.Root.Version; version > 0; version-- {
		raw, err := r.Source.Metadata(ctx, rootName(version), maxRoot)
		if errors.Is(err, tufrepo.ErrNotFound) {
			if len(published) > 0 {
				break
			}
			file, ok, err := r.own(version)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			s.pending = append([]RootFile{file}, s.pending...)
			continue
		}
		if err != nil {
			return nil, err
		}
		file, err := ParseRootFile(raw)
		if err != nil {
			return nil, fmt.Errorf("%s in the repository: %w", rootName(version), err)
		}
		if version == r.Root.Version {
			if err := sameRoot(file, r.Root); err != nil {
				return nil, err
			}
		}
		published = append([]RootFile{file}, published...)
	}
	return published, nil
}

// own is a root of the publisher's.
func (r Reading) own(version int64) (RootFile, bool, error) {
	if version == r.Root.Version {
		return r.Root, true, nil
	}
	if r.Earlier == nil {
		return RootFile{}, false, nil
	}
	raw := r.Earlier(version)
	if raw == nil {
		return RootFile{}, false, nil
	}
	file, err := ParseRootFile(raw)
	if err == nil && file.Version != version {
		err = fmt.Errorf("%s has version %d", rootName(version), file.Version)
	}
	return file, err == nil, err
}

func sameRoot(published, own RootFile) error {
	a, errA := published.Document.message()
	b, errB := own.Document.message()
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if string(a) != string(b) {
		return hinted(fmt.Sprintf("the repository has another root of version %d than the one given", own.Version),
			"give the one that was published; changes need a new version: pubsys root next")
	}
	return nil
}

// fresh is a repository without a timestamp: nobody can use it yet.
func (s *State) fresh(r Reading, published []RootFile) error {
	if !r.New {
		return hinted("there is no repository yet: it has no timestamp.json",
			"look at the address, with its variant and architecture; if it is right, --new begins a repository there")
	}
	s.pending = append(published, s.pending...) // those that are there already are not written again
	s.Targets = Targets{Header: Header{TargetsRole, specVersion}, Targets: map[string]Target{}}
	return s.advance(nil)
}

// open opens the repository. A publication that was interrupted between a new
// root and metadata signed with its keys is opened at the root before it.
func (s *State) open(ctx context.Context, r Reading, published []RootFile) error {
	if len(published) == 0 {
		published = []RootFile{s.pending[0]} // somebody else publishes roots
	}
	s.first = published[0]
	options := tufrepo.Options{TrustedRoot: s.first.Raw, Now: r.Now}
	if r.Expired {
		options.Expiry = tufrepo.IgnoreExpiry
	}
	var err error
	s.Repo, err = tufrepo.Open(ctx, r.Source, options)
	for n := len(published) - 1; n > 0 && errors.Is(err, tufrepo.ErrThreshold); n-- {
		var older error
		if s.Repo, older = tufrepo.Open(ctx, capped{r.Source, published[n-1].Version}, options); older == nil {
			s.pending = append(published[n:], s.pending...)
			err = nil
		}
	}
	return err
}

// capped is a source that shows no roots above a version.
type capped struct {
	tufrepo.Source
	most int64
}

// Metadata implements tufrepo.Source.
func (c capped) Metadata(ctx context.Context, name string, limit int64) ([]byte, error) {
	if v, ok := rootVersion(name); ok && v > c.most {
		return nil, tufrepo.ErrNotFound
	}
	return c.Source.Metadata(ctx, name, limit)
}

var rootPattern = regexp.MustCompile(`^([0-9]{1,18})\.root\.json$`)

func rootVersion(name string) (int64, bool) {
	m := rootPattern.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseInt(m[1], 10, 64)
	return v, err == nil
}

// read takes from what was proved what the next edition begins with.
func (s *State) read(r Reading) error {
	current := s.first
	for _, f := range s.Repo.Proof() {
		s.files[f.Name] = f.Raw
		if _, ok := rootVersion(f.Name); !ok {
			continue
		}
		file, err := ParseRootFile(f.Raw)
		if err != nil {
			return fmt.Errorf("%s in the repository: %w", f.Name, err)
		}
		current = file
	}
	if current.Version > r.Root.Version && r.Warn != nil {
		r.Warn("the repository has a newer root than the one given, which is used", "given", r.Root.Version, "published", current.Version)
	}
	s.Roles[RootRole] = Expiry{RootRole, current.Version, current.Expires}
	if err := s.indexes(); err != nil {
		return err
	}
	return s.advance(current.Root)
}

// indexes reads the three other roles.
func (s *State) indexes() error {
	v := s.Repo.Versions()
	for role, name := range map[string]string{
		TimestampRole: timestampFile, SnapshotRole: s.fileName(SnapshotRole, v.Snapshot), TargetsRole: s.fileName(TargetsRole, v.Targets),
	} {
		d, err := ParseDocument(s.files[name])
		if err != nil {
			return fmt.Errorf("%s in the repository: %w", name, err)
		}
		var head struct {
			Version int64     `json:"version"`
			Expires time.Time `json:"expires"`
		}
		if err := d.Body(&head); err != nil {
			return fmt.Errorf("%s in the repository: %w", name, err)
		}
		if role == TargetsRole {
			err = d.Body(&s.Targets)
		}
		if err != nil {
			return fmt.Errorf("%s in the repository: %w", name, err)
		}
		s.Roles[role] = Expiry{role, head.Version, head.Expires}
		s.version = max(s.version, head.Version)
	}
	return nil
}

func (s *State) fileName(role string, version int64) string {
	if name := fmt.Sprintf("%d.%s.json", version, role); s.files[name] != nil {
		return name
	}
	return role + ".json"
}

// advance follows the pending roots, each of which the one before must vouch for.
func (s *State) advance(current *Root) error {
	if current != nil {
		s.rings = []*Root{current}
	}
	for _, next := range s.pending {
		if err := next.checkAfter(current); err != nil {
			return err
		}
		current = next.Root
		s.rings = append(s.rings, current)
	}
	if s.first.Root == nil {
		s.first = s.pending[0]
	}
	s.Root = current
	return nil
}

// checkAfter holds a root that is to be published against the rules for it.
func (r RootFile) checkAfter(before *Root) error {
	what := fmt.Sprintf("root version %d", r.Version)
	if before != nil && r.Version != before.Version+1 {
		return hinted(fmt.Sprintf("root version %d follows version %d: the ones between are missing", r.Version, before.Version),
			fmt.Sprintf("put %s beside the given root, or into the repository", rootName(before.Version+1)))
	}
	if err := r.Check(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return r.Signed(before)
}

// Fresh tells whether there is no repository yet.
func (s *State) Fresh() bool { return s.Repo == nil }

// Pending are the roots that the next edition publishes.
func (s *State) Pending() []RootFile { return s.pending }

// First is the oldest root that is known.
func (s *State) First() RootFile { return s.first }

// Knows tells whether a key may sign anything here: for some role of a root at
// which clients may stand.
func (s *State) Knows(key signer.Key) bool {
	for _, root := range s.rings {
		for _, role := range Roles {
			if root.Keyring(role).Knows(key) {
				return true
			}
		}
	}
	return false
}
