package template

import (
	"strings"
	"unicode/utf8"
)

// scanner reads the tokens that tags are made of. Its methods either consume
// what they look for, or leave the position alone.
type scanner struct {
	src *source
	pos int
}

func (s *scanner) rest() string { return s.src.text[s.pos:] }

// errorFrom is a syntax error about what stands between start and the end of the tag that it is in.
func (s *scanner) errorFrom(start int, format string, args ...any) *Error {
	end := len(s.src.text)
	if i := strings.Index(s.src.text[start:], "}}"); i >= 0 {
		end = start + i + len("}}")
	}
	return s.src.errorAt(ClassSyntax, span{start, end}, format, args...)
}

// next describes what stands at the position, for error messages.
func (s *scanner) next() string {
	switch rest := s.rest(); {
	case rest == "":
		return "the end of the template"
	case strings.HasPrefix(rest, "}}"):
		return "}}"
	default:
		r, _ := utf8.DecodeRuneInString(rest)
		return string(r)
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (s *scanner) space() {
	for s.pos < len(s.src.text) && isSpace(s.src.text[s.pos]) {
		s.pos++
	}
}

// accept consumes token if it comes next.
func (s *scanner) accept(token string) bool {
	if !strings.HasPrefix(s.rest(), token) {
		return false
	}
	s.pos += len(token)
	return true
}

// acceptSpaced consumes white space and then token, if token comes next.
func (s *scanner) acceptSpaced(token string) bool {
	before := s.pos
	s.space()
	if s.accept(token) {
		return true
	}
	s.pos = before
	return false
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) ||
		c == '-' || c == '_' || c == '$' || c >= utf8.RuneSelf
}

// name consumes a run of the characters that names are made of; it may be empty.
func (s *scanner) name() string { return s.while(isNameByte) }

func (s *scanner) while(belongs func(byte) bool) string {
	start := s.pos
	for s.pos < len(s.src.text) && belongs(s.src.text[s.pos]) {
		s.pos++
	}
	return s.src.text[start:s.pos]
}

// peekName tells whether a name's character comes next.
func (s *scanner) peekName() bool {
	return s.pos < len(s.src.text) && isNameByte(s.src.text[s.pos])
}

// keyword tells whether "as" or "else" comes next: words that no argument begins with.
func (s *scanner) keyword() bool {
	before := s.pos
	defer func() { s.pos = before }()
	if !s.accept("as") && !s.accept("else") {
		return false
	}
	s.space()
	return !s.peekName()
}

// until consumes the text up to the next occurrence of end, in which a
// backslash keeps braces from opening a tag: one before braces is dropped and
// the braces are text, of several one is dropped and the braces open a tag.
func (s *scanner) until(end string) string {
	var b strings.Builder
	start := s.pos
	for s.pos < len(s.src.text) && !strings.HasPrefix(s.rest(), end) {
		if s.src.text[s.pos] != '\\' {
			s.pos++
			continue
		}
		slashes := len(s.while(func(c byte) bool { return c == '\\' }))
		if !strings.HasPrefix(s.rest(), "{{") {
			continue
		}
		b.WriteString(s.src.text[start : s.pos-1])
		start = s.pos
		if slashes == 1 {
			s.pos += len("{{")
			s.accept("{{")
		}
	}
	b.WriteString(s.src.text[start:s.pos])
	return b.String()
}
