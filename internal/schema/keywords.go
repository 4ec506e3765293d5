package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// reader reads the value of one keyword into a schema.
type reader func(c *Compiler, s *Schema, p place, v any) error

// dialect is the one value that "$schema" may have.
const dialect = "https://json-schema.org/draft/2020-12/schema"

var definitions = []string{"$defs", "definitions"}

// unsupported are keywords of the standard that are refused.
var unsupported = []string{
	"$dynamicRef", "$dynamicAnchor", "$vocabulary",
}

// readers are the keywords that are known, those without effect included.
func readers() map[string]reader {
	return map[string]reader{
		"$schema": readDialect, "$defs": readNothing(Object), "definitions": readNothing(Object), "$comment": readNothing(String),
		"default": readNothing(0), "deprecated": readNothing(Boolean), "readOnly": readNothing(Boolean), "writeOnly": readNothing(Boolean),
		"contentEncoding": readNothing(String), "contentMediaType": readNothing(String), "contentSchema": readNothing(Boolean | Object),

		"$id":         readID,
		"$anchor":     readNothing(String),
		"$ref":        readRef,
		"type":        readType,
		"enum":        readEnum,
		"const":       readConst,
		"format":      readFormat,
		"pattern":     readPattern,
		"title":       readText(func(s *Schema) *string { return &s.Title }),
		"description": readText(func(s *Schema) *string { return &s.Description }),
		"examples":    readExamples,
		"uniqueItems": readUnique,
		"required":    readRequired,

		"allOf":       readSchemas(func(s *Schema) *[]*Schema { return &s.AllOf }),
		"anyOf":       readSchemas(func(s *Schema) *[]*Schema { return &s.AnyOf }),
		"oneOf":       readSchemas(func(s *Schema) *[]*Schema { return &s.OneOf }),
		"prefixItems": readSchemas(func(s *Schema) *[]*Schema { return &s.PrefixItems }),

		"not":                  readSchema(func(s *Schema) **Schema { return &s.Not }),
		"if":                   readSchema(func(s *Schema) **Schema { return &s.If }),
		"then":                 readSchema(func(s *Schema) **Schema { return &s.Then }),
		"else":                 readSchema(func(s *Schema) **Schema { return &s.Else }),
		"items":                readSchema(func(s *Schema) **Schema { return &s.Items }),
		"contains":             readSchema(func(s *Schema) **Schema { return &s.Contains }),
		"propertyNames":        readSchema(func(s *Schema) **Schema { return &s.PropertyNames }),
		"additionalProperties": readSchema(func(s *Schema) **Schema { return &s.AdditionalProperties }),

		"unevaluatedItems":      readSchema(func(s *Schema) **Schema { return &s.UnevaluatedItems }),
		"unevaluatedProperties": readSchema(func(s *Schema) **Schema { return &s.UnevaluatedProperties }),

		"properties":        readProperties,
		"patternProperties": readPatternProperties,
		"dependentSchemas":  readDependentSchemas,
		"dependentRequired": readDependentRequired,

		"minLength":     readCount(func(s *Schema) **int { return &s.MinLength }),
		"maxLength":     readCount(func(s *Schema) **int { return &s.MaxLength }),
		"minItems":      readCount(func(s *Schema) **int { return &s.MinItems }),
		"maxItems":      readCount(func(s *Schema) **int { return &s.MaxItems }),
		"minContains":   readCount(func(s *Schema) **int { return &s.MinContains }),
		"maxContains":   readCount(func(s *Schema) **int { return &s.MaxContains }),
		"minProperties": readCount(func(s *Schema) **int { return &s.MinProperties }),
		"maxProperties": readCount(func(s *Schema) **int { return &s.MaxProperties }),

		"minimum":          readBound(func(s *Schema) **Bound { return &s.Minimum }),
		"maximum":          readBound(func(s *Schema) **Bound { return &s.Maximum }),
		"exclusiveMinimum": readBound(func(s *Schema) **Bound { return &s.AboveMinimum }),
		"exclusiveMaximum": readBound(func(s *Schema) **Bound { return &s.BelowMaximum }),
		"multipleOf":       readMultiple,
	}
}

// as reads a value of a Go type that stands for JSON types.
func as[T any](p place, v any, want Types) (T, error) {
	t, ok := v.(T)
	if !ok {
		return t, p.wrongType(v, want)
	}
	return t, nil
}

func readNothing(want Types) reader {
	return func(_ *Compiler, _ *Schema, p place, v any) error {
		if want != 0 && typeOf(v)&want == 0 {
			return p.wrongType(v, want)
		}
		return nil
	}
}

func readDialect(_ *Compiler, _ *Schema, p place, v any) error {
	if text, _ := v.(string); strings.TrimSuffix(text, "#") != dialect {
		return p.fault("it is not %s", dialect)
	}
	return nil
}

// readID refuses to make a part of a document one of its own; what a whole one
// is called has been noted by [Compiler.Add].
func readID(_ *Compiler, _ *Schema, p place, v any) error {
	if strings.Count(p.pointer, "/") > 1 {
		return p.fault("only a whole document may have an $id")
	}
	_, err := as[string](p, v, String)
	return err
}

func readRef(c *Compiler, s *Schema, p place, v any) error {
	text, err := as[string](p, v, String)
	if err == nil {
		s.Ref, err = c.refer(p, text)
	}
	return err
}

func readType(_ *Compiler, s *Schema, p place, v any) error {
	names := []any{v}
	if list, ok := v.([]any); ok {
		names = list
	}
	for _, v := range names {
		name, _ := v.(string)
		i := slices.Index(typeNames(), name)
		if i < 0 {
			return &Error{File: p.file, Pointer: p.pointer, Message: unknownValue(v, typeNames()), Word: name, Known: typeNames()}
		}
		s.Types |= typesByName[i].bit
	}
	if s.Types&Number != 0 {
		s.Types |= Integer
	}
	return nil
}

