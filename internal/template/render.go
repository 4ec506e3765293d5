package template

import (
	"fmt"
	"strings"
)

// renderer is one rendering of a template.
type renderer struct {
	t        *Template
	system   System
	lenient  func(*Error)
	root     map[string]any
	scope    *scope
	partials *namedPartial // defined so far
	bodies   *partialBody  // what @partial-block means, innermost partial first
	bodySkip int           // how many of bodies are in use
	indent   string        // put after each line break
	out      []byte
	depth    int
	steps    int
}

// namedPartial is a list of partials; the definition that came last is found first.
type namedPartial struct {
	name string
	body *program
	next *namedPartial
}

// partialBody is a list of the bodies of {{#> name}}…{{/name}}.
type partialBody struct {
	body *program
	next *partialBody
}

func newRenderer(t *Template, data Data) *renderer {
	root := t.context(data)
	return &renderer{
		t: t, system: data.System, lenient: data.Lenient, root: root,
		scope: &scope{value: root, inData: true},
		out:   make([]byte, 0, len(t.src.text)),
	}
}

func (r *renderer) errorAt(c Class, s span, format string, args ...any) *Error {
	return r.t.src.errorAt(c, s, format, args...)
}

// enter counts a level of nesting; what follows has to call leave.
func (r *renderer) enter(s span) error {
	if r.depth++; r.depth > maxDepth {
		return r.errorAt(ClassHelper, s, "more than %d levels of blocks and partials", maxDepth)
	}
	return nil
}

func (r *renderer) leave() { r.depth-- }

func (r *renderer) program(p *program) error {
	for _, n := range p.nodes {
		if err := r.node(n); err != nil {
			return err
		}
	}
	return nil
}

func (r *renderer) node(n node) error {
	switch n := n.(type) {
	case *text:
		return r.print(n.value, span{})
	case *mustache:
		return r.counted(n.span, func() error { return r.mustache(n) })
	case *block:
		return r.counted(n.span, func() error { return r.block(n) })
	case *partial:
		return r.counted(n.span, func() error { return r.partial(n) })
	case *decorator:
		return r.counted(n.span, func() error { return r.decorator(n) })
	}
	return nil
}

func (r *renderer) counted(s span, render func() error) error {
	if r.steps++; r.steps > maxSteps {
		return r.errorAt(ClassHelper, s, "more than %d steps", maxSteps)
	}
	return render()
}

// write appends to the output.
func (r *renderer) write(text string, s span) error {
	if len(r.out)+len(text) > maxOutput {
		return r.errorAt(ClassHelper, s, "more than %d MiB of output", maxOutput>>20)
	}
	r.out = append(r.out, text...)
	return nil
}

// print writes text, indented as the partial is that it stands in. The break
// at the end of a piece of text starts no line of that piece.
func (r *renderer) print(text string, s span) error {
	if r.indent == "" || text == "" {
		return r.write(text, s)
	}
	last := len(text) - 1
	return r.write(strings.ReplaceAll(text[:last], "\n", "\n"+r.indent)+text[last:], s)
}

// mustache prints a value, or what a helper yields.
func (r *renderer) mustache(m *mustache) error {
	if !m.nameOnly() {
		return r.callHelper(&m.call, nil, m.unescaped)
	}
	value, name, err := r.mustacheValue(m)
	if err != nil {
		return err
	}
	if _, ok := r.t.helpers[name]; ok {
		return r.callNamed(&m.call, name, nil, m.unescaped)
	}
	if value.missing {
		return r.missing(m.span, value.path)
	}
	return r.printValue(value.value, m.span, m.unescaped)
}

// mustacheValue returns what a name without arguments means: the name of a
// helper if there is one of that name, or else a value.
func (r *renderer) mustacheValue(m *mustache) (argument, string, error) {
	if m.name.kind != exprSub {
		name := m.name.path.raw
		if _, ok := r.t.helpers[name]; ok {
			return argument{}, name, nil
		}
		value, err := r.path(&m.name.path, m.span)
		return value, name, err
	}
	value, err := r.eval(&m.name, m.span)
	if err != nil {
		return value, "", err
	}
	return value, printed(value.value), nil
}

// missing fails for a value that is not there, or passes the failure on if that is wanted.
func (r *renderer) missing(s span, path string) error {
	err := r.missingError(s, path)
	if r.lenient == nil {
		return err
	}
	r.lenient(err)
	return nil
}

func (r *renderer) missingError(s span, path string) *Error {
	if path == "" {
		return r.errorAt(ClassMissing, s, "no value")
	}
	return r.errorAt(ClassMissing, s, "no value for %s%s", path, r.whyMissing(path))
}

// whyMissing explains the mistake that is made most: to use a group that is not required.
func (r *renderer) whyMissing(path string) string {
	rest, ok := strings.CutPrefix(path, "settings.")
	if !ok || r.t.legacy {
		return ""
	}
	group, _, _ := strings.Cut(rest, ".")
	for _, requirement := range r.t.requires {
		if requirement.Extension == group {
			return ""
		}
	}
	return fmt.Sprintf(" (extension %s is not required)", group)
}

// printValue prints a value as JSON-like text, escaped unless told otherwise.
func (r *renderer) printValue(value any, s span, unescaped bool) error {
	return r.printText(printed(value), s, unescaped, r.print)
}

func (r *renderer) printText(text string, s span, unescaped bool, print func(string, span) error) error {
	if unescaped {
		return print(text, s)
	}
	escaped, err := r.t.escape.apply(text)
	if err != nil {
		return r.errorAt(ClassHelper, s, "%v", err)
	}
	return print(escaped, s)
}

// capture renders into a text of its own.
func (r *renderer) capture(render func() error) (string, error) {
	outer := r.out
	r.out = nil
	err := render()
	text := string(r.out)
	r.out = outer
	return text, err
}
