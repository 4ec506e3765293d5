package model

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/schema"
)

const typesFile = "models/types.json"

// typesRef is how the location of a named type begins.
const typesRef = typesFile + "#/$defs/"

// maxSchemaFile bounds a schema file; the largest of ours is a fiftieth of it.
const maxSchemaFile = 1 << 20

// compiler turns schema files into nodes. It is dropped after loading, and the
// decoded files with it.
type compiler struct {
	share   fs.FS
	schemas schema.Compiler
	texts   map[string][]byte // of the files, by name
	nodes   map[*schema.Schema]*node
	weights map[*schema.Schema]int
	open    map[*schema.Schema]bool // being weighed, to notice schemas that contain themselves
}

func newCompiler(share fs.FS) *compiler {
	return &compiler{
		share: share, schemas: schema.Compiler{Formats: formats, Keywords: ourKeywords, Extend: readExtension}, texts: map[string][]byte{},
		nodes: map[*schema.Schema]*node{}, weights: map[*schema.Schema]int{}, open: map[*schema.Schema]bool{},
	}
}

// add reads a schema file and returns its text.
func (c *compiler) add(name string) ([]byte, error) {
	text, err := readFile(c.share, name, maxSchemaFile)
	if err != nil {
		return nil, err
	}
	doc, err := decodeSchema(text)
	if err != nil {
		return nil, atPlace(text, err)
	}
	c.texts[name] = text
	c.schemas.Add(name, doc)
	return text, nil
}

// group compiles the schema of a group that was added.
func (c *compiler) group(name string) (*node, error) {
	file := path.Join("models", name, "schema.json")
	compiled, err := c.schemas.Compile(file)
	if err != nil {
		return nil, c.fault(err)
	}
	if _, err := c.weight(compiled); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	n, err := c.node(compiled)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}

// node is one place in the model: what may stand there and how it is stored.
// It is what reading a document walks along; package schema checks the
// values at its leaves.
type node struct {
	schema      *schema.Schema // nil for the root and for places without rules
	typeName    string         // of types.json; empty for a type without name
	kinds       kinds
	title       string
	description string
	rule        string // the named type's rule in words
	examples    []any
	message     string // how a violation is told; {} stands for the value

	members  []member       // of an object, in the schema's order
	index    map[string]int // member names and their aliases
	aliased  bool
	patterns []pattern
	names    *node // what the names of further members look like
	values   *node // what further members are; nil: there are none
	items    *node
	prefix   []*node // the first elements of a list, where they differ

	free      bool              // anything may stand here and below
	never     bool              // nothing may stand here
	decided   bool              // the schema says what further members are
	quick     func(string) bool // a text that it is true for is valid; nil: ask package schema
	bare      bool              // the walk itself checks everything that the schema says
	secret    bool              // the value must not be shown
	hides     bool              // something below is secret
	fromMap   *fromMap
	fromOne   bool // a text alone is a list of it
	spellings map[string]json.RawMessage
}

type member struct {
	name string
	node *node
}

type pattern struct {
	regexp *schema.Regexp
	node   *node
}

// fromMap says that a list is also accepted as a map, whose entries become
// objects with these two members.
type fromMap struct{ key, value string }

// kinds is a set of JSON types; integer is a number without fraction and exponent.
type kinds = schema.Types

const (
	kindNull    = schema.Null
	kindBoolean = schema.Boolean
	kindInteger = schema.Integer
	kindNumber  = schema.Number
	kindString  = schema.String
	kindArray   = schema.Array
	kindObject  = schema.Object

	kindAny = kindNull<<7 - 1
)

// free is a place where a schema allows anything.
func free() *node { return &node{kinds: kindAny, bare: true, free: true} }

// node builds the place for a compiled schema that was weighed, and so does not contain itself.
func (c *compiler) node(s *schema.Schema) (*node, error) {
	if n, ok := c.nodes[s]; ok {
		return n, nil
	}
	n := &node{schema: s, bare: true}
	for part := s; part != nil; part = part.Ref {
		if err := c.merge(n, part); err != nil {
			return nil, err
		}
	}
	n.settle()
	if err := n.checkFromMap(); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Location, err)
	}
	c.nodes[s] = n
	return n, nil
}

// has tells whether the schema names a member.
func (n *node) has(name string) bool {
	_, ok := n.index[name]
	return ok
}

// checkFromMap makes sure that the elements have what a map's entries become.
func (n *node) checkFromMap() error {
	if n.fromMap == nil {
		return nil
	}
	for _, name := range []string{n.fromMap.key, n.fromMap.value} {
		if n.items == nil || !n.items.has(name) {
			return fmt.Errorf("%s names %q, which is no property of the elements", keywordListFromMap, name)
		}
	}
	return nil
}

