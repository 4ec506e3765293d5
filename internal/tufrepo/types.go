package tufrepo

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// The four roles that every repository has.
const (
	rootRole      = "root"
	timestampRole = "timestamp"
	snapshotRole  = "snapshot"
	targetsRole   = "targets"
)

var topLevel = [...]string{rootRole, timestampRole, snapshotRole, targetsRole}

// body is what metadata of one role says, as far as it is acted upon. Members
// that are not listed in these types are kept and covered by signatures all the
// same: in the bytes that came, which are what is verified and stored.
type body interface {
	rootBody | timestampBody | snapshotBody | targetsBody
}

type rootBody struct {
	ConsistentSnapshot bool             `json:"consistent_snapshot"`
	Keys               map[string]*key  `json:"keys"`
	Roles              map[string]*role `json:"roles"`
}

type timestampBody struct {
	Meta map[string]*fileInfo `json:"meta"`
}

type snapshotBody struct {
	Meta map[string]*fileInfo `json:"meta"`
}

type targetsBody struct {
	Targets     map[string]*targetInfo `json:"targets"`
	Delegations *delegations           `json:"delegations"`
}

// key is a public key, in the form that its type and scheme have.
type key struct {
	Type   string `json:"keytype"`
	Scheme string `json:"scheme"`
	Value  struct {
		Public string `json:"public"`
	} `json:"keyval"`
}

// role says who signs for a role, and how many must.
type role struct {
	KeyIDs    []string `json:"keyids"`
	Threshold int      `json:"threshold"`
}

// fileInfo is what a timestamp or snapshot says of a metadata file.
type fileInfo struct {
	Version int64   `json:"version"`
	Length  int64   `json:"length"` // bytes; 0: not said
	Hashes  digests `json:"hashes"`
}

// targetInfo is what a role says of a target.
type targetInfo struct {
	Length int64          `json:"length"` // bytes
	Hashes digests        `json:"hashes"`
	Custom jsontext.Value `json:"custom"`
}

// delegations are the roles that a targets role lets speak for it.
type delegations struct {
	Keys     map[string]*key `json:"keys"`
	Roles    []delegatedRole `json:"roles"`
	Succinct *succinctRoles  `json:"succinct_roles"`
}

type delegatedRole struct {
	role
	Name             string   `json:"name"`
	Terminating      bool     `json:"terminating"`
	Paths            []string `json:"paths"`
	PathHashPrefixes []string `json:"path_hash_prefixes"`
}

// succinctRoles are 2^BitLength bins with the same signers; the hash of a
// target's name says which of them it belongs to.
type succinctRoles struct {
	role
	BitLength  int    `json:"bit_length"`
	NamePrefix string `json:"name_prefix"`
}

// bin is the name of the role that a target belongs to: the hash's first bits
// as a hexadecimal number, as wide as that of the last bin.
func (s succinctRoles) bin(target string) string {
	sum := sha256.Sum256([]byte(target))
	number := binary.BigEndian.Uint32(sum[:4]) >> (32 - s.BitLength)
	last := uint64(1)<<s.BitLength - 1
	return fmt.Sprintf("%s-%0*x", s.NamePrefix, len(fmt.Sprintf("%x", last)), number)
}

func (b rootBody) check() error {
	for _, name := range topLevel {
		r := b.Roles[name]
		if r == nil {
			return fmt.Errorf("role %s is missing", name)
		}
		if err := r.check(name); err != nil {
			return err
		}
	}
	return checkKeys(b.Keys)
}

func (b timestampBody) check() error { return checkMeta(b.Meta, "snapshot.json") }

func (b snapshotBody) check() error { return checkMeta(b.Meta, "targets.json") }

func (b targetsBody) check() error {
	if b.Targets == nil {
		return errors.New("it has no targets, not even an empty object of them")
	}
	for name, t := range b.Targets {
		if err := t.check(); err != nil {
			return fmt.Errorf("target %s: %w", printable(name), err)
		}
	}
	if b.Delegations == nil {
		return nil
	}
	return b.Delegations.check()
}

func (r role) check(name string) error {
	if r.Threshold < 1 {
		return fmt.Errorf("role %s has threshold %d, expected at least 1", printable(name), r.Threshold)
	}
	sorted := slices.Sorted(slices.Values(r.KeyIDs))
	if len(slices.Compact(sorted)) != len(r.KeyIDs) {
		return fmt.Errorf("role %s names a key twice", printable(name))
	}
	return nil
}

func checkKeys(keys map[string]*key) error {
	for id, k := range keys {
		if k == nil {
			return fmt.Errorf("key %s is null", printable(id))
		}
	}
	return nil
}

func checkMeta(meta map[string]*fileInfo, needed string) error {
	if meta[needed] == nil {
		return fmt.Errorf("it does not speak of %s", needed)
	}
	for name, m := range meta {
		if !strings.HasSuffix(name, ".json") {
			return fmt.Errorf("%s is not a metadata file's name", printable(name))
		}
		if err := m.check(); err != nil {
			return fmt.Errorf("%s: %w", printable(name), err)
		}
	}
	return nil
}

func (m *fileInfo) check() error {
	switch {
	case m == nil:
		return errors.New("it is null")
	case m.Version < 1 || m.Length < 0:
		return fmt.Errorf("it has version %d and length %d", m.Version, m.Length)
	}
	return m.Hashes.wellFormed()
}

func (t *targetInfo) check() error {
	switch {
	case t == nil:
		return errors.New("it is null")
	case t.Length < 0:
		return fmt.Errorf("it has length %d", t.Length)
	case len(t.Hashes) == 0:
		return errors.New("it has no hashes")
	}
	return t.Hashes.wellFormed()
}

// wellFormed refuses digests of a known kind that are none, and writes the
// others with small letters. What nobody here knows may have any form.
func (d digests) wellFormed() error {
	for _, k := range known {
		text, ok := d[k.name]
		if !ok {
			continue
		}
		if sum, err := hex.DecodeString(text); err != nil || len(sum) != k.new().Size() {
			return fmt.Errorf("%s %q, expected %d hexadecimal digits", k.name, printable(text), 2*k.new().Size())
		}
		d[k.name] = strings.ToLower(text)
	}
	return nil
}

func (d delegations) check() error {
	if err := checkKeys(d.Keys); err != nil {
		return err
	}
	if s := d.Succinct; s != nil {
		switch {
		case len(d.Roles) > 0:
			return errors.New("it delegates to roles and to succinct roles at once")
		case s.BitLength < 1 || s.BitLength > 32:
			return fmt.Errorf("succinct roles of %d bits, expected 1 to 32", s.BitLength)
		}
		return s.role.check(s.NamePrefix)
	}
	seen := map[string]bool{}
	for _, r := range d.Roles {
		if err := r.check(); err != nil {
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
var reserved = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(([0-9]+\.)?root|timestamp|snapshot|targets)$`) })

func (r delegatedRole) check() error {
	switch {
	case r.Name == "" || reserved().MatchString(r.Name):
		return fmt.Errorf("a delegated role must not be called %q", printable(r.Name))
	case len(r.Paths) > 0 && len(r.PathHashPrefixes) > 0:
		return fmt.Errorf("role %s has both paths and path hash prefixes", printable(r.Name))
	}
	return r.role.check(r.Name)
}
