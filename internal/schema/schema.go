package schema

import "regexp"

// Types is a set of JSON types. An integer is a number, too.
type Types uint8

// The types of JSON. Integer is a number without a fraction.
const (
	Null Types = 1 << iota
	Boolean
	Integer
	Number
	String
	Array
	Object
)

var typesByName = []struct {
	name string
	bit  Types
}{
	{"array", Array},
	{"boolean", Boolean},
	{"integer", Integer},
	{"null", Null},
	{"number", Number},
	{"object", Object},
	{"string", String},
}

func typeNames() []string {
	names := make([]string, len(typesByName))
	for i, t := range typesByName {
		names[i] = t.name
	}
	return names
}

// Names are the names of the types in the set; number is named for integer, too.
func (t Types) Names() []string {
	if t&Number != 0 {
		t &^= Integer
	}
	var names []string
	for _, known := range typesByName {
		if t&known.bit != 0 {
			names = append(names, known.name)
		}
	}
	return names
}

// Schema is one compiled schema. A field is zero where the schema has not the keyword.
type Schema struct {
	File     string // that it stands in
	Location string // File#POINTER
	Bool     *bool  // a schema that is true or false, and nothing else

	Ref                  *Schema
	AllOf, AnyOf, OneOf  []*Schema
	Not, If, Then, Else  *Schema
	Types                Types
	Enum                 []any
	Const                *any
	Format               string
	Pattern              *Regexp
	MinLength, MaxLength *int
	Minimum, Maximum     *Bound
	AboveMinimum         *Bound // exclusiveMinimum
	BelowMaximum         *Bound // exclusiveMaximum
	MultipleOf           *Bound
	PrefixItems          []*Schema
	Items, Contains      *Schema
	MinItems, MaxItems   *int
	MinContains          *int
	MaxContains          *int
	UniqueItems          bool
	Properties           map[string]*Schema
	PatternProperties    []PatternProperty // by their patterns
	AdditionalProperties *Schema
	// Of what the others, and schemas applied to the same value, leave.
	UnevaluatedItems, UnevaluatedProperties *Schema
	PropertyNames                           *Schema
	Required                                []string
	MinProperties                           *int
	MaxProperties                           *int
	DependentRequired                       map[string][]string
	DependentSchemas                        map[string]*Schema
	Title, Description                      string
	Examples                                []any
	Extension                               any // what [Compiler.Extend] made of keywords that begin with x-
	enum                                    map[string]bool
	constant                                string
	check                                   func(any) error // of Format
}

// PatternProperty is the schema of members whose names match.
type PatternProperty struct {
	Pattern *Regexp
	Schema  *Schema
}

// Bound is a number of a schema, as it is written there.
type Bound struct {
	Text  string
	value number
}

// Regexp is a regular expression in Go's syntax, compiled when it first meets a
// text: most are not met between two starts.
type Regexp struct {
	text    string
	compile func() *regexp.Regexp
}

func (r *Regexp) String() string { return r.text }

// MatchString tells whether some part of s matches.
func (r *Regexp) MatchString(s string) bool { return r.compile().MatchString(s) }

// Subschemas are the direct parts of s that values may be checked against, what
// it refers to included.
func (s *Schema) Subschemas() []*Schema {
	subs := []*Schema{s.Ref, s.Not, s.If, s.Then, s.Else, s.Items, s.Contains, s.AdditionalProperties, s.PropertyNames, s.UnevaluatedItems, s.UnevaluatedProperties}
	for _, list := range [][]*Schema{s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems} {
		subs = append(subs, list...)
	}
	for _, sub := range s.Properties {
		subs = append(subs, sub)
	}
	for _, p := range s.PatternProperties {
		subs = append(subs, p.Schema)
	}
	for _, sub := range s.DependentSchemas {
		subs = append(subs, sub)
	}
	present := subs[:0]
	for _, sub := range subs {
		if sub != nil {
			present = append(present, sub)
		}
	}
	return present
}