func unknownValue(v any, known []string) string {
	text := fmt.Sprint(v)
	if s, ok := v.(string); ok {
		text = fmt.Sprintf("%q", s)
	}
	return "unknown value " + text + ", expected one of `" + strings.Join(known, "`, `") + "`"
}

func readEnum(_ *Compiler, s *Schema, p place, v any) (err error) {
	s.Enum, err = as[[]any](p, v, Array)
	s.enum = make(map[string]bool, len(s.Enum))
	for _, item := range s.Enum {
		s.enum[canonical(item)] = true
	}
	return err
}

func readConst(_ *Compiler, s *Schema, _ place, v any) error {
	s.Const, s.constant = &v, canonical(v)
	return nil
}

func readFormat(c *Compiler, s *Schema, p place, v any) (err error) {
	if s.Format, err = as[string](p, v, String); err != nil {
		return err
	}
	if s.check = c.Formats[s.Format]; s.check == nil {
		return &Error{
			File: p.file, Pointer: p.pointer, Message: fmt.Sprintf("unknown format %q", s.Format),
			Word: s.Format, Known: sortedNames(c.Formats),
		}
	}
	return nil
}

func readPattern(c *Compiler, s *Schema, p place, v any) error {
	text, err := as[string](p, v, String)
	if err == nil {
		s.Pattern, err = c.pattern(p, text)
	}
	return err
}

func readText(field func(*Schema) *string) reader {
	return func(_ *Compiler, s *Schema, p place, v any) (err error) {
		*field(s), err = as[string](p, v, String)
		return err
	}
}

func readExamples(_ *Compiler, s *Schema, p place, v any) (err error) {
	s.Examples, err = as[[]any](p, v, Array)
	return err
}

func readUnique(_ *Compiler, s *Schema, p place, v any) (err error) {
	s.UniqueItems, err = as[bool](p, v, Boolean)
	return err
}

func readRequired(_ *Compiler, s *Schema, p place, v any) (err error) {
	s.Required, err = names(p, v)
	return err
}

// names reads a list of strings.
func names(p place, v any) ([]string, error) {
	list, err := as[[]any](p, v, Array)
	out := make([]string, 0, len(list))
	for _, item := range list {
		name, err := as[string](p, item, String)
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, err
}

func readSchema(field func(*Schema) **Schema) reader {
	return func(c *Compiler, s *Schema, p place, v any) (err error) {
		*field(s), err = c.at(p, v)
		return err
	}
}

func readSchemas(field func(*Schema) *[]*Schema) reader {
	return func(c *Compiler, s *Schema, p place, v any) error {
		list, err := as[[]any](p, v, Array)
		for i, item := range list {
			sub, err := c.at(p.below(fmt.Sprint(i)), item)
			if err != nil {
				return err
			}
			*field(s) = append(*field(s), sub)
		}
		return err
	}
}

// schemaMap reads an object whose members are schemas.
func (c *Compiler) schemaMap(p place, v any) (map[string]*Schema, error) {
	object, err := as[map[string]any](p, v, Object)
	if err != nil {
		return nil, err
	}
	schemas := make(map[string]*Schema, len(object))
	for _, name := range sortedNames(object) {
		if schemas[name], err = c.at(p.below(name), object[name]); err != nil {
			return nil, err
		}
	}
	return schemas, nil
}

func readProperties(c *Compiler, s *Schema, p place, v any) (err error) {
	s.Properties, err = c.schemaMap(p, v)
	return err
}

func readDependentSchemas(c *Compiler, s *Schema, p place, v any) (err error) {
	s.DependentSchemas, err = c.schemaMap(p, v)
	return err
}

func readPatternProperties(c *Compiler, s *Schema, p place, v any) error {
	schemas, err := c.schemaMap(p, v)
	for _, text := range sortedNames(schemas) {
		pattern, err := c.pattern(p.below(text), text)
		if err != nil {
			return err
		}
		s.PatternProperties = append(s.PatternProperties, PatternProperty{pattern, schemas[text]})
	}
	return err
}

func readDependentRequired(_ *Compiler, s *Schema, p place, v any) error {
	object, err := as[map[string]any](p, v, Object)
	s.DependentRequired = make(map[string][]string, len(object))
	for _, name := range sortedNames(object) {
		if s.DependentRequired[name], err = names(p.below(name), object[name]); err != nil {
			return err
		}
	}
	return err
}

func readCount(field func(*Schema) **int) reader {
	return func(_ *Compiler, s *Schema, p place, v any) error {
		n, ok := numberOf(v)
		if !ok {
			return p.wrongType(v, Integer)
		}
		if !n.whole || n.negative || n.size > 1<<31 {
			return p.fault("it is no number of things")
		}
		count := int(n.size)
		*field(s) = &count
		return nil
	}
}

func bound(p place, v any) (*Bound, error) {
	text, ok := v.(json.Number)
	if !ok {
		return nil, p.wrongType(v, Number)
	}
	n, ok := parseNumber(string(text))
	if !ok {
		return nil, p.fault("its size is out of range")
	}
	return &Bound{string(text), n}, nil
}

func readBound(field func(*Schema) **Bound) reader {
	return func(_ *Compiler, s *Schema, p place, v any) (err error) {
		*field(s), err = bound(p, v)
		return err
	}
}

func readMultiple(_ *Compiler, s *Schema, p place, v any) (err error) {
	if s.MultipleOf, err = bound(p, v); err == nil && (s.MultipleOf.value.compare(number{whole: true}) <= 0) {
		return p.fault("it must be greater than 0")
	}
	return err
}
