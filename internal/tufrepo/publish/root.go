package publish

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/tufrepo/signer"
)

// Root is root metadata: the keys, and whose signatures count for which role.
type Root struct {
	Header
	ConsistentSnapshot bool                  `json:"consistent_snapshot"`
	Version            int64                 `json:"version"`
	Expires            time.Time             `json:"expires"`
	Keys               map[string]signer.Key `json:"keys"`
	Roles              map[string]*RoleKeys  `json:"roles"`
	Unknown            jsontext.Value        `json:",embed"`
}

// NewRoot is a first root without keys, each role of which needs one signature.
func NewRoot(expires time.Time) *Root {
	r := &Root{
		Header: Header{RootRole, specVersion}, ConsistentSnapshot: true, Version: 1, Expires: whole(expires),
		Keys: map[string]signer.Key{}, Roles: map[string]*RoleKeys{},
	}
	for _, role := range Roles {
		r.Roles[role] = &RoleKeys{KeyIDs: []string{}, Threshold: 1}
	}
	return r
}

// ParseRoot reads a root file. Its form is checked, not its signatures.
func ParseRoot(raw []byte) (*Root, *Document, error) {
	d, err := ParseDocument(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("read root: %w", err)
	}
	r := new(Root)
	if err := d.Body(r); err != nil {
		return nil, nil, fmt.Errorf("read root: %w", err)
	}
	if err := r.form(); err != nil {
		return nil, nil, fmt.Errorf("read root: %w", err)
	}
	return r, d, nil
}

func (r *Root) form() error {
	if r.Type != RootRole {
		return fmt.Errorf("it is metadata of type %q, not root", r.Type)
	}
	for _, role := range Roles {
		if r.Roles[role] == nil {
			return fmt.Errorf("role %s is missing", role)
		}
		for _, id := range r.Roles[role].KeyIDs {
			if _, ok := r.Keys[id]; !ok {
				return fmt.Errorf("role %s names key %s, which is missing", role, ShortID(id))
			}
		}
	}
	for id, key := range r.Keys {
		if computed, err := key.ID(); err != nil || computed != id {
			return fmt.Errorf("key %s has the wrong id, expected %s; the reference's clients refuse that", ShortID(id), ShortID(computed))
		}
	}
	return nil
}

// Keyring is the keys of a role.
func (r *Root) Keyring(role string) Keyring {
	of := r.Roles[role]
	return Keyring{Role: role, Version: r.Version, Threshold: of.Threshold, ids: of.KeyIDs, keys: r.Keys}
}

// AddKey lets a key sign for a role. One that may already stays as it is.
func (r *Root) AddKey(role string, key signer.Key) error {
	if err := knownRole(role); err != nil {
		return err
	}
	for _, id := range r.Keyring(role).idsOf(key) {
		return fmt.Errorf("role %s has key %s already", role, ShortID(id))
	}
	id, err := r.id(key)
	if err != nil {
		return err
	}
	r.Keys[id] = key
	r.Roles[role].KeyIDs = append(r.Roles[role].KeyIDs, id)
	return nil
}

// id is the one that the key has already in another role, or its own.
func (r *Root) id(key signer.Key) (string, error) {
	for _, id := range slices.Sorted(maps.Keys(r.Keys)) {
		if r.Keys[id].Same(key) {
			return id, nil
		}
	}
	return key.ID()
}

// RemoveKey takes a key, named by the beginning of its id, out of a role, and
// out of the root when no role has it any more.
func (r *Root) RemoveKey(role, prefix string) error {
	if err := knownRole(role); err != nil {
		return err
	}
	var found []string
	for _, id := range r.Roles[role].KeyIDs {
		if strings.HasPrefix(id, prefix) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return fmt.Errorf("role %s has no key %s", role, ShortID(prefix))
	case 1:
	default:
		return fmt.Errorf("role %s has %d keys whose ids begin with %s", role, len(found), prefix)
	}
	id := found[0]
	r.Roles[role].KeyIDs = slices.DeleteFunc(r.Roles[role].KeyIDs, func(other string) bool { return other == id })
	for _, of := range r.Roles {
		if slices.Contains(of.KeyIDs, id) {
			return nil
		}
	}
	delete(r.Keys, id)
	return nil
}

func knownRole(role string) error {
	if !slices.Contains(Roles, role) {
		return fmt.Errorf("no role %q; there are %s", role, strings.Join(Roles, ", "))
	}
	return nil
}

// SetThreshold says how many keys must sign for a role.
func (r *Root) SetThreshold(role string, n int) error {
	if err := knownRole(role); err != nil {
		return err
	}
	if n < 1 {
		return fmt.Errorf("threshold %d of role %s, expected at least 1", n, role)
	}
	r.Roles[role].Threshold = n
	return nil
}

// Check finds what would make the root useless: a role that nobody could sign for.
func (r *Root) Check() error {
	var errs []error
	for _, role := range Roles {
		if of := r.Roles[role]; len(of.KeyIDs) < of.Threshold {
			errs = append(errs, fmt.Errorf("role %s needs %d signatures, but has %d keys", role, of.Threshold, len(of.KeyIDs)))
		}
	}
	if !r.ConsistentSnapshot {
		errs = append(errs, errors.New("consistent_snapshot is false: files would be replaced under the eyes of clients"))
	}
	return errors.Join(errs...)
}

// Next is a copy of the root, one version newer. Consistent snapshots, without
// which nothing here publishes, are switched on.
func (r *Root) Next(expires time.Time) (*Root, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	next := new(Root)
	if err := json.Unmarshal(text, next); err != nil {
		return nil, err
	}
	next.Version, next.Expires, next.ConsistentSnapshot = r.Version+1, whole(expires), true
	return next, nil
}

// Rings are the keyrings that must have signed the root: its own, and that of
// the one before it, which is nil for a first root.
func (r *Root) Rings(before *Root) []Keyring {
	rings := []Keyring{r.Keyring(RootRole)}
	if before != nil {
		rings = append(rings, before.Keyring(RootRole))
	}
	return rings
}

// Signed returns a *ThresholdError unless enough keys of the root itself, and
// of the one before if it is given, have signed it.
func (r RootFile) Signed(before *Root) error {
	for _, ring := range r.Rings(before) {
		if err := ring.require(fmt.Sprintf("root version %d", r.Version), r.Document); err != nil {
			return err
		}
	}
	return nil
}
