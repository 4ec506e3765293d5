package template

import (
	"encoding/json"
	"errors"
	"strings"
)

// parseCall reads a name and its arguments, as in {{name a b=c}}: a helper's
// name followed by at least one argument, or else a path or a sub-expression.
func (s *scanner) parseCall(start, depth int) (call, error) {
	before := s.pos
	if name := s.name(); name != "" {
		c := call{name: expr{kind: exprName, path: path{raw: name}}}
		if err := s.parseArguments(&c, start, depth); err != nil {
			return call{}, err
		}
		if !c.nameOnly() {
			return c, nil
		}
	}
	s.pos = before
	name, err := s.parseName(start, depth)
	return call{name: name}, err
}

// parseBlockCall reads what follows {{#: a helper's name, its arguments and block parameters.
func (s *scanner) parseBlockCall(start int) (call, []string, error) {
	name := s.name()
	if name == "" {
		return call{}, nil, s.errorFrom(start, "expected a helper's name, found %s", s.next())
	}
	c := call{name: expr{kind: exprName, path: path{raw: name}}}
	if err := s.parseArguments(&c, start, 0); err != nil {
		return call{}, nil, err
	}
	params, err := s.parseBlockParams(start)
	return c, params, err
}

// parseBlockParams reads "as |value|" or "as |value key|", if it comes next.
func (s *scanner) parseBlockParams(start int) ([]string, error) {
	if !s.acceptSpaced("as") {
		return nil, nil
	}
	if !s.acceptSpaced("|") {
		return nil, s.errorFrom(start, "expected |NAME| after as, found %s", s.next())
	}
	var names []string
	for range 2 {
		s.space()
		if name := s.name(); name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 || !s.acceptSpaced("|") {
		return nil, s.errorFrom(start, "expected one or two names between | and |, found %s", s.next())
	}
	return names, nil
}

// parsePartialCall reads what follows {{>: a partial's name and its arguments.
func (s *scanner) parsePartialCall(start int) (call, error) {
	var c call
	if name := s.partialName(); name != "" {
		c.name = expr{kind: exprName, path: path{raw: name}}
	} else {
		var err error
		if c.name, err = s.parseName(start, 0); err != nil {
			return call{}, err
		}
	}
	return c, s.parseArguments(&c, start, 0)
}

func isPartialNameByte(c byte) bool {
	return isNameByte(c) && c != '$' || c == '/' || c == '.'
}

// partialName reads a partial's plain or 'quoted' name; the quotes belong to the name.
func (s *scanner) partialName() string {
	if name := s.while(isPartialNameByte); name != "" {
		return name
	}
	before := s.pos
	if s.accept("'") {
		s.while(func(c byte) bool { return c != '\'' })
		if s.pos > before+1 && s.accept("'") {
			return s.src.text[before:s.pos]
		}
	}
	s.pos = before
	return ""
}

// parseName reads a path or a sub-expression.
func (s *scanner) parseName(start, depth int) (expr, error) {
	if sub, ok, err := s.parseSub(start, depth); ok || err != nil {
		return sub, err
	}
	if p, ok := s.parsePath(); ok {
		return expr{kind: exprPath, path: p}, nil
	}
	return expr{}, s.errorFrom(start, "expected a name or a path, found %s", s.next())
}

// parseArguments reads arguments until something else comes.
func (s *scanner) parseArguments(c *call, start, depth int) error {
	for {
		before := s.pos
		s.space()
		if name, ok := s.hashName(); ok {
			value, ok, err := s.parseArgument(start, depth)
			if err != nil {
				return err
			}
			if ok {
				c.setHash(name, value)
				continue
			}
			s.pos = before
			s.space()
		}
		value, ok, err := s.parseArgument(start, depth)
		if err != nil {
			return err
		}
		if !ok {
			s.pos = before
			return nil
		}
		c.args = append(c.args, value)
	}
}

func (c *call) setHash(name string, value expr) {
	for i := range c.hash {
		if c.hash[i].name == name {
			c.hash[i].value = value
			return
		}
	}
	c.hash = append(c.hash, hashArg{name, value})
}

// hashName reads "NAME =" and the white space around it.
func (s *scanner) hashName() (string, bool) {
	before := s.pos
	if name := s.name(); name != "" && s.acceptSpaced("=") {
		s.space()
		return name, true
	}
	s.pos = before
	return "", false
}

// parseArgument reads a literal, a path or a sub-expression; ok is false if none comes next.
func (s *scanner) parseArgument(start, depth int) (arg expr, ok bool, err error) {
	if s.keyword() {
		return expr{}, false, nil
	}
	if literal, ok, err := s.parseLiteral(start, depth); ok || err != nil {
		return literal, ok, err
	}
	if p, ok := s.parsePath(); ok {
		return expr{kind: exprPath, path: p}, true, nil
	}
	return s.parseSub(start, depth)
}

// parseSub reads a call in parentheses; ok is false if none comes next.
func (s *scanner) parseSub(start, depth int) (sub expr, ok bool, err error) {
	open := s.pos
	if !s.accept("(") {
		return expr{}, false, nil
	}
	if depth >= maxDepth {
		return expr{}, false, s.errorFrom(start, "more than %d levels of parentheses", maxDepth)
	}
	s.space()
	if strings.HasPrefix(s.rest(), "(") {
		return expr{}, false, s.errorFrom(start, "expected a helper's name, found (")
	}
	c, err := s.parseCall(start, depth+1)
	if err != nil {
		return expr{}, false, err
	}
	if !s.acceptSpaced(")") {
		return expr{}, false, s.errorFrom(start, "expected ), found %s", s.next())
	}
	c.span = span{open, s.pos}
	return expr{kind: exprSub, sub: &c}, true, nil
}

// parsePath reads a path such as a.b-c.[d e], ../x, @root.x, @index, this; ok is false if none comes next.
func (s *scanner) parsePath() (p path, ok bool) {
	start := s.pos
	defer func() {
		if !ok {
			s.pos = start
		}
	}()
	if !s.accept("this.") && !s.accept("this/") {
		s.accept("./")
	}
	p.root = s.accept("@root.") || s.accept("@root/")
	p.local = s.accept("@") && !p.root
	for s.accept("../") || s.accept("...") {
		p.up++
	}
	name, ok := s.pathItem()
	if !ok {
		return path{}, false
	}
	p.addName(name)
	for {
		before := s.pos
		if !s.accept(".") && !s.accept("/") {
			break
		}
		if name, ok = s.pathItem(); !ok {
			s.pos = before
			break
		}
		p.addName(name)
	}
	p.raw = s.src.text[start:s.pos]
	p.local = p.local && len(p.names) > 0
	return p, true
}

// addName adds a segment; "this" in whatever place adds nothing.
func (p *path) addName(name string) {
	if name != "this" {
		p.names = append(p.names, name)
	}
}

// pathItem reads a segment: a name, or anything in brackets.
func (s *scanner) pathItem() (string, bool) {
	if name := s.name(); name != "" {
		return name, true
	}
	before := s.pos
	if s.accept("[") {
		name := s.while(func(c byte) bool { return c != ']' })
		if s.accept("]") {
			return name, true
		}
	}
	s.pos = before
	return "", false
}

// parseLiteral reads a JSON literal, or a string in single quotes; ok is false if none comes next.
func (s *scanner) parseLiteral(start, depth int) (literal expr, ok bool, err error) {
	before := s.pos
	if !s.skipLiteral(depth) {
		s.pos = before
		return expr{}, false, nil
	}
	written := s.src.text[before:s.pos]
	if written[0] == '\'' {
		inner := strings.ReplaceAll(written[1:len(written)-1], `\'`, `'`)
		written = `"` + strings.ReplaceAll(inner, `"`, `\"`) + `"`
	}
	value, err := decodeJSON(written)
	if err != nil {
		return expr{}, false, s.errorFrom(start, "literal %s is not JSON", excerpt(s.src.text[before:s.pos]))
	}
	return expr{kind: exprLiteral, literal: value}, true, nil
}

// decodeJSON decodes one document and nothing behind it, numbers as written.
func decodeJSON(text string) (any, error) {
	if !json.Valid([]byte(text)) {
		return nil, errors.New("not JSON")
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}

// skipLiteral consumes a literal. It does not have to leave the position alone if there is none.
func (s *scanner) skipLiteral(depth int) bool {
	if depth > maxDepth || s.pos >= len(s.src.text) {
		return false
	}
	switch c := s.src.text[s.pos]; {
	case c == '"' || c == '\'':
		return s.skipString(c)
	case c == '[':
		return s.skipList("[", "]", func() bool { return s.skipLiteral(depth + 1) })
	case c == '{':
		return s.skipList("{", "}", func() bool { return s.skipMember(depth + 1) })
	case c == '-' || isDigit(c):
		return s.skipNumber() && !s.peekName()
	}
	return (s.accept("null") || s.accept("true") || s.accept("false")) && !s.peekName()
}

// skipList consumes elements with commas between open and end; one before the first comma may be missing.
func (s *scanner) skipList(open, end string, element func() bool) bool {
	s.accept(open)
	s.space()
	before := s.pos
	if !element() {
		s.pos = before
	}
	for s.acceptSpaced(",") {
		s.space()
		if !element() {
			return false
		}
	}
	return s.acceptSpaced(end)
}

func (s *scanner) skipMember(depth int) bool {
	if !strings.HasPrefix(s.rest(), `"`) && !strings.HasPrefix(s.rest(), `'`) {
		return false
	}
	if !s.skipString(s.src.text[s.pos]) || !s.acceptSpaced(":") {
		return false
	}
	s.space()
	return s.skipLiteral(depth)
}

func (s *scanner) skipNumber() bool {
	digits := func() bool { return s.while(isDigit) != "" }
	s.accept("-")
	if !digits() {
		return false
	}
	if s.accept(".") {
		digits()
	}
	before := s.pos
	if s.accept("E") {
		s.accept("-")
		if !digits() {
			s.pos = before
		}
	}
	return true
}

func (s *scanner) skipString(quote byte) bool {
	for s.pos++; s.pos < len(s.src.text); s.pos++ {
		switch c := s.src.text[s.pos]; c {
		case quote:
			s.pos++
			return true
		case '\\':
			if !s.skipEscape(quote) {
				return false
			}
		}
	}
	return false
}

// skipEscape consumes all but the last character of an escape sequence.
func (s *scanner) skipEscape(quote byte) bool {
	s.pos++
	if s.pos >= len(s.src.text) {
		return false
	}
	switch c := s.src.text[s.pos]; c {
	case quote, '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		rest := s.src.text[s.pos+1:]
		if len(rest) < 4 || strings.Trim(rest[:4], "0123456789abcdefABCDEF") != "" {
			return false
		}
		s.pos += 4
		return true
	}
	return false
}
