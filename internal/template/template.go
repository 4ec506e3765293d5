package template

import (
	"maps"
	"net/netip"
	"slices"
	"unicode/utf8"
)

// Template is a compiled template; safe for concurrent use.
type Template struct {
	src      source
	requires []Requirement
	escape   Escape
	legacy   bool
	helpers  map[string]*helper
	known    map[string][]helper // extensions; by this way the helpers in it reach it without an initialization cycle
	root     *program
}

// Data is what templates see. Nothing in it is modified.
type Data struct {
	Settings map[string]any // decoded JSON: map[string]any, []any, string, bool, json.Number, nil
	OS       map[string]any // variant_id, arch, version_id, …
	Extra    map[string]any // legacy templates only: services, configuration-files
	System   System

	// Lenient, if set, is told of each value that is missing where a plain
	// `{{x}}` prints it; nothing is printed there, and rendering goes on.
	// Without it, as in the reference, rendering fails.
	Lenient func(missing *Error)
}

// System is what helpers may learn of the host. The zero value asks nothing of it and is deterministic.
type System struct {
	CPUs    int                                     // number of processors (kube_reserve_cpu)
	FIPS    bool                                    // the kernel runs in FIPS mode (ecr-prefix)
	Cgroup2 bool                                    // control groups are those of version 2 (is_cgroup_v2)
	EFA     bool                                    // an Elastic Fabric Adapter is attached (oci_defaults)
	Resolve func(host string) ([]netip.Addr, error) // localhost_aliases; nil: nothing resolves
}

// Parse compiles a template file: front matter, a line of plus signs, body.
// Name is only used in error messages. Errors are of type *Error.
func Parse(name string, text []byte) (*Template, error) {
	src := source{name: name, text: string(text)}
	if err := checkSource(&src); err != nil {
		return nil, err
	}
	front, err := parseFrontMatter(&src)
	if err != nil {
		return nil, err
	}
	return compile(src, front)
}

// ParseBody compiles a body with its requirements given apart (schnauzer-v2 render).
func ParseBody(name, body string, requires []Requirement) (*Template, error) {
	return parseBare(source{name: name, text: body}, frontMatter{requires: requires, escape: EscapeHTML})
}

// ParseLegacy compiles a body that sees everything: the whole model and every helper (schnauzer v1).
func ParseLegacy(name, body string) (*Template, error) {
	return parseBare(source{name: name, text: body}, frontMatter{legacy: true, escape: EscapeHTML})
}

func parseBare(src source, front frontMatter) (*Template, error) {
	if err := checkSource(&src); err != nil {
		return nil, err
	}
	return compile(src, front)
}

// checkSource refuses texts that are too long or not UTF-8.
func checkSource(src *source) error {
	switch {
	case len(src.text) > maxSource:
		return &Error{Class: ClassSyntax, File: src.name, Msg: "template is longer than 1 MiB"}
	case !utf8.ValidString(src.text):
		return &Error{Class: ClassSyntax, File: src.name, Msg: "template is not UTF-8 text"}
	}
	return nil
}

func compile(src source, front frontMatter) (*Template, error) {
	t := &Template{src: src, requires: front.requires, escape: front.escape, legacy: front.legacy, known: extensions}
	var err error
	if t.helpers, err = front.helpers(&src); err != nil {
		return nil, err
	}
	if t.root, err = parse(&t.src); err != nil {
		return nil, err
	}
	return t, nil
}

// Requires lists the extensions that the template may see, ordered by name; nil for a legacy template, which sees all.
func (t *Template) Requires() []Requirement { return slices.Clone(t.requires) }

// EscapeMode tells how `{{x}}` is escaped, and thereby what format the file has.
func (t *Template) EscapeMode() Escape { return t.escape }

// Render renders the whole text. On error, which is always of type *Error, it returns nothing.
func (t *Template) Render(data Data) ([]byte, error) {
	r := newRenderer(t, data)
	if err := r.program(t.root); err != nil {
		return nil, err
	}
	return r.out, nil
}

// context returns the object that paths start from.
func (t *Template) context(data Data) map[string]any {
	if t.legacy {
		root := map[string]any{"settings": orEmpty(data.Settings), "os": orEmpty(data.OS)}
		maps.Copy(root, data.Extra)
		return root
	}
	visible := make(map[string]any, len(t.requires))
	for _, r := range t.requires {
		if group, ok := data.Settings[r.Extension]; ok {
			visible[r.Extension] = group
		}
	}
	return map[string]any{"settings": visible, "os": orEmpty(data.OS)}
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
