package model

import (
	"strconv"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
)

// maxViolations is how many faults of one document are told; a document with
// more is not worth reading on.
const maxViolations = 50

// Violation is one fault of a document.
type Violation struct {
	Key     string // where, such as settings.ntp.time-servers[0]; empty when the document is no JSON at all
	Type    string // the expected type's name
	Message string // the rule, in the reference's words where it has words
	Hint    string // "did you mean …", an example
	Line    int    // 1-based position in the document; 0 unknown
	Column  int    // in characters
	Unknown bool   // the key does not exist in the model
}

func (v Violation) String() string {
	text := v.Message
	if v.Key != "" {
		text = v.Key + ": " + text
	}
	if v.Line > 0 {
		text += " at line " + strconv.Itoa(v.Line) + " column " + strconv.Itoa(v.Column)
	}
	return text
}

// Error is all faults of one document, in document order, at least one and at
// most fifty.
type Error struct{ Violations []Violation }

func (e *Error) Error() string {
	texts := make([]string, 0, len(e.Violations))
	for _, v := range e.Violations {
		texts = append(texts, v.String())
	}
	return strings.Join(texts, "; ")
}

// API turns the first violation into an api.Error (code, key, hint) and says
// how many more there are, and where.
func (e *Error) API() *api.Error {
	first := e.Violations[0]
	out := &api.Error{Code: api.CodeInvalidValue, Message: first.String(), Key: first.Key, Hint: first.Hint}
	switch {
	case first.Unknown:
		out.Code = api.CodeUnknownKey
	case first.Key == "":
		out.Code = api.CodeInvalid
	}
	if more := e.Violations[1:]; len(more) > 0 {
		out.Message += " (and " + strconv.Itoa(len(more)) + " more: " + places(more) + ")"
	}
	return out
}

// places are the keys of the first few violations.
func places(violations []Violation) string {
	const most = 3
	var keys []string
	for i, v := range violations {
		if i == most {
			keys = append(keys, "…")
			break
		}
		keys = append(keys, clip(v.Key))
	}
	return strings.Join(keys, ", ")
}

// As lets errors.As find the *api.Error of e.
func (e *Error) As(target any) bool {
	to, ok := target.(**api.Error)
	if ok {
		*to = e.API()
	}
	return ok
}

func refuse(v Violation) error { return &Error{Violations: []Violation{v}} }

// clip shortens what a user gave so that a message stays readable.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}
