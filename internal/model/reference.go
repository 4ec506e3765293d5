package model

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/key"
)

// WriteReference writes the reference of all settings of the models, one
// variant each, in Markdown. A group is described once; its defaults are given
// for every variant that has it.
func WriteReference(w io.Writer, models ...*Model) error {
	r := &writer{out: bufio.NewWriter(w), models: models, types: map[string]*node{}}
	r.intro()
	for _, m := range models {
		for _, group := range m.root.members {
			if slices.Contains(r.done, group.name) {
				continue
			}
			r.done = append(r.done, group.name)
			r.group(m, group)
		}
	}
	r.named()
	return r.out.Flush()
}

// writer is one document being written. Errors surface when it is flushed.
type writer struct {
	out    *bufio.Writer
	models []*Model
	done   []string         // groups
	types  map[string]*node // named types that were mentioned
}

func (r *writer) print(format string, args ...any) { fmt.Fprintf(r.out, format, args...) }

func (r *writer) intro() {
	r.print(`# Settings

<!-- Written by go generate ./internal/model. Do not edit: change models/ and generate again. -->

Every setting of every group, with its type, its default and the services that a change of it affects.
` + "`apiclient explain KEY`" + ` says the same of one key on a host, with its value and where that came from.

A key is given with or without ` + "`settings.`" + ` in front. ` + "`<NAME>`" + ` stands for a name of your choice; a name that
holds a dot is quoted, as in ` + "`kernel.sysctl.\"vm.max_map_count\"`" + `. Types with a capital letter or a width are
[named types](#named-types). A value marked *secret* is shown to administrators only.

The variants of this image and their groups:

`)
	for _, m := range r.models {
		r.print("- **%s**: %s\n", m.variant, strings.Join(m.Groups(), ", "))
	}
}

func (r *writer) group(m *Model, group member) {
	r.print("\n## %s\n", group.name)
	if !group.node.isLeaf() {
		r.print("\n%s\n", group.node.description)
	}
	if rule := group.node.ruleWords(); group.node.isMap() && rule != "" {
		r.print("\n%s\n", rule)
	}
	r.print("\n| Setting | Type | Default | Affects |\n|---|---|---|---|\n")
	var places []place
	r.visit(m, group, func(p place) { places = append(places, p) })
	for _, p := range places {
		if p.node.isLeaf() {
			r.row(p)
		}
	}
	r.print("\n")
	for _, p := range places {
		r.details(m, p)
	}
	r.namedDefaults(group.name, places)
}

// place is one setting to describe.
type place struct {
	pattern string // with settings. in front
	node    *node
}

// visit calls do for the settings of a group and for the maps that hold some.
func (r *writer) visit(m *Model, group member, do func(place)) {
	m.each(func(pattern string, n *node) {
		if !below(pattern, root+"."+NameText(group.name)) {
			return
		}
		r.mention(n)
		if n.isLeaf() || n.isMap() && pattern != root+"."+NameText(group.name) {
			do(place{pattern, n})
		}
	})
}

// mention notes the named types that n is made of.
func (r *writer) mention(n *node) {
	if n == nil {
		return
	}
	if n.typeName != "" {
		r.types[n.typeName] = n
	}
	for _, part := range append([]*node{n.items, n.names}, n.prefix...) {
		r.mention(part)
	}
	for _, m := range n.members {
		r.mention(m.node)
	}
}

func below(pattern, group string) bool {
	rest, ok := strings.CutPrefix(pattern, group)
	return ok && (rest == "" || rest[0] == '.')
}

// row is the setting's line in the table.
func (r *writer) row(p place) {
	r.print("| `%s` | %s | %s | %s |\n",
		strings.TrimPrefix(p.pattern, root+"."), r.typeCell(p.node), r.defaultCell(p.pattern), r.affectedCell(p.pattern))
}

// concrete is the part of a pattern that is a key.
func concrete(pattern string) key.Key {
	fixed, _, _ := strings.Cut(pattern, "."+anyName)
	k, err := key.Parse(fixed)
	if err != nil {
		return root
	}
	return k
}

func (r *writer) typeCell(n *node) string {
	text := n.typeText()
	if n.secret {
		text += ", secret"
	}
	return text
}

// defaultCell gives the variants' defaults.
func (r *writer) defaultCell(pattern string) string {
	if strings.Contains(pattern, anyName) {
		return ""
	}
	k := concrete(pattern)
	return r.byVariant(k, func(m *Model) string {
		switch v := m.defaultText(k); {
		case v != "":
			return code(v)
		case m.metadata[MetadataSettingGenerator][k] != nil:
			return "generated"
		}
		return ""
	})
}

