package tufrepo

import (
	"errors"
	"fmt"
	"strings"
)

// Kinds of failure, to be tested with errors.Is.
var (
	// ErrExpired is returned for metadata whose time is over: a repository that
	// nobody tends, an attacker who holds news back, or a wrong clock.
	ErrExpired = errors.New("metadata is expired")
	// ErrRollback is returned for metadata older than what was trusted before.
	ErrRollback = errors.New("metadata is older than what is trusted")
	// ErrVersion is returned for metadata of another version than announced.
	ErrVersion = errors.New("metadata has another version than announced")
	// ErrThreshold is returned for metadata with too few valid signatures.
	ErrThreshold = errors.New("too few valid signatures")
	// ErrLength is returned for a file that is longer or shorter than announced,
	// or longer than the limit.
	ErrLength = errors.New("wrong length")
	// ErrHash is returned for a file whose content is not what was signed.
	ErrHash = errors.New("wrong hash")
	// ErrNotFound is returned for a file that the source does not have.
	ErrNotFound = errors.New("not found")
	// ErrNoTarget is returned for a target that no trusted role knows.
	ErrNoTarget = errors.New("no such target")
	// ErrNetwork is returned when a source cannot be reached or breaks off;
	// trying later may help.
	ErrNetwork = errors.New("network failure")
	// ErrMalformed is returned for bytes that are not metadata, and for answers
	// of a server that make no sense.
	ErrMalformed = errors.New("malformed metadata")
	// ErrRange is returned when a server does not send a part of a file; it is one
	// of these answers.
	ErrRange = fmt.Errorf("%w: range refused", ErrMalformed)
	// ErrName is returned for a target name that could lead out of its folder.
	ErrName = errors.New("unsafe name")
	// ErrDelegation is returned for a delegation that cannot be followed.
	ErrDelegation = errors.New("delegation cannot be followed")
	// ErrTooManyRoots is returned for a root chain without end.
	ErrTooManyRoots = errors.New("too many root updates")
)

// Error says what is wrong with which file.
type Error struct {
	Kind error  // one of the sentinels above
	What string // the subject: a role, a target, a file or an address
	Text string // what is wrong: expected, found
	Hint string // what to do; may be empty
	Err  error  // the cause; may be nil
}

func (e *Error) Error() string {
	text := e.Text
	if text == "" {
		text = e.Kind.Error()
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.What == "" {
		return text
	}
	return e.What + ": " + text
}

// Unwrap makes errors.Is find the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Hint finds what a person can do about err; empty if nothing is known.
func Hint(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint
	}
	return ""
}

func malformed(what, format string, args ...any) error {
	return &Error{Kind: ErrMalformed, What: what, Text: fmt.Sprintf(format, args...)}
}

func metadataOf(role string) string { return role + " metadata" }

// printable keeps what a hostile server sent from steering a terminal.
func printable(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	quoted := fmt.Sprintf("%q", s)
	return quoted[1 : len(quoted)-1]
}
