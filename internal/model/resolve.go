package model

import (
	"errors"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/nearest"
	"github.com/hostler-os/hostler/internal/schema"
)

// Resolve finds the key that a user means: with or without "settings.", by an
// alias or by the stored name. It fails with an *[Error] that names the
// nearest known key.
func (m *Model) Resolve(text string) (key.Key, error) {
	k, err := key.Parse(text)
	if err != nil {
		return "", refuse(Violation{Key: clip(text), Message: err.Error(), Hint: "a key looks like settings.motd or kernel.sysctl.\"vm.max_map_count\""})
	}
	if segments := k.Segments(); segments[0] != root {
		if k, err = key.FromSegments(append([]string{root}, segments...)...); err != nil {
			return "", refuse(Violation{Key: clip(text), Message: err.Error()})
		}
	}
	return m.canonical(k)
}

// canonical checks that k is in the model and replaces aliases.
func (m *Model) canonical(k key.Key) (key.Key, error) {
	_, path, err := m.follow(k)
	if err != nil {
		return "", err
	}
	return key.FromSegments(path...)
}

// find is the place of a key.
func (m *Model) find(k key.Key) (*node, error) {
	n, _, err := m.follow(k)
	return n, err
}

// follow walks along k and returns its place and its stored segments, or an
// *[Error] with a suggestion.
func (m *Model) follow(k key.Key) (*node, []string, error) {
	segments := k.Segments()
	if len(segments) == 0 || segments[0] != root {
		return nil, nil, refuse(Violation{Key: string(k), Message: "it is no setting", Hint: "the keys of settings begin with settings.", Unknown: true})
	}
	n, path, rest := m.trace(segments)
	if len(rest) == 0 {
		return n, path, nil
	}
	if next, _ := n.child(rest[0]); n.kinds&kindObject != 0 && next != nil {
		return nil, nil, refuse(badName(n, path, rest[0]))
	}
	return nil, nil, refuse(m.unknownKey(n, path, rest))
}

// trace walks along the segments as far as the model goes: to the last place,
// its stored segments, and what the model does not have below it. Names that
// the user chose must keep their rule.
func (m *Model) trace(segments []string) (n *node, path, rest []string) {
	n, path = m.root, []string{root}
	for i, name := range segments[1:] {
		next, stored := n.child(name)
		if n.kinds&kindObject == 0 || next == nil || !n.has(name) && len(n.nameFaults(name)) > 0 {
			return n, path, segments[i+1:]
		}
		n, path = next, append(path, stored)
	}
	return n, path, nil
}

// nameFaults are what is wrong with a name that the user chose.
func (n *node) nameFaults(name string) []schema.Fault {
	if n.names == nil || n.names.bare || n.names.quick != nil && n.names.quick(name) {
		return nil
	}
	return n.names.schema.Validate(name)
}

// exists tells whether the model has a key.
func (m *Model) exists(k key.Key) bool {
	_, _, rest := m.trace(k.Segments())
	return len(rest) == 0
}

// badName tells that a name the user chose breaks the rule for such names.
func badName(n *node, path []string, name string) Violation {
	w := &walk{}
	v := w.explain(n.names, name, n.nameFaults(name))[0]
	v.Key = joinNames(append(slices.Clone(path), name))
	return v
}

func joinNames(names []string) string {
	steps := make([]step, len(names))
	for i, name := range names {
		steps[i] = step{name: name}
	}
	return pathText(steps)
}

// unknownKey tells that rest does not exist below the place n at path.
func (m *Model) unknownKey(n *node, path, rest []string) Violation {
	v := Violation{Key: joinNames(append(slices.Clone(path), rest...)), Unknown: true}
	if n.kinds&kindObject == 0 {
		v.Message = joinNames(path) + " is one value (" + n.typeText() + ") and has no settings below it"
		v.Hint = m.quoteHint(path, rest)
		return v
	}
	v.Message = "unknown field `" + clip(rest[0]) + "`, " + oneOf(n.memberNames())
	v.Hint = didYouMean(m.suggest(n, path, rest))
	return v
}

// quoteHint is for a name with dots that was given without quotes:
// kernel.sysctl.vm.max_map_count.
func (m *Model) quoteHint(path, rest []string) string {
	parent, _, _ := m.trace(path[:len(path)-1])
	name := strings.Join(append([]string{path[len(path)-1]}, rest...), ".")
	k, err := key.FromSegments(append(slices.Clone(path[:len(path)-1]), name)...)
	if err != nil || !parent.isMap() || !m.exists(k) {
		return ""
	}
	return "a name with dots needs quotes: did you mean " + string(k) + "?"
}

// suggest finds what rest may mean: a member with a similar name, then the
// same name in another place.
func (m *Model) suggest(n *node, path, rest []string) string {
	near := nearest.Name(rest[0], n.memberNames())
	if near == "" {
		return m.elsewhere(rest)
	}
	better := append(append(slices.Clone(path), near), rest[1:]...)
	if _, stored, unknown := m.trace(better); len(unknown) == 0 {
		return joinNames(stored)
	}
	return joinNames(append(slices.Clone(path), near))
}

// elsewhere finds the known key that ends as rest does, or nearly so.
func (m *Model) elsewhere(rest []string) string {
	suffix := "." + strings.Join(rest, ".")
	last := rest[len(rest)-1]
	var ends []string
	byName := map[string]string{}
	for _, k := range m.Keys() {
		if strings.HasSuffix(k, suffix) {
			return k
		}
		name := k[strings.LastIndexByte(k, '.')+1:]
		if _, ok := byName[name]; !ok && len(name) > 3 {
			byName[name] = k
			ends = append(ends, name)
		}
	}
	return byName[nearest.Name(last, ends)]
}

// asError is the *Error in err.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Violations: []Violation{{Message: err.Error()}}}
}
