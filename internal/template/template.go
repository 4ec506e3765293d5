// Package template renders configuration files: the reference's Handlebars dialect.
package template

import (
	"errors"
	"net/netip"
)

var errStub = errors.New("stub")

// Class is the kind of an Error.
type Class string

// The classes.
const (
	ClassSyntax      Class = "syntax"
	ClassFrontmatter Class = "frontmatter"
	ClassMissing     Class = "missing"
	ClassHelper      Class = "helper"
)

// Error is a template error with its place.
type Error struct {
	Class        Class
	File         string
	Line, Column int    // 1-based, in the whole file (front matter included)
	Expr         string // the expression as written
	Msg          string
}

func (e *Error) Error() string { return "" }

// Requirement is one required extension (= settings group).
type Requirement struct {
	Extension string
	Version   string
	Helpers   []string
	Optional  bool
}

// ParseRequirement reads EXT@VERSION(helpers=[a, b]).
func ParseRequirement(text string) (Requirement, error) { return Requirement{}, errStub }

// Template is a compiled template; safe for concurrent use.
type Template struct{}

// Parse compiles a template file: front matter, +++, body.
func Parse(name string, source []byte) (*Template, error) { return nil, errStub }

// ParseBody compiles a body with its requirements given apart (schnauzer-v2 render).
func ParseBody(name, body string, requires []Requirement) (*Template, error) { return nil, errStub }

// ParseLegacy compiles a body that sees everything: the whole model and every helper (schnauzer v1).
func ParseLegacy(name, body string) (*Template, error) { return nil, errStub }

// Requires lists the extensions that the template may see.
func (t *Template) Requires() []Requirement { return nil }

// Data is what templates see. Settings is not modified.
type Data struct {
	Settings map[string]any // decoded: map[string]any, []any, string, bool, json.Number, nil
	OS       map[string]any // variant_id, arch, version_id, …
	Extra    map[string]any // legacy templates only: services, configuration-files
	System   System
}

// System is what helpers may learn of the host. The zero value asks nothing of it and is deterministic.
type System struct {
	CPUs    int
	FIPS    bool
	EFA     bool
	Resolve func(host string) ([]netip.Addr, error) // nil: nothing resolves
}

// Render renders the whole text; on error nothing is returned.
func (t *Template) Render(data Data) ([]byte, error) { return nil, errStub }
