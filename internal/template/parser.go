package template

import (
	"strings"
	"unicode"
)

// parser turns a body into a program: text and tags in turn, blocks kept on a stack.
//
// A tag that stands alone on its line takes the line away with it, white space
// before it and the line break after it; a tilde takes all white space on its
// side. Both concern text that comes later, so they are carried along in
// trimAll and trimLine until text comes.
type parser struct {
	scanner
	stack    []*frame // open blocks, outermost first
	current  *program // what elements are added to
	trimAll  bool     // the last tag ended in ~
	trimLine bool     // the last tag stood alone on its line
	noDashes bool     // no --}} comes any more, so comments end at }}
}

// frame is an open block.
type frame struct {
	name    string // what the closing tag has to say
	node    node   // *block, *partial or *decorator
	parent  *program
	start   int  // of the opening tag
	end     int  // of the opening tag
	inElse  bool // its {{else}} has been seen
	chained bool // opened by {{else name}}: closed together with the frame below
}

func parse(src *source) (*program, error) {
	p := &parser{scanner: scanner{src: src, pos: src.body}, current: &program{}}
	for p.pos < len(src.text) {
		p.parseText()
		if p.pos == len(src.text) {
			break
		}
		if err := p.parseTag(); err != nil {
			return nil, err
		}
	}
	if len(p.stack) > 0 {
		open := p.stack[len(p.stack)-1]
		return nil, src.errorAt(ClassSyntax, span{open.start, open.end}, "{{/%s}} is missing: the block is not closed", open.name)
	}
	return p.current, nil
}

func (p *parser) add(n node) { p.current.nodes = append(p.current.nodes, n) }

// parseText reads the text before the next tag.
func (p *parser) parseText() {
	start := p.pos
	value := p.until("{{")
	switch {
	case start == p.pos:
		return
	case strings.Trim(value, " \t\r\n") == "":
		if p.trimAll {
			return // it is gone, and a line break that trimLine waits for comes later
		}
	case p.trimAll:
		value = strings.TrimLeftFunc(value, unicode.IsSpace)
		p.trimLine = false
	}
	if p.trimLine {
		value = trimFirstLineBreak(value)
	}
	p.trimLine = false
	p.add(&text{value})
}

func trimFirstLineBreak(s string) string {
	s = strings.TrimLeft(s, " \t")
	if after, ok := strings.CutPrefix(s, "\r\n"); ok {
		return after
	}
	return strings.TrimPrefix(s, "\n")
}

// lastText returns the text that was added last, if it was the last thing that was added.
func (p *parser) lastText() *text {
	if n := len(p.current.nodes); n > 0 {
		if t, ok := p.current.nodes[n-1].(*text); ok {
			return t
		}
	}
	return &text{}
}

// trimBefore removes the white space before a tag that begins with ~.
func (p *parser) trimBefore(tilde bool) {
	if tilde {
		t := p.lastText()
		t.value = strings.TrimRightFunc(t.value, unicode.IsSpace)
	}
}

// standalone notes whether the tag at s stands alone on its line. If so, the
// white space before it goes, unless it is kept to indent a partial.
func (p *parser) standalone(s span, keepIndent bool) {
	p.trimLine = false
	after := strings.TrimLeft(p.src.text[s.end:], " \t")
	if !strings.HasPrefix(after, "\n") && !strings.HasPrefix(after, "\r") {
		return
	}
	before := strings.TrimRight(p.src.text[p.src.body:s.start], " \t")
	if before != "" && !strings.HasSuffix(before, "\n") && !strings.HasSuffix(before, "\r") {
		return
	}
	p.trimLine = true
	if !keepIndent {
		t := p.lastText()
		t.value = strings.TrimRight(t.value, " \t")
	}
}

// parseTag reads what begins with two braces.
func (p *parser) parseTag() error {
	start := p.pos
	switch {
	case p.parseComment():
		return nil
	case p.accept("{{{{"):
		return p.parseRaw(start)
	}
	p.accept("{{")
	tilde := p.acceptSpaced("~")
	p.space()
	switch {
	case p.accept("#"):
		return p.parseOpen(start, tilde)
	case p.accept("/"):
		return p.parseClose(start, tilde)
	case p.accept(">"):
		return p.parsePartial(start, tilde)
	case p.accept("*"):
		return p.parseDecorator(start, tilde)
	case p.acceptElse():
		return p.parseElse(start, tilde)
	case p.accept("&"):
		return p.parseUnescaped(start, tilde)
	case strings.HasPrefix(p.rest(), "{"):
		return p.parseTriple(start, tilde)
	}
	return p.parseMustache(start, tilde)
}

