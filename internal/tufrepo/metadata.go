package tufrepo

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// The four roles that every repository has.
const (
	rootRole      = metadata.ROOT
	timestampRole = metadata.TIMESTAMP
	snapshotRole  = metadata.SNAPSHOT
	targetsRole   = metadata.TARGETS
)

// What is read of metadata at most, unless a smaller length is announced.
const (
	maxRoot      = 1 << 20
	maxTimestamp = 1 << 20
	maxSnapshot  = 1 << 20
	maxTargets   = 10 << 20
)

// signed is metadata of one role whose form is right. Whether it is believed is
// another question.
type signed[T metadata.Roles] struct {
	envelope
	role    string
	version int64
	expires time.Time
	body    T
}

// header is what metadata of every role begins with.
type header struct {
	Type        string    `json:"_type"`
	SpecVersion string    `json:"spec_version"`
	Version     int64     `json:"version"`
	Expires     time.Time `json:"expires"`
}

var specVersion = regexp.MustCompile(`^1\.[0-9]+(\.[0-9]+)?$`)

// parse reads metadata of a role; kind is its "_type", which for delegated roles is "targets".
func parse[T metadata.Roles](role, kind string, raw []byte) (signed[T], error) {
	what := metadataOf(role)
	e, err := parseEnvelope(what, raw)
	if err != nil {
		return signed[T]{}, err
	}
	s := signed[T]{envelope: e, role: role}
	var h header
	if err := decode(e.text, &h, &s.body); err != nil {
		return s, &Error{Kind: ErrMalformed, What: what, Err: err}
	}
	if err := h.check(kind); err != nil {
		return s, &Error{Kind: ErrMalformed, What: what, Err: err}
	}
	if err := checkBody(any(&s.body)); err != nil {
		return s, &Error{Kind: ErrMalformed, What: what, Err: err}
	}
	s.version, s.expires = h.Version, h.Expires
	return s, nil
}

// decode reads the header and the body. The body's types follow null where they
// expect an object, so a target that is null is refused before.
func decode(data []byte, h *header, body any) error {
	if err := json.Unmarshal(data, h); err != nil {
		return err
	}
	if _, ok := body.(*metadata.TargetsType); ok {
		var t struct {
			Targets map[string]*struct{} `json:"targets"`
		}
		if err := json.Unmarshal(data, &t); err != nil {
			return err
		}
		for name, target := range t.Targets {
			if target == nil {
				return fmt.Errorf("target %s is null", printable(name))
			}
		}
	}
	return json.Unmarshal(data, body)
}

func (h header) check(kind string) error {
	switch {
	case h.Type != kind:
		return fmt.Errorf("it is of type %q, expected %q", printable(h.Type), kind)
	case !specVersion.MatchString(h.SpecVersion):
		return fmt.Errorf("specification version %q, expected 1.x", printable(h.SpecVersion))
	case h.Version < 1:
		return fmt.Errorf("version %d, expected at least 1", h.Version)
	case h.Expires.IsZero():
		return errors.New("it does not say when it expires")
	}
	return nil
}

func checkBody(body any) error {
	switch b := body.(type) {
	case *metadata.RootType:
		return checkRoot(b)
	case *metadata.TimestampType:
		return checkMeta(b.Meta, "snapshot.json")
	case *metadata.SnapshotType:
		return checkMeta(b.Meta, "targets.json")
	case *metadata.TargetsType:
		return checkTargets(b)
	}
	return fmt.Errorf("unexpected %T", body)
}

func checkRoot(root *metadata.RootType) error {
	for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
		r := root.Roles[role]
		if r == nil {
			return fmt.Errorf("role %s is missing", role)
		}
		if err := checkRole(role, r.KeyIDs, r.Threshold); err != nil {
			return err
		}
	}
	return checkKeys(root.Keys)
}

func checkRole(role string, ids []string, threshold int) error {
	if threshold < 1 {
		return fmt.Errorf("role %s has threshold %d, expected at least 1", printable(role), threshold)
	}
	sorted := slices.Sorted(slices.Values(ids))
	if len(slices.Compact(sorted)) != len(ids) {
		return fmt.Errorf("role %s names a key twice", printable(role))
	}
	return nil
}

