package model

import (
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxWeight bounds the subschemas of a group's schema, each counted as often as
// it is referred to: a few references to references multiply to more work than
// any host can do. The heaviest group of ours is a thousandth of it.
const maxWeight = 1_000_000

// weight counts s and the subschemas that a value may be checked against.
func (c *compiler) weight(s *jsonschema.Schema) (int, error) {
	if w, ok := c.weights[s]; ok {
		return w, nil
	}
	c.open[s] = true
	defer delete(c.open, s)
	total := 1
	for _, sub := range subschemas(s) {
		if c.open[sub] {
			return 0, fmt.Errorf("%s contains itself; settings have a finite depth", location(s))
		}
		w, err := c.weight(sub)
		if err != nil {
			return 0, err
		}
		if total += w; total > maxWeight {
			return 0, fmt.Errorf("%s: its references multiply to more than %d schemas", location(s), maxWeight)
		}
	}
	c.weights[s] = total
	return total, nil
}

// subschemas are the direct parts of s that are schemas.
func subschemas(s *jsonschema.Schema) []*jsonschema.Schema {
	subs := []*jsonschema.Schema{
		s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else, s.PropertyNames, s.UnevaluatedProperties,
		s.Contains, s.Items2020, s.UnevaluatedItems,
	}
	if s.DynamicRef != nil {
		subs = append(subs, s.DynamicRef.Ref)
	}
	subs = append(append(append(append(subs, s.AllOf...), s.AnyOf...), s.OneOf...), s.PrefixItems...)
	if sub, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		subs = append(subs, sub)
	}
	for _, sub := range s.Properties {
		subs = append(subs, sub)
	}
	for _, sub := range s.PatternProperties {
		subs = append(subs, sub)
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
