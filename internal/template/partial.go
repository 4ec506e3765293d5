package template

import "maps"

// partialBlock is the name under which a partial prints the body it was called with.
const partialBlock = "@partial-block"

// partial prints a partial: one defined before, or else the body of the call,
// or else nothing. The partial sees what the call sees, or only its first
// argument, and the hash arguments on top. What it defines is gone after it;
// what the body of the call defines stays.
func (r *renderer) partial(n *partial) error {
	if err := r.enter(n.span); err != nil {
		return err
	}
	defer r.leave()
	name, err := r.helperName(&n.call)
	if err != nil {
		return err
	}
	inner, err := r.partialScope(n)
	if err != nil {
		return err
	}
	if err := r.define(n.body); err != nil {
		return err
	}
	body := r.findPartial(name)
	if body == nil {
		body = n.body
	}
	if body == nil {
		return nil
	}
	return r.partialBody(n, name, body, inner)
}

// partialBody renders a partial's body and puts everything back.
func (r *renderer) partialBody(n *partial, name string, body *program, inner *scope) error {
	scope, partials, bodies, skip, indent := r.scope, r.partials, r.bodies, r.bodySkip, r.indent
	defer func() {
		r.scope, r.partials, r.bodies, r.bodySkip, r.indent = scope, partials, bodies, skip, indent
	}()
	if name == partialBlock {
		r.bodySkip++
	} else if r.bodySkip > 0 {
		r.bodySkip--
	}
	if n.body != nil {
		r.bodies = &partialBody{n.body, r.bodies}
	}
	r.scope, r.indent = inner, n.indent
	return r.program(body)
}

// partialScope returns what the partial sees.
func (r *renderer) partialScope(n *partial) (*scope, error) {
	inner := r.scope
	for i := range n.args {
		arg, err := r.eval(&n.args[i], n.span)
		if err != nil {
			return nil, err
		}
		if i == 0 && arg.inData {
			inner = &scope{value: arg.value, inData: true}
		}
	}
	if len(n.hash) == 0 {
		return inner, nil
	}
	merged := make(map[string]any)
	if m, ok := inner.value.(map[string]any); ok {
		maps.Copy(merged, m)
	}
	for i := range n.hash {
		arg, err := r.eval(&n.hash[i].value, n.span)
		if err != nil {
			return nil, err
		}
		merged[n.hash[i].name] = arg.value
	}
	return &scope{value: merged, locals: inner.locals, params: inner.params}, nil
}

func (r *renderer) findPartial(name string) *program {
	if name == partialBlock {
		b := r.bodies
		for i := 0; b != nil && i < r.bodySkip; i++ {
			b = b.next
		}
		if b == nil {
			return nil
		}
		return b.body
	}
	for p := r.partials; p != nil; p = p.next {
		if p.name == name {
			return p.body
		}
	}
	return nil
}

// define carries out the definitions in the body of a partial's call.
func (r *renderer) define(body *program) error {
	if body == nil {
		return nil
	}
	for _, n := range body.nodes {
		if d, ok := n.(*decorator); ok {
			if err := r.decorator(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// decorator carries out a definition. There is one kind, {{#*inline "name"}}.
func (r *renderer) decorator(d *decorator) error {
	args := make([]argument, len(d.args))
	for i := range d.args {
		var err error
		if args[i], err = r.eval(&d.args[i], d.span); err != nil {
			return err
		}
	}
	if name := d.name.path.raw; name != "inline" {
		return r.errorAt(ClassHelper, d.span, "there is no decorator %s", name)
	}
	if len(args) == 0 {
		return r.errorAt(ClassHelper, d.span, "decorator inline takes 1 parameter, the partial's name")
	}
	name, ok := args[0].value.(string)
	if !ok {
		return r.errorAt(ClassHelper, d.span, "decorator inline: expected a partial's name, found %s", kindOf(args[0].value))
	}
	if d.body == nil {
		return r.errorAt(ClassHelper, d.span, "decorator inline needs a block: {{#*inline %q}}…{{/inline}}", name)
	}
	r.partials = &namedPartial{name, d.body, r.partials}
	return nil
}