// merge adds what part says: s itself or a schema that s refers to. What
// stands nearer to s wins.
func (c *compiler) merge(n *node, part *schema.Schema) error {
	if part.Bool != nil {
		n.free, n.never, n.bare = *part.Bool, !*part.Bool, true
		return nil
	}
	if name, ok := strings.CutPrefix(part.Location, typesRef); ok && n.typeName == "" && !strings.Contains(name, "/") {
		n.typeName, n.rule = name, part.Description
	}
	if n.kinds == 0 {
		n.kinds = part.Types
	}
	n.title = first(n.title, part.Title)
	n.description = first(n.description, part.Description)
	if n.examples == nil {
		n.examples = part.Examples
	}
	n.constrain(part)
	ext := extensionOf(part)
	ext.apply(n)
	if err := c.mergeObject(n, part, ext.order); err != nil {
		return err
	}
	return c.mergeArray(n, part)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (c *compiler) mergeObject(n *node, part *schema.Schema, order []string) error {
	for _, name := range order {
		sub, ok := part.Properties[name]
		if !ok || slices.ContainsFunc(n.members, func(m member) bool { return m.name == name }) {
			continue
		}
		child, err := c.node(sub)
		if err != nil {
			return err
		}
		if child.never {
			n.bare, n.quick = false, nil // package schema refuses it
			continue
		}
		n.members = append(n.members, member{name, child})
	}
	for _, p := range part.PatternProperties {
		child, err := c.node(p.Schema)
		if err != nil {
			return err
		}
		n.patterns = append(n.patterns, pattern{p.Pattern, child})
	}
	slices.SortFunc(n.patterns, func(a, b pattern) int { return strings.Compare(a.regexp.String(), b.regexp.String()) })
	var err error
	if part.PropertyNames != nil && n.names == nil {
		if n.names, err = c.node(part.PropertyNames); err != nil {
			return err
		}
	}
	if part.AdditionalProperties != nil && !n.decided {
		n.decided = true
		n.values, err = c.additional(part.AdditionalProperties)
	}
	return err
}

// additional is the place of members that have no name in the schema.
func (c *compiler) additional(s *schema.Schema) (*node, error) {
	switch {
	case s.Bool == nil:
		return c.node(s)
	case *s.Bool:
		return free(), nil
	}
	return nil, nil
}

func (c *compiler) mergeArray(n *node, part *schema.Schema) error {
	var err error
	if part.Items != nil && n.items == nil {
		if n.items, err = c.node(part.Items); err != nil {
			return err
		}
	}
	if n.prefix == nil {
		for _, sub := range part.PrefixItems {
			item, err := c.node(sub)
			if err != nil {
				return err
			}
			n.prefix = append(n.prefix, item)
		}
	}
	return nil
}

// bare tells whether part says nothing beyond types, members and elements.
func bare(p *schema.Schema) bool {
	return p.Enum == nil && p.Const == nil && p.Not == nil && p.AllOf == nil && p.AnyOf == nil && p.OneOf == nil &&
		p.If == nil && p.Format == "" && p.Pattern == nil && p.MinLength == nil && p.MaxLength == nil &&
		p.Minimum == nil && p.Maximum == nil && p.AboveMinimum == nil && p.BelowMaximum == nil && p.MultipleOf == nil &&
		p.MinItems == nil && p.MaxItems == nil && !p.UniqueItems && p.Contains == nil &&
		p.MinProperties == nil && p.MaxProperties == nil && p.Required == nil && p.DependentRequired == nil && p.DependentSchemas == nil
}

// constrain notes what part demands beyond types, members and elements. Where
// that is one format or one pattern, texts need no detour to find out.
func (n *node) constrain(part *schema.Schema) {
	if bare(part) {
		return
	}
	if n.bare {
		n.quick = onlyCheck(part)
	} else {
		n.quick = nil
	}
	n.bare = false
}

// onlyCheck is the check of a schema that has but one.
func onlyCheck(s *schema.Schema) func(string) bool {
	rest := *s
	rest.Format, rest.Pattern = "", nil
	switch {
	case !bare(&rest):
	case s.Format == "":
		return s.Pattern.MatchString
	case s.Pattern == nil:
		check := formats[s.Format]
		return func(text string) bool { return check(text) == nil }
	}
	return nil
}

// settle completes a node whose parts are all merged.
func (n *node) settle() {
	if n.kinds == 0 {
		n.kinds = n.guessKinds()
	}
	if n.kinds&kindObject != 0 && !n.decided {
		n.values = free()
	}
	n.index = make(map[string]int, len(n.members))
	for i, m := range n.members {
		n.index[m.name] = i
		n.hides = n.hides || m.node.secret || m.node.hides
		for _, alias := range extensionOf(m.node.schema).aliases {
			n.index[alias], n.aliased = i, true
		}
	}
	for _, child := range append([]*node{n.values, n.items}, n.prefix...) {
		n.hides = n.hides || child != nil && (child.secret || child.hides)
	}
	for _, p := range n.patterns {
		n.hides = n.hides || p.node.secret || p.node.hides
	}
}

// guessKinds is for schemas without "type".
func (n *node) guessKinds() kinds {
	switch {
	case len(n.members) > 0 || len(n.patterns) > 0 || n.names != nil:
		return kindObject
	case n.items != nil || n.prefix != nil:
		return kindArray
	}
	return kindAny
}

// child is the place of the member called name, and the name it is stored by;
// nil: there is no such member.
func (n *node) child(name string) (*node, string) {
	if n.free {
		return n, name
	}
	if i, ok := n.index[name]; ok {
		return n.members[i].node, n.members[i].name
	}
	for _, p := range n.patterns {
		if p.regexp.MatchString(name) {
			return p.node.unlessNever(), name
		}
	}
	return n.values, name
}

// unlessNever is nil for a place where nothing may stand.
func (n *node) unlessNever() *node {
	if n.never {
		return nil
	}
	return n
}

// element is the place of the i-th element of a list; nil: there is none.
func (n *node) element(i int) *node {
	if i < len(n.prefix) {
		return n.prefix[i]
	}
	switch {
	case n.free:
		return n
	case n.items == nil:
		return free()
	}
	return n.items.unlessNever()
}

// isMap tells whether users choose the names of members.
func (n *node) isMap() bool { return n.kinds&kindObject != 0 && n.values != nil }
