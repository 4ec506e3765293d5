package schema

import (
	"slices"
	"strconv"
	"unicode/utf8"
)

// Validate lists what is wrong with a value: nil, bool, string, int64,
// json.Number, []any or map[string]any. Where one of several schemas would do,
// it says only that none did. No fault: the value is valid.
func (s *Schema) Validate(v any) []Fault {
	c := &check{}
	c.value(s, v)
	return c.faults
}

// check collects the faults of one value.
type check struct {
	path   []string
	faults []Fault
}

func (c *check) fault(f Fault) {
	f.Path = slices.Clone(c.path)
	c.faults = append(c.faults, f)
}

// below checks a part of the value.
func (c *check) below(token string, s *Schema, v any) {
	c.path = append(c.path, token)
	c.value(s, v)
	c.path = c.path[:len(c.path)-1]
}

func valid(s *Schema, v any) bool { return len(s.Validate(v)) == 0 }

// value checks v. One that is not even of the right kind is not looked into.
func (c *check) value(s *Schema, v any) {
	if s.Bool != nil {
		if !*s.Bool {
			c.fault(Fault{})
		}
		return
	}
	if !c.kind(s, v) {
		return
	}
	if s.Ref != nil {
		c.value(s.Ref, v)
	}
	switch v := v.(type) {
	case string:
		c.text(s, v)
	case []any:
		c.list(s, v)
	case map[string]any:
		c.object(s, v)
	default:
		if n, ok := numberOf(v); ok {
			c.number(s, v, n)
		}
	}
	c.combined(s, v)
	c.unevaluated(s, v)
}

// kind checks what the whole value must be.
func (c *check) kind(s *Schema, v any) bool {
	before := len(c.faults)
	t := typeOf(v)
	switch {
	case s.Types != 0 && s.Types&t == 0:
		c.fault(Fault{Keyword: "type", Got: nameOf(t), Want: s.Types.Names()})
	case s.Const != nil && canonical(v) != s.constant:
		c.fault(Fault{Keyword: "const", Got: v, Want: *s.Const})
	case s.Enum != nil && !s.enum[canonical(v)]:
		c.fault(Fault{Keyword: "enum", Got: v, Want: s.Enum})
	case s.check != nil:
		if err := s.check(v); err != nil {
			c.fault(Fault{Keyword: "format", Got: v, Want: s.Format, Err: err})
		}
	}
	return len(c.faults) == before
}

// typeOf is the type of a value; that of a whole number is both.
func typeOf(v any) Types {
	switch v.(type) {
	case nil:
		return Null
	case bool:
		return Boolean
	case string:
		return String
	case []any:
		return Array
	case map[string]any:
		return Object
	}
	if n, ok := numberOf(v); ok && n.whole {
		return Number | Integer
	}
	return Number
}

func nameOf(t Types) string {
	return t.Names()[0]
}

func (c *check) text(s *Schema, v string) {
	if s.MinLength != nil || s.MaxLength != nil {
		c.count("minLength", "maxLength", utf8.RuneCountInString(v), s.MinLength, s.MaxLength)
	}
	if s.Pattern != nil && !s.Pattern.MatchString(v) {
		c.fault(Fault{Keyword: "pattern", Got: v, Want: s.Pattern.String()})
	}
}

// count checks a number of things.
func (c *check) count(atLeast, atMost string, got int, least, most *int) {
	if least != nil && got < *least {
		c.fault(Fault{Keyword: atLeast, Got: got, Want: *least})
	}
	if most != nil && got > *most {
		c.fault(Fault{Keyword: atMost, Got: got, Want: *most})
	}
}

func (c *check) number(s *Schema, v any, n number) {
	for _, bound := range []struct {
		keyword string
		bound   *Bound
		broken  func(number, number) bool
	}{
		{"minimum", s.Minimum, func(n, b number) bool { return n.compare(b) < 0 }},
		{"maximum", s.Maximum, func(n, b number) bool { return n.compare(b) > 0 }},
		{"exclusiveMinimum", s.AboveMinimum, func(n, b number) bool { return n.compare(b) <= 0 }},
		{"exclusiveMaximum", s.BelowMaximum, func(n, b number) bool { return n.compare(b) >= 0 }},
		{"multipleOf", s.MultipleOf, func(n, b number) bool { return !n.multipleOf(b) }},
	} {
		if bound.bound != nil && bound.broken(n, bound.bound.value) {
			c.fault(Fault{Keyword: bound.keyword, Got: v, Want: bound.bound.Text})
		}
	}
}