func checkKeys(keys map[string]*metadata.Key) error {
	for id, key := range keys {
		if key == nil {
			return fmt.Errorf("key %s is null", printable(id))
		}
	}
	return nil
}

func checkMeta(meta map[string]*metadata.MetaFiles, needed string) error {
	if meta[needed] == nil {
		return fmt.Errorf("it does not speak of %s", needed)
	}
	for name, m := range meta {
		switch {
		case m == nil:
			return fmt.Errorf("%s is null", printable(name))
		case !strings.HasSuffix(name, ".json"):
			return fmt.Errorf("%s is not a metadata file's name", printable(name))
		case m.Version < 1 || m.Length < 0:
			return fmt.Errorf("%s has version %d and length %d", printable(name), m.Version, m.Length)
		}
	}
	return nil
}

func checkTargets(t *metadata.TargetsType) error {
	if t.Targets == nil {
		return errors.New("it has no targets, not even an empty object of them")
	}
	for name, target := range t.Targets {
		if target.Length < 0 {
			return fmt.Errorf("target %s has length %d", printable(name), target.Length)
		}
		// Nobody here reads them; of tens of thousands of targets they are most of the memory.
		target.UnrecognizedFields = nil
	}
	if t.Delegations == nil {
		return nil
	}
	return checkDelegations(t.Delegations)
}

func checkDelegations(d *metadata.Delegations) error {
	if err := checkKeys(d.Keys); err != nil {
		return err
	}
	if len(d.Roles) > 0 && d.SuccinctRoles != nil {
		return errors.New("it delegates to roles and to succinct roles at once")
	}
	if s := d.SuccinctRoles; s != nil {
		if s.BitLength < 1 || s.BitLength > 32 {
			return fmt.Errorf("succinct roles of %d bits, expected 1 to 32", s.BitLength)
		}
		return checkRole(s.NamePrefix, s.KeyIDs, s.Threshold)
	}
	seen := map[string]bool{}
	for _, r := range d.Roles {
		if err := checkDelegated(r); err != nil {
			return err
		}
		if seen[r.Name] {
			return fmt.Errorf("it delegates to role %s twice", printable(r.Name))
		}
		seen[r.Name] = true
	}
	return nil
}

// reserved are names that a delegated role must not have: its file would be taken for another.
var reserved = regexp.MustCompile(`^(([0-9]+\.)?root|timestamp|snapshot|targets)$`)

func checkDelegated(r metadata.DelegatedRole) error {
	switch {
	case r.Name == "" || reserved.MatchString(r.Name):
		return fmt.Errorf("a delegated role must not be called %q", printable(r.Name))
	case len(r.Paths) > 0 && len(r.PathHashPrefixes) > 0:
		return fmt.Errorf("role %s has both paths and path hash prefixes", printable(r.Name))
	}
	return checkRole(r.Name, r.KeyIDs, r.Threshold)
}

// expired tells whether the metadata's time is over.
func (s signed[T]) expired(now time.Time) error {
	if now.Before(s.expires) {
		return nil
	}
	return &Error{
		Kind: ErrExpired,
		Text: fmt.Sprintf("%s is expired: it was good until %s, now it is %s", metadataOf(printable(s.role)),
			s.expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)),
		Hint: "check this host's clock; if it is right, the repository is not being refreshed: ask its publisher",
	}
}

// announced is what one metadata file says of another.
type announced struct {
	version int64
	length  int64 // negative: not said
	hashes  digests
}

func announcement(m *metadata.MetaFiles) announced {
	a := announced{version: m.Version, length: m.Length, hashes: digestsOf(m.Hashes)}
	if a.length == 0 {
		a.length = -1
	}
	return a
}

// limit is how much is to be read. An announcement may raise the usual limit, but
// not to what a thief of one key could fill a host's memory with.
func (a announced) limit(most int64) int64 {
	if a.length >= 0 {
		return min(a.length, 4*most)
	}
	return most
}

func (a announced) checkVersion(role string, version int64) error {
	if version == a.version {
		return nil
	}
	return &Error{
		Kind: ErrVersion, What: metadataOf(printable(role)),
		Text: fmt.Sprintf("version %d, expected %d", version, a.version),
		Hint: "the repository is inconsistent, perhaps in the middle of a publication; try again",
	}
}