// affectedCell gives the services that a change affects: those of the key up to <NAME>.
func (r *writer) affectedCell(pattern string) string {
	k := concrete(pattern)
	return r.byVariant(k, func(m *Model) string { return strings.Join(m.AffectedServices(k), ", ") })
}

// byVariant is what the variants say of a key of a group that they have. They
// are named, unless all say the same.
func (r *writer) byVariant(k key.Key, say func(*Model) string) string {
	var texts []string
	variants := map[string][]string{}
	for _, m := range r.models {
		if !m.Has(k.Segments()[1]) {
			continue
		}
		text := say(m)
		if variants[text] == nil {
			texts = append(texts, text)
		}
		variants[text] = append(variants[text], m.variant)
	}
	if len(texts) == 1 {
		return texts[0]
	}
	var named []string
	for _, text := range texts {
		if text != "" {
			named = append(named, text+" ("+strings.Join(variants[text], ", ")+")")
		}
	}
	return strings.Join(named, "; ")
}

func (m *Model) defaultText(k key.Key) string {
	for _, p := range m.defaults {
		if p.Key == k {
			return string(p.Value)
		}
	}
	return ""
}

// code quotes text for a cell of a table.
func code(text string) string { return "`" + strings.ReplaceAll(text, "|", `\|`) + "`" }

// details is the setting's paragraph below the table.
func (r *writer) details(m *Model, p place) {
	r.print("- **`%s`**: %s", strings.TrimPrefix(p.pattern, root+"."), p.node.description)
	if aliases := extensionOf(p.node.schema).aliases; len(aliases) > 0 {
		r.print(" It is also accepted as `%s`.", strings.Join(aliases, "`, `"))
	}
	if p.node.items != nil && len(p.node.items.members) > 0 {
		r.print(" Each element is an object with %s.", r.memberList(p.node.items))
	}
	if generator, ok := m.metadata[MetadataSettingGenerator][concrete(p.pattern)]; ok && !strings.Contains(p.pattern, anyName) {
		program, _, _ := strings.Cut(command(generator), " ")
		r.print(" When it is not set, `%s` generates it.", program)
	}
	if len(p.node.examples) > 0 {
		r.print(" For example: %s.", strings.Join(codes(p.node.exampleTexts()), ", "))
	}
	r.print("\n")
}

func (r *writer) memberList(n *node) string {
	texts := make([]string, len(n.members))
	for i, m := range n.members {
		texts[i] = fmt.Sprintf("`%s` (%s)", m.name, r.typeCell(m.node))
	}
	return strings.Join(texts, ", ")
}

// command is the command line of a setting generator.
func command(generator json.RawMessage) string {
	var text string
	if json.Unmarshal(generator, &text) == nil {
		return text
	}
	var table struct{ Command string }
	if json.Unmarshal(generator, &table) != nil {
		return string(generator)
	}
	return table.Command
}

func codes(examples []json.RawMessage) []string {
	texts := make([]string, len(examples))
	for i, e := range examples {
		texts[i] = code(string(e))
	}
	return texts
}

// namedDefaults lists the defaults below names that variants chose, once where they agree.
func (r *writer) namedDefaults(group string, places []place) {
	known := map[string]bool{}
	for _, p := range places {
		known[p.pattern] = true
	}
	var lists []string
	variants := map[string][]string{}
	for _, m := range r.models {
		list := m.defaultList(group, known)
		if variants[list] == nil {
			lists = append(lists, list)
		}
		variants[list] = append(variants[list], m.variant)
	}
	for _, list := range lists {
		if list != "" {
			r.print("\nDefaults of %s:\n\n%s", strings.Join(variants[list], ", "), list)
		}
	}
}

// defaultList lists a group's defaults but those of known keys.
func (m *Model) defaultList(group string, known map[string]bool) string {
	var list strings.Builder
	for _, p := range m.defaults {
		if below(string(p.Key), root+"."+NameText(group)) && !known[string(p.Key)] {
			fmt.Fprintf(&list, "- `%s` = %s\n", strings.TrimPrefix(string(p.Key), root+"."), code(string(p.Value)))
		}
	}
	return list.String()
}

// named describes the types that were mentioned.
func (r *writer) named() {
	r.print("\n## Named types\n\n| Type | What is accepted | Examples |\n|---|---|---|\n")
	names := make([]string, 0, len(r.types))
	for name := range r.types {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		n := r.types[name]
		for part := n.schema; part != nil; part = part.Ref {
			if strings.HasPrefix(part.Location, typesRef) {
				typed := &node{examples: part.Examples}
				r.print("| %s | %s | %s |\n", name, strings.ReplaceAll(n.rule, "|", `\|`), strings.Join(codes(typed.exampleTexts()), ", "))
				break
			}
		}
	}
}
