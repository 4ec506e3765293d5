package publish

import "errors"

// hintError is an error that a person can do something about.
type hintError struct{ text, hint string }

func hinted(text, hint string) error { return &hintError{text, hint} }

func (e *hintError) Error() string { return e.text }

// Hint finds what a person can do about err; empty if nothing is known.
func Hint(err error) string {
	if e, ok := errors.AsType[*hintError](err); ok {
		return e.hint
	}
	if e, ok := errors.AsType[*ThresholdError](err); ok {
		return e.Hint()
	}
	return ""
}
