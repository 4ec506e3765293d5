package template

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// requirementSyntax is EXTENSION@VERSION, optionally followed by (helpers=[a, b]).
var requirementSyntax = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\s*([a-zA-Z0-9_-]+)@([a-zA-Z0-9_.-]+)\s*` +
		`(?:\(\s*(?:helpers\s*=\s*\[\s*((?:[a-zA-Z0-9_-]+(?:\s*,\s*)?)*)\s*\]\s*)?\))?\s*$`)
})

// ParseRequirement reads EXT@VERSION or EXT@VERSION(helpers=[a, b]), the form that command lines take.
func ParseRequirement(text string) (Requirement, error) {
	parts := requirementSyntax().FindStringSubmatch(text)
	if parts == nil {
		return Requirement{}, fmt.Errorf("requirement %q: expected EXTENSION@VERSION or EXTENSION@VERSION(helpers=[NAME, …])", text)
	}
	r := Requirement{Extension: parts[1], Version: parts[2]}
	for name := range strings.SplitSeq(parts[3], ",") {
		if name = strings.TrimSpace(name); name != "" {
			r.Helpers = append(r.Helpers, name)
		}
	}
	return r, nil
}
