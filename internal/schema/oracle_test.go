package schema_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/schema"
)

// decode reads JSON with its numbers as they are written.
func decode(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func compile(t testing.TB, text string) *schema.Schema {
	t.Helper()
	var c schema.Compiler
	c.Add("s.json", decode(t, text))
	s, err := c.Compile("s.json")
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return s
}

// judge is what the full implementation says.
func judge(t testing.TB, text string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("test:///s.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("test:///s.json")
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return s
}

// Few names, words and numbers, so that schemas and values meet.
var (
	names   = rapid.SampledFrom([]string{"a", "b", "ab", ""})
	numbers = rapid.SampledFrom([]string{"0", "1", "-1", "1.0", "1.5", "2", "3", "0.1", "0.3", "1e2", "-0", "9007199254740993", "18446744073709551615"})
)

// values draws JSON values.
func values(depth int) *rapid.Generator[any] {
	options := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), names.AsAny(),
		rapid.Map(numbers, func(n string) any { return json.Number(n) }),
	}
	if depth > 0 {
		options = append(options, rapid.SliceOfN(values(depth-1), 0, 3).AsAny(), rapid.MapOfN(names, values(depth-1), 0, 3).AsAny())
	}
	return rapid.OneOf(options...)
}

// keywordsOf draws the value of each keyword.
func keywordsOf(depth int) map[string]*rapid.Generator[any] {
	count := rapid.Map(rapid.IntRange(0, 3), func(n int) any { return n })
	bound := rapid.Map(numbers, func(n string) any { return json.Number(n) })
	nameList := rapid.SliceOfNDistinct(names, 0, 2, rapid.ID[string]).AsAny()
	sub := schemas(depth - 1)
	subs, subMap := rapid.SliceOfN(sub, 1, 3).AsAny(), rapid.MapOfN(names, sub, 0, 3).AsAny()
	return map[string]*rapid.Generator[any]{
		"type":  rapid.SampledFrom([]string{"null", "boolean", "integer", "number", "string", "array", "object"}).AsAny(),
		"const": values(1), "enum": rapid.SliceOfN(values(1), 1, 3).AsAny(),
		"minLength": count, "maxLength": count, "minItems": count, "maxItems": count, "minContains": count, "maxContains": count,
		"minProperties": count, "maxProperties": count,
		"minimum": bound, "maximum": bound, "exclusiveMinimum": bound, "exclusiveMaximum": bound,
		"multipleOf":  rapid.SampledFrom([]any{json.Number("2"), json.Number("0.1"), json.Number("1.5")}),
		"uniqueItems": rapid.Bool().AsAny(), "required": nameList, "dependentRequired": rapid.MapOfN(names, nameList, 0, 2).AsAny(),
		"pattern":    rapid.SampledFrom([]string{"a", "^b", "^$"}).AsAny(),
		"properties": subMap, "dependentSchemas": subMap,
		"patternProperties":    rapid.MapOfN(rapid.SampledFrom([]string{"a", "^b"}), sub, 0, 2).AsAny(),
		"additionalProperties": sub, "propertyNames": sub, "items": sub, "contains": sub, "not": sub, "if": sub, "then": sub, "else": sub,
		"unevaluatedProperties": sub, "unevaluatedItems": sub,
		"allOf": subs, "anyOf": subs, "oneOf": subs, "prefixItems": subs,
		"$ref": rapid.Just[any]("#/$defs/named"),
	}
}

// schemas draws schemas that may refer to the definition "named".
func schemas(depth int) *rapid.Generator[any] {
	if depth <= 0 {
		return rapid.Bool().AsAny()
	}
	return rapid.Deferred(func() *rapid.Generator[any] {
		keywords := keywordsOf(depth)
		return rapid.Custom(func(t *rapid.T) any {
			object := map[string]any{}
			for _, name := range rapid.SliceOfN(rapid.SampledFrom(sorted(keywords)), 0, 4).Draw(t, "keywords") {
				object[name] = keywords[name].Draw(t, name)
			}
			return object
		})
	})
}

func marshal(t *rapid.T, v any) string {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestAgreesWithTheStandard compares verdicts with the full implementation.
func TestAgreesWithTheStandard(t *testing.T) {
	valid, total := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		object, _ := schemas(3).Draw(r, "schema").(map[string]any)
		object["$defs"] = map[string]any{"named": map[string]any{"type": []any{"string", "integer", "array"}, "minLength": 1}}
		text := marshal(r, object)
		ours, standard := compile(t, text), judge(t, text)
		for range 5 {
			value := marshal(r, values(2).Draw(r, "value"))
			faults, want := ours.Validate(decode(t, value)), standard.Validate(decode(t, value))
			if (len(faults) == 0) != (want == nil) {
				r.Fatalf("%s under %s: %v, want %v", value, text, faults, want)
			}
			if total++; want == nil {
				valid++
			}
		}
	})
	t.Logf("%d of %d values were valid", valid, total)
}
