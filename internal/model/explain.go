package model

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

// Explain describes a key or a group: everything but the live value. An
// unknown key is an *[Error].
func (m *Model) Explain(k key.Key) (*api.Explanation, error) {
	n, path, err := m.follow(k)
	if err != nil {
		return nil, err
	}
	if k, err = key.FromSegments(path...); err != nil {
		return nil, err
	}
	services := m.servicesBelow(k)
	out := &api.Explanation{
		Key: string(k), Type: n.typeText(), Description: n.description, Rule: n.ruleWords(),
		Values: n.valueTexts(), Examples: n.exampleTexts(), Members: n.memberSummaries(), Default: m.defaultOf(k), Secret: m.Secret(k), Children: n.childNames(),
		Services: services, Files: m.filesOf(services),
	}
	if generator, ok := m.metadata[MetadataSettingGenerator][k]; ok {
		out.Generator = generator
	}
	return out, nil
}

// ruleWords is what is accepted: the rule of the type, of a list's elements,
// or of a map's names.
func (n *node) ruleWords() string {
	switch {
	case n.rule != "":
		return n.rule
	case n.items != nil && n.items.rule != "":
		return "Each element: " + n.items.rule
	case n.items != nil && len(n.items.members) > 0:
		return "Each element is an object with " + strings.Join(n.items.memberNames(), ", ") + "."
	case n.names != nil && n.names.rule != "":
		return "Each name: " + n.names.rule
	case n.kinds == kindBoolean:
		return "true or false."
	}
	return ""
}

func (n *node) exampleTexts() []json.RawMessage { return marshalAll(n.examples) }

// valueTexts are the values that an enumeration or a boolean accepts, but for
// spellings that are stored as another one of them.
func (n *node) valueTexts() []json.RawMessage {
	if n.kinds == kindBoolean {
		return marshalAll([]any{true, false})
	}
	for part := n.schema; part != nil; part = part.Ref {
		if part.Enum == nil {
			continue
		}
		return marshalAll(slices.DeleteFunc(slices.Clone(part.Enum), func(v any) bool {
			text, ok := v.(string)
			return ok && n.spellings[text] != nil
		}))
	}
	return nil
}

func marshalAll(values []any) []json.RawMessage {
	var out []json.RawMessage
	for _, v := range values {
		if text, err := api.Marshal(v); err == nil {
			out = append(out, text)
		}
	}
	return out
}

// memberSummaries are the members that n can have, with their descriptions' first sentences.
func (n *node) memberSummaries() []api.Member {
	var members []api.Member
	for _, m := range n.members {
		members = append(members, api.Member{Name: m.name, Summary: firstSentence(m.node.description)})
	}
	if n.isMap() && !n.free {
		members = append(members, api.Member{Name: anyName, Summary: firstSentence(n.values.description)})
	}
	return members
}

var sentenceEnd = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`[.!?]\s+[A-Z]`)
})

func firstSentence(text string) string {
	text = strings.TrimSpace(text)
	if at := sentenceEnd().FindStringIndex(text); at != nil {
		text = text[:at[0]+1]
	}
	return strings.Join(strings.Fields(text), " ")
}

// childNames are the members that n can have; <NAME> stands for any.
func (n *node) childNames() []string {
	var names []string
	for _, m := range n.members {
		names = append(names, m.name)
	}
	if n.isMap() && !n.free {
		names = append(names, anyName)
	}
	return names
}

// anyName stands for a name that the user chooses.
const anyName = "<NAME>"

// defaultOf is the default value of k, or of all that is below it.
func (m *Model) defaultOf(k key.Key) json.RawMessage {
	tree := map[string]any{}
	for _, p := range m.defaults {
		switch {
		case p.Key == k:
			return p.Value
		case p.Key.Within(k):
			plant(tree, p.Key.Segments()[len(k.Segments()):], p.Value)
		}
	}
	if len(tree) == 0 {
		return nil
	}
	text, err := api.Marshal(tree)
	if err != nil {
		return nil
	}
	return text
}

// plant puts v into a tree of maps.
func plant(tree map[string]any, path []string, v any) {
	for _, name := range path[:len(path)-1] {
		next, ok := tree[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[name] = next
		}
		tree = next
	}
	tree[path[len(path)-1]] = v
}

// servicesBelow are the services that a change of k affects: those of the whole
// of k as the model orders them, then those that single members name.
func (m *Model) servicesBelow(k key.Key) []string {
	names := slices.Clone(m.AffectedServices(k))
	for _, member := range slices.Sorted(maps.Keys(m.metadata[MetadataAffectedServices])) {
		if !member.Within(k) {
			continue
		}
		for _, name := range m.AffectedServices(member) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// filesOf are the paths of the files of services, sorted.
func (m *Model) filesOf(services []string) []string {
	paths := map[string]bool{}
	for _, s := range services {
		for _, name := range m.services[s].ConfigurationFiles {
			paths[m.configs[name].Path] = true
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

// Keys lists every key pattern of the model in the order of the schemas, for
// completion and documentation: the leaves. Names that the user chooses
// appear as <NAME>.
func (m *Model) Keys() []string {
	var out []string
	m.each(func(pattern string, n *node) {
		if n.isLeaf() {
			out = append(out, pattern)
		}
	})
	return out
}

// isLeaf tells whether values are stored at n itself.
func (n *node) isLeaf() bool { return n.free || n.kinds != kindObject }

// each visits every place below settings in the order of the schemas.
func (m *Model) each(visit func(pattern string, n *node)) {
	var walk func(string, *node)
	walk = func(at string, n *node) {
		for _, member := range n.members {
			pattern := at + "." + NameText(member.name)
			visit(pattern, member.node)
			walk(pattern, member.node)
		}
		if n.isMap() && !n.free {
			visit(at+"."+anyName, n.values)
			walk(at+"."+anyName, n.values)
		}
	}
	walk(root, m.root)
}