func (c *check) list(s *Schema, v []any) {
	c.count("minItems", "maxItems", len(v), s.MinItems, s.MaxItems)
	if s.UniqueItems && repeats(v) {
		c.fault(Fault{Keyword: "uniqueItems"})
	}
	for i, item := range v {
		switch {
		case i < len(s.PrefixItems):
			c.below(strconv.Itoa(i), s.PrefixItems[i], item)
		case s.Items != nil:
			c.below(strconv.Itoa(i), s.Items, item)
		}
	}
	if s.Contains != nil {
		c.contains(s, v)
	}
}

func repeats(list []any) bool {
	seen := make(map[string]bool, len(list))
	for _, item := range list {
		text := canonical(item)
		if seen[text] {
			return true
		}
		seen[text] = true
	}
	return false
}

func (c *check) contains(s *Schema, v []any) {
	found, least := 0, 1
	for _, item := range v {
		if valid(s.Contains, item) {
			found++
		}
	}
	if s.MinContains != nil {
		least = *s.MinContains
	}
	if found < least || s.MaxContains != nil && found > *s.MaxContains {
		c.fault(Fault{Keyword: "contains", Got: found, Want: least})
	}
}

func (c *check) object(s *Schema, v map[string]any) {
	if missing := absent(s.Required, v); len(missing) > 0 {
		c.fault(Fault{Keyword: "required", Missing: missing})
	}
	c.count("minProperties", "maxProperties", len(v), s.MinProperties, s.MaxProperties)
	for _, name := range sortedNames(v) {
		c.member(s, name, v[name])
	}
	for _, name := range sortedNames(s.DependentRequired) {
		if missing := absent(s.DependentRequired[name], v); hasName(v, name) && len(missing) > 0 {
			c.fault(Fault{Keyword: "dependentRequired", Missing: missing, Want: name})
		}
	}
	for _, name := range sortedNames(s.DependentSchemas) {
		if hasName(v, name) {
			c.value(s.DependentSchemas[name], v)
		}
	}
}

func hasName(v map[string]any, name string) bool {
	_, ok := v[name]
	return ok
}

func absent(names []string, v map[string]any) []string {
	var missing []string
	for _, name := range names {
		if !hasName(v, name) {
			missing = append(missing, name)
		}
	}
	return missing
}

// member checks one member against all that speaks of it.
func (c *check) member(s *Schema, name string, v any) {
	if s.PropertyNames != nil && !valid(s.PropertyNames, name) {
		c.fault(Fault{Keyword: "propertyNames", Got: name})
	}
	sub, known := s.Properties[name]
	if known {
		c.below(name, sub, v)
	}
	for _, p := range s.PatternProperties {
		if p.Pattern.MatchString(name) {
			known = true
			c.below(name, p.Schema, v)
		}
	}
	switch {
	case known || s.AdditionalProperties == nil:
	case s.AdditionalProperties.Bool != nil && !*s.AdditionalProperties.Bool:
		c.fault(Fault{Keyword: "additionalProperties", Missing: []string{name}})
	default:
		c.below(name, s.AdditionalProperties, v)
	}
}

// combined checks v against the schemas that are made of others.
func (c *check) combined(s *Schema, v any) {
	for _, sub := range s.AllOf {
		c.value(sub, v)
	}
	fits := func(sub *Schema) bool { return valid(sub, v) }
	if s.AnyOf != nil && !slices.ContainsFunc(s.AnyOf, fits) {
		c.fault(Fault{Keyword: "anyOf"})
	}
	if s.OneOf != nil && countFunc(s.OneOf, fits) != 1 {
		c.fault(Fault{Keyword: "oneOf"})
	}
	if s.Not != nil && fits(s.Not) {
		c.fault(Fault{Keyword: "not"})
	}
	if s.If == nil {
		return
	}
	if branch := s.branch(v); branch != nil {
		c.value(branch, v)
	}
}

func countFunc(schemas []*Schema, f func(*Schema) bool) (n int) {
	for _, s := range schemas {
		if f(s) {
			n++
		}
	}
	return n
}
