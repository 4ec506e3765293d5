package schema

import "strconv"

// unevaluated checks what no other keyword of s, nor of a schema that s applies
// to the same value, has looked at (JSON Schema 2020-12, Core, section 11).
func (c *check) unevaluated(s *Schema, v any) {
	switch v := v.(type) {
	case map[string]any:
		if s.UnevaluatedProperties != nil {
			c.unevaluatedMembers(s, v)
		}
	case []any:
		if s.UnevaluatedItems != nil {
			c.unevaluatedItems(s, v)
		}
	}
}

func (c *check) unevaluatedMembers(s *Schema, v map[string]any) {
	seen := map[string]bool{}
	s.evaluateMembers(v, seen)
	for _, name := range sortedNames(v) {
		switch sub := s.UnevaluatedProperties; {
		case seen[name]:
		case sub.Bool != nil && !*sub.Bool:
			c.fault(Fault{Keyword: "additionalProperties", Missing: []string{name}})
		default:
			c.below(name, sub, v[name])
		}
	}
}

func (c *check) unevaluatedItems(s *Schema, v []any) {
	seen := make([]bool, len(v))
	s.evaluateItems(v, seen)
	for i, item := range v {
		if !seen[i] {
			c.below(strconv.Itoa(i), s.UnevaluatedItems, item)
		}
	}
}

// evaluateMembers notes the members that s looks at, but for its own unevaluatedProperties.
func (s *Schema) evaluateMembers(v map[string]any, seen map[string]bool) {
	for name := range v {
		if s.namesMember(name) || s.AdditionalProperties != nil {
			seen[name] = true
		}
	}
	for _, sub := range s.applied(v) {
		if sub.UnevaluatedProperties != nil {
			for name := range v {
				seen[name] = true
			}
		}
		sub.evaluateMembers(v, seen)
	}
}

func (s *Schema) namesMember(name string) bool {
	if s.Properties[name] != nil {
		return true
	}
	for _, p := range s.PatternProperties {
		if p.Pattern.MatchString(name) {
			return true
		}
	}
	return false
}

// evaluateItems notes the elements that s looks at, but for its own unevaluatedItems.
func (s *Schema) evaluateItems(v []any, seen []bool) {
	for i, item := range v {
		if i < len(s.PrefixItems) || s.Items != nil || s.Contains != nil && valid(s.Contains, item) {
			seen[i] = true
		}
	}
	for _, sub := range s.applied(v) {
		for i := range v {
			seen[i] = seen[i] || sub.UnevaluatedItems != nil
		}
		sub.evaluateItems(v, seen)
	}
}

// applied are the schemas that s applies to v itself and that v satisfies.
func (s *Schema) applied(v any) []*Schema {
	candidates := append([]*Schema{s.Ref}, s.AllOf...)
	candidates = append(append(candidates, s.AnyOf...), s.OneOf...)
	object, _ := v.(map[string]any)
	for name, sub := range s.DependentSchemas {
		if hasName(object, name) {
			candidates = append(candidates, sub)
		}
	}
	if s.If != nil {
		candidates = append(candidates, s.If, s.branch(v))
	}
	satisfied := candidates[:0]
	for _, sub := range candidates {
		if sub != nil && valid(sub, v) {
			satisfied = append(satisfied, sub)
		}
	}
	return satisfied
}

// branch is what s.If leads to, or nil.
func (s *Schema) branch(v any) *Schema {
	if valid(s.If, v) {
		return s.Then
	}
	return s.Else
}
