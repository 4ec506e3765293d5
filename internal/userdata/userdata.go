// Package userdata reads the settings that an operator gives a host to boot
// with: it fetches documents from providers, decompresses, parses, checks and
// merges them.
//
// Start with [Gather], which asks the providers of the [table] for what they
// have, and [Parse], which makes a [Document] of it. [Lint] finds everything
// that is wrong with one, with line and column; the boot and the command lines
// use the same code.
//
// What a setting may be is the model's business; how documents reach the
// datastore is that of package sundog.
package userdata

import (
	"errors"
	"fmt"

	"github.com/hostler-os/hostler/internal/api"
)

// Limits of a document. They are far above what a host needs and far below
// what would hurt one.
const (
	MaxRaw    = 1 << 20 // bytes as they arrive
	MaxText   = 4 << 20 // bytes of TOML
	maxRatio  = 1 << 9  // of decompressed to compressed, above ratioFree
	ratioFree = 256 << 10

	maxDepth    = 64  // of nested lists and inline tables
	maxSegments = 64  // of a dotted key
	maxKey      = 512 // bytes of one part of a key
	maxProblems = 50  // told of one document
)

// Fault is why a document cannot be read at all.
type Fault struct {
	Message      string
	Hint         string
	Key          string
	Line, Column int // 1-based, the column in characters; 0 unknown
}

func (f *Fault) Error() string {
	text := f.Message
	if f.Key != "" {
		text = f.Key + ": " + text
	}
	if f.Line > 0 {
		text += fmt.Sprintf(" at line %d column %d", f.Line, f.Column)
	}
	return text
}

// As lets errors.As find an *api.Error.
func (f *Fault) As(target any) bool {
	to, ok := target.(**api.Error)
	if ok {
		*to = &api.Error{Code: api.CodeInvalid, Message: f.Error(), Key: f.Key, Hint: f.Hint}
	}
	return ok
}

func (f *Fault) problem() api.Problem {
	return api.Problem{
		Severity: api.SeverityError, Code: api.CodeInvalid, Key: f.Key,
		Line: f.Line, Column: f.Column, Message: f.Message, Hint: f.Hint,
	}
}

// ProblemOf is a problem for any error of reading a document.
func ProblemOf(err error) api.Problem {
	if f := new(Fault); errors.As(err, &f) {
		return f.problem()
	}
	return api.Problem{Severity: api.SeverityError, Code: api.CodeInvalid, Message: err.Error()}
}
