package tufrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Target is what trusted metadata says of a file.
type Target struct {
	Name   string            // as published
	Length int64             // bytes
	Hashes map[string]string // algorithm to hexadecimal digest
	Custom json.RawMessage   // what the publisher added; nil if nothing
	Role   string            // who vouches for it
}

// SHA256 is the hexadecimal digest; empty if the publisher lists only others.
func (t Target) SHA256() string { return t.Hashes["sha256"] }

// Targets lists the names that the top-level role vouches for, sorted.
func (r *Repository) Targets() []string {
	return slices.Sorted(maps.Keys(r.targets.body.Targets))
}

// Target looks a target up: in the top-level role and, if delegations are
// allowed, in those it delegates to, which are fetched as the search comes to
// them. The error is ErrNoTarget if nobody vouches for it.
func (r *Repository) Target(ctx context.Context, name string) (Target, error) {
	if _, err := resolve(name); err != nil {
		return Target{}, err
	}
	if t := r.targets.body.Targets[name]; t != nil {
		return targetOf(name, targetsRole, t), nil
	}
	if r.delegations == RefuseDelegations {
		return Target{}, noTarget(name)
	}
	return r.search(ctx, name)
}

func targetOf(name, role string, t *targetInfo) Target {
	return Target{Name: name, Length: t.Length, Hashes: t.Hashes, Custom: json.RawMessage(t.Custom), Role: role}
}

func (t Target) digests() digests { return t.Hashes }

func noTarget(name string) error {
	return &Error{
		Kind: ErrNoTarget, What: "target " + printable(name), Text: "no trusted metadata names it",
		Hint: "look at the name; if it is right, the publisher has withdrawn it or not yet published it",
	}
}

// maxDelegations bounds how many delegated roles one search may read.
const maxDelegations = 32

// delegation is a step of the search: a role, and who may sign it.
type delegation struct {
	role string
	keys keyring
}

// search goes through delegations before it comes to a role's later siblings
// (pre-order). A terminating delegation is the last word: nothing but its own
// descendants is asked after it. A role is read once, which also ends loops.
func (r *Repository) search(ctx context.Context, name string) (Target, error) {
	next, _ := matching(r.targets.body.Delegations, name)
	visited := map[string]bool{}
	for len(next) > 0 {
		d := next[0]
		next = next[1:]
		if visited[d.role] {
			continue
		}
		if len(visited) == maxDelegations {
			return Target{}, &Error{
				Kind: ErrDelegation, What: "target " + printable(name),
				Text: fmt.Sprintf("not found in the first %d delegated roles", maxDelegations),
				Hint: "the repository delegates too much: ask its publisher",
			}
		}
		visited[d.role] = true
		s, err := r.delegatedRole(ctx, d)
		if err != nil {
			return Target{}, fmt.Errorf("look for target %s: %w", printable(name), err)
		}
		if t := s.body.Targets[name]; t != nil {
			return targetOf(name, d.role, t), nil
		}
		children, last := matching(s.body.Delegations, name)
		if last {
			next = nil
		}
		next = append(children, next...)
	}
	return Target{}, noTarget(name)
}

// matching lists the delegations that may speak of a target, in order, up to
// the first terminating one; last tells that there was one.
func matching(d *delegations, name string) (children []delegation, last bool) {
	if d == nil {
		return nil, false
	}
	if s := d.Succinct; s != nil {
		return []delegation{{s.bin(name), keyring{d.Keys, s.role}}}, true
	}
	for _, r := range d.Roles {
		if !entitled(r, name) {
			continue
		}
		children = append(children, delegation{r.Name, keyring{d.Keys, r.role}})
		if r.Terminating {
			return children, true
		}
	}
	return children, false
}

// entitled tells whether a delegated role may vouch for a target. A name with
// dots in it must be covered as it is written and as it will be stored.
func entitled(role delegatedRole, name string) bool {
	resolved, err := resolve(name)
	return err == nil && covers(role, name) && covers(role, resolved)
}

func covers(role delegatedRole, name string) bool {
	for _, pattern := range role.Paths {
		if matchPath(pattern, name) {
			return true
		}
	}
	sum := sha256.Sum256([]byte(name))
	digest := hex.EncodeToString(sum[:])
	for _, prefix := range role.PathHashPrefixes {
		if strings.HasPrefix(digest, prefix) {
			return true
		}
	}
	return false
}

// matchPath matches part by part, so that no wildcard crosses a slash.
func matchPath(pattern, name string) bool {
	patterns, parts := strings.Split(pattern, "/"), strings.Split(name, "/")
	if len(patterns) != len(parts) {
		return false
	}
	for i, p := range patterns {
		// Shells write [!a] where Go writes [^a].
		if ok, err := path.Match(strings.ReplaceAll(p, "[!", "[^"), parts[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

// delegatedRole reads a delegated role. What is kept of it counts only if the
// delegator that this search goes through trusts it too: another one may have
// vouched for it with other keys.
func (r *Repository) delegatedRole(ctx context.Context, d delegation) (signed[targetsBody], error) {
	file := quote(d.role) + ".json"
	kept := r.delegated[d.role]
	if kept == nil {
		var err error
		if kept, err = r.store.load(file, maxTargets); err != nil {
			return signed[targetsBody]{}, err
		}
	}
	if kept != nil {
		if s, err := r.anyTargets(d.role, d.keys, kept); err == nil {
			r.delegated[d.role] = kept
			return s, nil
		}
	}
	return r.fetchDelegated(ctx, d, file)
}

func (r *Repository) fetchDelegated(ctx context.Context, d delegation, file string) (signed[targetsBody], error) {
	a := announced{length: -1}
	meta := r.snapshot.body.Meta[d.role+".json"]
	if meta != nil {
		a = announcement(meta)
	} else if _, err := r.anyTargets(d.role, d.keys, nil); err != nil {
		return signed[targetsBody]{}, err
	}
	raw, err := r.fetch(ctx, d.role, a, maxTargets)
	if err != nil {
		return signed[targetsBody]{}, err
	}
	s, err := r.anyTargets(d.role, d.keys, raw)
	if err != nil {
		return s, r.blame(r.metadataName(d.role, a.version), err)
	}
	r.delegated[d.role] = raw
	return s, r.store.save(file, raw)
}
