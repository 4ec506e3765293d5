package template

import "strings"

// parseOpen reads what follows {{#: the start of a block, of a partial with a default, or of a decorator.
func (p *parser) parseOpen(start int, tilde bool) error {
	p.space()
	switch {
	case p.accept(">"):
		p.space()
		c, err := p.parsePartialCall(start)
		return p.open(start, tilde, err, &partial{call: c})
	case p.accept("*"):
		p.space()
		c, _, err := p.parseBlockCall(start)
		return p.open(start, tilde, err, &decorator{call: c})
	}
	c, params, err := p.parseBlockCall(start)
	return p.open(start, tilde, err, &block{call: c, params: params})
}

// open finishes an opening tag and goes inside.
func (p *parser) open(start int, tilde bool, err error, n node) error {
	if err != nil {
		return err
	}
	p.trimBefore(tilde)
	s, err := p.closeTag(start, "}}")
	if err != nil {
		return err
	}
	if len(p.stack) >= maxDepth {
		return p.src.errorAt(ClassSyntax, s, "more than %d blocks inside one another", maxDepth)
	}
	p.standalone(s, false)
	p.push(n, s, false)
	return nil
}

func (p *parser) push(n node, s span, chained bool) {
	body := &program{}
	f := &frame{node: n, parent: p.current, start: s.start, end: s.end, chained: chained}
	switch n := n.(type) {
	case *block:
		n.span, n.body = s, body
		f.name = n.name.path.raw
	case *partial:
		n.span, n.body = s, body
		f.name = n.name.path.raw
	case *decorator:
		n.span, n.body = s, body
		f.name = n.name.path.raw
	}
	p.stack = append(p.stack, f)
	p.current = body
}

// parseClose reads what follows {{/: the end of the innermost block.
func (p *parser) parseClose(start int, tilde bool) error {
	p.space()
	if len(p.stack) == 0 {
		return p.errorFrom(start, "no block is open here")
	}
	p.trimBefore(tilde)
	open := p.innermost()
	name := p.closingName(open)
	if name == "" {
		return p.errorFrom(start, "expected {{/%s}}, found %s", open.name, p.next())
	}
	s, err := p.closeTag(start, "}}")
	if err != nil {
		return err
	}
	if name != open.name || open.name == "" {
		return p.src.errorAt(ClassSyntax, s, "expected {{/%s}}, found {{/%s}}", open.name, name)
	}
	p.standalone(s, false)
	p.pop()
	return nil
}

// innermost returns the innermost block that has a closing tag of its own.
func (p *parser) innermost() *frame {
	i := len(p.stack) - 1
	for p.stack[i].chained {
		i--
	}
	return p.stack[i]
}

func (p *parser) closingName(open *frame) string {
	if _, ok := open.node.(*partial); ok {
		return p.partialName()
	}
	return p.name()
}

// pop ends the innermost block and the {{else …}} blocks that hang on it.
func (p *parser) pop() {
	for {
		last := len(p.stack) - 1
		f := p.stack[last]
		p.stack = p.stack[:last]
		p.current = f.parent
		p.add(f.node)
		if !f.chained {
			return
		}
	}
}

// acceptElse consumes {{else or {{^, where it is not the beginning of a longer name.
func (p *parser) acceptElse() bool {
	if p.accept("^") {
		return true
	}
	before := p.pos
	if p.accept("else") && !p.peekName() && !strings.HasPrefix(p.rest(), ".") && !strings.HasPrefix(p.rest(), "/") {
		return true
	}
	p.pos = before
	return false
}

// parseElse reads what follows {{else: nothing, or a further condition as in {{else if x}}.
func (p *parser) parseElse(start int, tilde bool) error {
	caret := p.src.text[p.pos-1] == '^'
	f, b, err := p.elseOf(start)
	if err != nil {
		return err
	}
	p.trimBefore(tilde)
	before := p.pos
	if s, err := p.closeTag(start, "}}"); err == nil {
		p.standalone(s, false)
		p.startElse(f, b)
		return nil
	} else if caret {
		return err
	}
	p.pos = before
	return p.parseElseIf(start, f, b)
}

// elseOf returns the block that an {{else}} belongs to.
func (p *parser) elseOf(start int) (*frame, *block, error) {
	if len(p.stack) == 0 {
		return nil, nil, p.errorFrom(start, "no block is open here")
	}
	f := p.stack[len(p.stack)-1]
	b, ok := f.node.(*block)
	if !ok {
		return nil, nil, p.errorFrom(start, "the block of %s takes no else", f.name)
	}
	if f.inElse {
		return nil, nil, p.errorFrom(start, "the block of %s has an else already", f.name)
	}
	return f, b, nil
}

func (p *parser) startElse(f *frame, b *block) {
	f.inElse = true
	b.inverse = &program{}
	p.current = b.inverse
}

func (p *parser) parseElseIf(start int, f *frame, b *block) error {
	p.space()
	c, params, err := p.parseBlockCall(start)
	if err != nil {
		return err
	}
	s, err := p.closeTag(start, "}}")
	if err != nil {
		return err
	}
	if len(p.stack) >= maxDepth {
		return p.src.errorAt(ClassSyntax, s, "more than %d blocks inside one another", maxDepth)
	}
	p.standalone(s, false)
	p.startElse(f, b)
	p.push(&block{call: c, params: params}, s, true)
	return nil
}

// parsePartial reads what follows {{>.
func (p *parser) parsePartial(start int, tilde bool) error {
	p.space()
	c, err := p.parsePartialCall(start)
	if err != nil {
		return err
	}
	p.trimBefore(tilde)
	if c.span, err = p.closeTag(start, "}}"); err != nil {
		return err
	}
	p.standalone(c.span, true)
	n := &partial{call: c}
	if !tilde {
		before := p.src.text[p.src.body:start]
		n.indent = before[len(strings.TrimRight(before, " \t")):]
	}
	p.add(n)
	return nil
}

// parseDecorator reads what follows {{*.
func (p *parser) parseDecorator(start int, tilde bool) error {
	p.space()
	c, _, err := p.parseBlockCall(start)
	if err != nil {
		return err
	}
	p.trimBefore(tilde)
	if c.span, err = p.closeTag(start, "}}"); err != nil {
		return err
	}
	p.standalone(c.span, false)
	p.add(&decorator{call: c})
	return nil
}
