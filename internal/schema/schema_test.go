package schema_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/schema"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// TestFaults: each fault says where it is and what breaks which keyword.
func TestFaults(t *testing.T) {
	for _, tt := range []struct{ schema, value, want string }{
		{`{"type": "string"}`, `1`, `: got number, want [string]`},
		{`{"items": {"minLength": 2}}`, `["ab", "ž"]`, `1: minLength: got 1, want 2`},
		{`{"properties": {"a": {"enum": ["x", 1]}}}`, `{"a": "y"}`, `a: value must be one of ["x",1]`},
		{`{"required": ["b", "a"]}`, `{}`, `: missing properties 'b', 'a'`},
		{`{"dependentRequired": {"a": ["b"]}}`, `{"a": 1}`, `: properties 'b' required, if 'a' exists`},
		{`{"additionalProperties": false}`, `{"it's": 1}`, `: additional properties 'it\'s' not allowed`},
		{`{"propertyNames": {"maxLength": 1}}`, `{"ab": 1}`, `: invalid propertyName 'ab'`},
		{`{"pattern": "^a$"}`, `"b"`, `: 'b' does not match pattern '^a$'`},
		{`{"maximum": 1.5}`, `2`, `: maximum: got 2, want 1.5`},
		{`{"maximum": 18446744073709551614}`, `18446744073709551615`, `: maximum: got 18446744073709551615, want 18446744073709551614`},
		{`{"anyOf": [{"type": "null"}, {"type": "array"}]}`, `1`, `: 'anyOf' failed`},
		{`{"const": [1, {"a": null}]}`, `[1, {"a": 0}]`, `: value must be [1,{"a":null}]`},
		{`{"properties": {"a": false}}`, `{"a": 1}`, `a: nothing is allowed here`},
		{`{"uniqueItems": true}`, `[1, 1.0]`, `: items must be unique`},
		{
			`{"allOf": [{"properties": {"a": true}}], "unevaluatedProperties": false}`, `{"a": 1, "b": 2}`,
			`: additional properties 'b' not allowed`,
		},
		{`{"prefixItems": [true], "unevaluatedItems": {"type": "null"}}`, `[1, 2]`, `1: got number, want [null]`},
		{`{"contains": {"type": "null"}}`, `[1]`, `: 'contains' failed`},
		{`{"allOf": [{"minimum": 3}, {"multipleOf": 2}]}`, `1`, `: minimum: got 1, want 3; : multipleOf: got 1, want 2`},
	} {
		var got []string
		for _, f := range compile(t, tt.schema).Validate(decode(t, tt.value)) {
			got = append(got, strings.Join(f.Path, "/")+": "+f.String())
		}
		if diff := cmp.Diff(strings.Join(got, "; "), tt.want); diff != "" {
			t.Errorf("%s under %s (-got +want):\n%s", tt.value, tt.schema, diff)
		}
	}
}

// TestRefusedSchemas: a rule that would not hold is refused, with its place.
func TestRefusedSchemas(t *testing.T) {
	for text, want := range map[string]string{
		`7`:                                     `s.json: : it is of type number, expected boolean or object`,
		`{"typ": "string"}`:                     `s.json: /typ: unknown keyword "typ"`,
		`{"type": ["string", "text"]}`:          `s.json: /type: unknown value "text", expected one of`,
		`{"format": "ipv5"}`:                    `s.json: /format: unknown format "ipv5"`,
		`{"items": {"$id": "x"}}`:               `s.json: /items/$id: only a whole document may have an $id`,
		`{"$dynamicRef": "#x"}`:                 `s.json: /$dynamicRef: the keyword "$dynamicRef" is not supported`,
		`{"$schema": "x"}`:                      `s.json: /$schema: it is not https://json-schema.org/draft/2020-12/schema`,
		`{"$ref": "#name"}`:                     `s.json: /$ref: there is no name in s.json`,
		`{"$ref": "#/$defs/a"}`:                 `s.json: /$ref: there is no $defs in s.json`,
		`{"$ref": "t.json"}`:                    `s.json: /$ref: there is no schema t.json`,
		`{"$ref": "https://example.com/s"}`:     `s.json: /$ref: there is no schema https://example.com/s`,
		`{"properties": {"a/b": {"not": [1]}}}`: `s.json: /properties/a~1b/not: it is of type array, expected boolean or object`,
		`{"$defs": {"a": {"minLength": -1}}}`:   `s.json: /$defs/a/minLength: it is no number of things`,
		`{"pattern": "("}`:                      `s.json: /pattern: '(' is not valid regex: `,
		`{"patternProperties": {"(": true}}`:    `s.json: /patternProperties/(: '(' is not valid regex: `,
		`{"multipleOf": 0}`:                     `s.json: /multipleOf: it must be greater than 0`,
		`{"maximum": 1e999}`:                    `s.json: /maximum: its size is out of range`,
		`{"required": "a"}`:                     `s.json: /required: it is of type string, expected array`,
		`{"required": [1]}`:                     `s.json: /required: it is of type number, expected string`,
		`{"examples": {}}`:                      `s.json: /examples: it is of type object, expected array`,
	} {
		var c schema.Compiler
		c.Add("s.json", decode(t, text))
		_, err := c.Compile("s.json")
		if _, ok := errors.AsType[*schema.Error](err); !ok || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// TestReferences reach other documents that were added, by names relative to the one they stand in.
func TestReferences(t *testing.T) {
	var c schema.Compiler
	c.Add("models/types.json", decode(t, `{"$defs": {"a/b%": {"type": "string"}, "broken": {"type": 1}}}`))
	c.Add("models/x/schema.json", decode(t, `{"items": {"$ref": "../types.json#/$defs/a~1b%25"}, "$defs": {"own": {"$ref": "#/items"}}}`))
	s, err := c.Compile("models/x/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Items.Ref.Location, "models/types.json#/$defs/a~1b%"; got != want {
		t.Errorf("location %s, want %s", got, want)
	}
	if faults := s.Validate([]any{"a", true}); len(faults) != 1 || faults[0].Path[0] != "1" {
		t.Errorf("faults %v", faults)
	}
}

// TestNames: an $id and an $anchor name a document and a part of it, too.
func TestNames(t *testing.T) {
	var c schema.Compiler
	c.Add("a.json", decode(t, `{"$id": "https://example.com/s/a", "$ref": "b#named"}`))
	c.Add("b.json", decode(t, `{"$id": "https://example.com/s/b#", "default": {"$anchor": "named"}, "not": {"anyOf": [{"$anchor": "named"}]}}`))
	s, err := c.Compile("a.json")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Ref.Location, "b.json#/not/anyOf/0"; got != want {
		t.Errorf("location %s, want %s", got, want)
	}
}

// FuzzNumbers: no number, however written, makes checking it expensive.
func FuzzNumbers(f *testing.F) {
	f.Add("1e-999999999", "0.1")
	f.Add("1e308", "3e-308")
	f.Fuzz(func(t *testing.T, value, factor string) {
		number := func(text string) bool {
			return len(text) < 40 && text != "" && strings.Trim(text, "0123456789.eE+-") == "" && json.Valid([]byte(text))
		}
		if !number(value) || !number(factor) {
			return
		}
		var c schema.Compiler
		c.Add("s.json", decode(t, `{"multipleOf": `+factor+`, "enum": [`+factor+`], "minimum": `+factor+`}`))
		if s, err := c.Compile("s.json"); err == nil {
			s.Validate(decode(t, value))
		}
	})
}
