package api

import "errors"

// Code is the stable name of a kind of error. Codes are documented in
// docs/api.md; clients may branch on them.
type Code string

// The codes.
const (
	CodeInternal       Code = "internal"
	CodeInvalid        Code = "invalid"         // the request is malformed
	CodeInvalidValue   Code = "invalid-value"   // a value breaks its rule
	CodeUnknownKey     Code = "unknown-key"     // the model has no such key
	CodeNotFound       Code = "not-found"       //
	CodeNothingPending Code = "nothing-pending" // commit of an empty transaction
	CodeForbidden      Code = "forbidden"       // the caller's role is too weak
	CodeTooLarge       Code = "too-large"       // a limit is exceeded
	CodeConflict       Code = "conflict"        // not possible in this state
	CodeLocked         Code = "locked"          // somebody is at it already
	CodeRenderFailed   Code = "render-failed"   // a template cannot be rendered
	CodeApplyFailed    Code = "apply-failed"    // a file or a service
	CodeUnavailable    Code = "unavailable"     // the server is stopping
	CodeDiskFull       Code = "disk-full"       // no space is left for the settings
	CodeNotImplemented Code = "not-implemented" // a route that later work adds
)

// Error is an error that a caller of the API may see: a sentence, a stable
// code, the key to blame where there is one, and what the user can do.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Key     string `json:"key,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// AsError finds the Error in err's chain. Any other error is internal: its
// text is for the log, not for the caller.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeInternal, Message: err.Error()}
}