// parseComment reads {{! … }}, or {{!-- … --}} in which braces may stand.
func (p *parser) parseComment() bool {
	start := p.pos
	if !p.accept("{{!") {
		return false
	}
	end := -1
	if p.acceptSpaced("--") && !p.noDashes {
		end = strings.Index(p.rest(), "--}}")
		p.noDashes = end < 0
	}
	if end >= 0 {
		p.pos += end + len("--}}")
	} else if end = strings.Index(p.src.text[start:], "}}"); end >= 0 {
		p.pos = start + end + len("}}")
	} else {
		p.pos = start
		return false
	}
	p.standalone(span{start, p.pos}, false)
	p.add(comment{})
	return true
}

// closeTag reads the end of a tag, with or without ~.
func (p *parser) closeTag(start int, braces string) (span, error) {
	tilde := p.acceptSpaced("~")
	if !p.acceptSpaced(braces) {
		return span{}, p.errorFrom(start, "expected %s, found %s", braces, p.describeNext())
	}
	p.trimAll = tilde
	return span{start, p.pos}, nil
}

func (p *parser) describeNext() string {
	p.space()
	return p.next()
}

func (p *parser) parseMustache(start int, tilde bool) error {
	c, err := p.parseCall(start, 0)
	if err != nil {
		return err
	}
	return p.addMustache(c, start, tilde, "}}", false)
}

func (p *parser) addMustache(c call, start int, tilde bool, braces string, unescaped bool) error {
	p.trimBefore(tilde)
	var err error
	if c.span, err = p.closeTag(start, braces); err != nil {
		return err
	}
	p.add(&mustache{call: c, unescaped: unescaped})
	return nil
}

// parseUnescaped reads what follows {{&: a value, or a helper without arguments.
func (p *parser) parseUnescaped(start int, tilde bool) error {
	p.space()
	name, err := p.parseName(start, 0)
	if err != nil {
		return err
	}
	return p.addMustache(call{name: name}, start, tilde, "}}", true)
}

// parseTriple reads {{{ … }}}, in which the tildes may stand inside or after the first two braces.
func (p *parser) parseTriple(start int, tilde bool) error {
	inside := p.pos == start+len("{{")
	p.accept("{")
	if inside && p.acceptSpaced("~") {
		tilde = true
	}
	p.space()
	c, err := p.parseCall(start, 0)
	if err != nil {
		return err
	}
	switch {
	case inside && p.ahead("}}}"):
		return p.addMustache(c, start, tilde, "}}}", true)
	case p.ahead("}", "}}"):
		p.acceptSpaced("}")
		return p.addMustache(c, start, tilde, "}}", true)
	}
	return p.errorFrom(start, "expected }}}, found %s", p.describeNext())
}

// ahead tells whether the tokens come next, perhaps with ~ before the last.
func (p *parser) ahead(tokens ...string) bool {
	before := p.pos
	defer func() { p.pos = before }()
	for i, token := range tokens {
		if i == len(tokens)-1 {
			p.acceptSpaced("~")
		}
		if !p.acceptSpaced(token) {
			return false
		}
	}
	return true
}

// parseRaw reads a raw block, whose text is not looked at for tags.
func (p *parser) parseRaw(start int) error {
	p.trimBefore(p.acceptSpaced("~"))
	p.space()
	c, params, err := p.parseBlockCall(start)
	if err != nil {
		return err
	}
	if c.span, err = p.closeTag(start, "}}}}"); err != nil {
		return err
	}
	p.standalone(c.span, false)
	b := &block{call: c, params: params, body: p.parseRawText()}
	return p.closeRaw(b)
}

func (p *parser) parseRawText() *program {
	p.space()
	value := p.until("{{{{")
	switch {
	case p.trimAll:
		value = strings.TrimLeftFunc(value, unicode.IsSpace)
	case p.trimLine:
		value = trimFirstLineBreak(value)
	}
	return &program{nodes: []node{&text{value}}}
}

func (p *parser) closeRaw(b *block) error {
	start, name := p.pos, b.name.path.raw
	outer := p.current
	p.current = b.body
	if !p.accept("{{{{") {
		return p.src.errorAt(ClassSyntax, b.span, "{{{{/%s}}}} is missing: the block is not closed", name)
	}
	p.trimBefore(p.acceptSpaced("~"))
	if !p.acceptSpaced("/") {
		return p.errorFrom(start, "expected {{{{/%s}}}}", name)
	}
	p.space()
	if closing := p.name(); closing != name {
		return p.errorFrom(start, "expected {{{{/%s}}}}, found {{{{/%s}}}}", name, closing)
	}
	s, err := p.closeTag(start, "}}}}")
	if err != nil {
		return err
	}
	p.standalone(s, false)
	p.current = outer
	p.add(b)
	return nil
}
