package template

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Class is the kind of an Error.
type Class string

// The classes.
const (
	ClassSyntax      Class = "syntax"      // the body is not a template
	ClassFrontmatter Class = "frontmatter" // the front matter is missing or wrong, or asks for a helper that does not exist
	ClassMissing     Class = "missing"     // a value that has to be there is not
	ClassHelper      Class = "helper"      // an unknown helper, wrong arguments, a limit
)

// Error is a template error with its place.
type Error struct {
	Class        Class
	File         string
	Line, Column int    // 1-based, in the whole file (front matter included); the column counts characters
	Expr         string // the expression as written, with its braces; empty outside of one
	Msg          string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	b.WriteString(e.Msg)
	if e.Expr != "" {
		b.WriteString(" in ")
		b.WriteString(e.Expr)
	}
	return b.String()
}

// span is a range of bytes of the source.
type span struct{ start, end int }

// source is a template's text and name: what turns a span into a place.
type source struct {
	name string
	text string
	body int // where the body starts
}

// errorAt returns an error of class c about the expression at s.
func (src *source) errorAt(c Class, s span, format string, args ...any) *Error {
	line, column := position(src.text, s.start)
	return &Error{
		Class: c, File: src.name, Line: line, Column: column,
		Expr: excerpt(src.text[s.start:s.end]), Msg: fmt.Sprintf(format, args...),
	}
}

// position returns the 1-based line and column (in characters) of a byte offset.
func position(text string, offset int) (line, column int) {
	before := text[:offset]
	lineStart := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[lineStart:]) + 1
}

// excerpt shortens an expression to what fits into a message: one line of moderate length.
func excerpt(expr string) string {
	const limit = 100
	expr = strings.Join(strings.Fields(expr), " ")
	if utf8.RuneCountInString(expr) <= limit {
		return expr
	}
	return string([]rune(expr)[:limit]) + "…"
}
