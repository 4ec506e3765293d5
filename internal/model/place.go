package model

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// placedError is a fault at a line of a file.
type placedError struct {
	line    int
	message string
}

func (e *placedError) Error() string { return e.message }

// atPlace finds the line of a JSON error.
func atPlace(text []byte, err error) error {
	v, at := syntaxViolation(text, 0, err)
	violations := []Violation{v}
	locate(text, violations, []int{at})
	return &placedError{violations[0].Line, v.Message}
}

// locate turns offsets into lines and columns.
func locate(doc []byte, violations []Violation, offsets []int) {
	for i, offset := range offsets {
		before := doc[:min(offset, len(doc))]
		line := bytes.LastIndexByte(before, '\n') + 1
		violations[i].Line = bytes.Count(before, []byte{'\n'}) + 1
		violations[i].Column = utf8.RuneCount(before[line:]) + 1
	}
}

// syntaxViolation says why a text is no JSON document.
func syntaxViolation(doc []byte, offset int64, err error) (Violation, int) {
	var syntax *jsontext.SyntacticError
	switch {
	case bytes.HasPrefix(doc, []byte("\uFEFF")):
		return Violation{Message: "expected value", Hint: "the document begins with a byte order mark; save it as UTF-8 without one"}, 0
	case len(bytes.TrimSpace(doc)) == 0:
		return Violation{Message: "EOF while parsing a value", Hint: "the document is empty"}, len(doc)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return Violation{Message: "EOF while parsing", Hint: "the document ends too early"}, len(doc)
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		name := clip(syntax.JSONPointer.LastToken())
		return Violation{Message: "duplicate field `" + name + "`", Hint: "give each member once"}, int(syntax.ByteOffset)
	case errors.As(err, &syntax):
		text, _, _ := strings.Cut(syntax.Err.Error(), "`") // what it quotes may be part of a secret
		return Violation{Message: "invalid JSON: " + strings.TrimSpace(text)}, int(syntax.ByteOffset)
	}
	return Violation{Message: err.Error()}, int(offset)
}
