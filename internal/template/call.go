package template

import "fmt"

// helper is a function that templates may call. Exactly one of value, text and
// block is set.
type helper struct {
	name     string
	min, max int // number of arguments; max < 0: no limit

	// value yields a value: printed escaped like any other, typed in sub-expressions.
	value func(*invocation) (any, error)
	// text yields text, which is printed as it is.
	text func(*invocation) (string, error)
	// block renders the block's bodies.
	block func(*invocation) error

	// single marks a text helper whose text is one setting's value, not a
	// fragment of a file: an escape that the front matter chooses applies to it.
	single bool
}

// invocation is a helper's call with evaluated arguments.
type invocation struct {
	r     *renderer
	h     *helper
	span  span // of the tag, for errors
	args  []argument
	hash  map[string]argument
	block *block // nil outside of one
}

// helperName returns the name of the helper that is called.
func (r *renderer) helperName(c *call) (string, error) {
	if c.name.kind != exprSub {
		return c.name.path.raw, nil
	}
	value, err := r.eval(&c.name, c.span)
	return printed(value.value), err
}

// callHelper calls the helper that a tag names.
func (r *renderer) callHelper(c *call, b *block, unescaped bool) error {
	name, err := r.helperName(c)
	if err != nil {
		return err
	}
	return r.callNamed(c, name, b, unescaped)
}

func (r *renderer) callNamed(c *call, name string, b *block, unescaped bool) error {
	inv, err := r.invocation(c, name, c.span)
	if err != nil {
		return err
	}
	inv.block = b
	return inv.run(unescaped)
}

// invocation evaluates the arguments of a call.
func (r *renderer) invocation(c *call, name string, s span) (*invocation, error) {
	h := r.t.helpers[name]
	inv := &invocation{r: r, h: h, span: s}
	for i := range c.args {
		arg, err := r.eval(&c.args[i], s)
		if err != nil {
			return nil, err
		}
		inv.args = append(inv.args, arg)
	}
	for i := range c.hash {
		arg, err := r.eval(&c.hash[i].value, s)
		if err != nil {
			return nil, err
		}
		if inv.hash == nil {
			inv.hash = make(map[string]argument, len(c.hash))
		}
		inv.hash[c.hash[i].name] = arg
	}
	if h == nil {
		return nil, r.unknownHelper(name, s)
	}
	return inv, inv.checkArity()
}

// unknownHelper says where a helper would come from.
func (r *renderer) unknownHelper(name string, s span) *Error {
	for extension, table := range r.t.known {
		for i := range table {
			if table[i].name == name {
				return r.errorAt(ClassHelper, s, "helper %s is not asked for: list it in the helpers of extension %s", name, extension)
			}
		}
	}
	return r.errorAt(ClassHelper, s, "there is no helper %s", name)
}

func (inv *invocation) checkArity() error {
	n, h := len(inv.args), inv.h
	switch {
	case h.min == h.max && n != h.min:
		return inv.fail("helper %s takes %s, got %d", h.name, counted(h.min), n)
	case n < h.min:
		return inv.fail("helper %s takes at least %s, got %d", h.name, counted(h.min), n)
	case h.max >= 0 && n > h.max:
		return inv.fail("helper %s takes at most %s, got %d", h.name, counted(h.max), n)
	}
	return nil
}

func counted(n int) string {
	if n == 1 {
		return "1 parameter"
	}
	return fmt.Sprintf("%d parameters", n)
}

// run prints what the helper yields.
func (inv *invocation) run(unescaped bool) error {
	r := inv.r
	switch h := inv.h; {
	case h.block != nil:
		return h.block(inv)
	case h.text != nil:
		text, err := h.text(inv)
		if err != nil {
			return inv.locate(err)
		}
		raw := unescaped || !h.single || r.t.escape == EscapeHTML
		return r.printText(text, inv.span, raw, r.write)
	default:
		value, err := h.value(inv)
		if err != nil {
			return inv.locate(err)
		}
		return r.printText(printed(value), inv.span, unescaped, r.write)
	}
}

// yield returns the helper's value, for a sub-expression.
func (inv *invocation) yield() (any, error) {
	switch h := inv.h; {
	case h.block != nil:
		text, err := inv.r.capture(func() error { return h.block(inv) })
		return text, err
	case h.text != nil:
		text, err := h.text(inv)
		return text, inv.locate(err)
	default:
		value, err := h.value(inv)
		return value, inv.locate(err)
	}
}

// fail returns an error of the helper's class.
func (inv *invocation) fail(format string, args ...any) error {
	return inv.r.errorAt(ClassHelper, inv.span, format, args...)
}

// locate gives an error of a helper's function its place.
func (inv *invocation) locate(err error) error {
	switch err := err.(type) {
	case nil:
		return nil
	case *Error:
		return err
	default:
		return inv.fail("helper %s: %v", inv.h.name, err)
	}
}

// describe names an argument in messages: by its path, which unlike its value is no secret.
func (inv *invocation) describe(i int) string {
	if p := inv.args[i].path; p != "" {
		return fmt.Sprintf("parameter %d (%s)", i+1, p)
	}
	return fmt.Sprintf("parameter %d", i+1)
}

// expected is the error for an argument of the wrong type.
func (inv *invocation) expected(i int, what string) error {
	found := kindOf(inv.args[i].value)
	if inv.args[i].missing {
		found = "nothing"
	}
	return fmt.Errorf("%s: expected %s, found %s", inv.describe(i), what, found)
}

// body renders one of the block's bodies; a call outside of a block has none.
func (inv *invocation) body(inverse bool) error {
	b := inv.block
	if b == nil {
		return nil
	}
	p := b.body
	if inverse {
		p = b.inverse
	}
	if p == nil {
		return nil
	}
	return inv.r.program(p)
}

func (r *renderer) block(b *block) error {
	if err := r.enter(b.span); err != nil {
		return err
	}
	defer r.leave()
	return r.callHelper(&b.call, b, false)
}
