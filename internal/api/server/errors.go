package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"syscall"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
)

// status maps error codes to HTTP statuses; docs/api.md lists them for users.
func status(code api.Code) int {
	switch code {
	case api.CodeInvalid, api.CodeInvalidValue, api.CodeUnknownKey:
		return http.StatusBadRequest
	case api.CodeForbidden:
		return http.StatusForbidden
	case api.CodeNotFound:
		return http.StatusNotFound
	case api.CodeConflict:
		return http.StatusConflict
	case api.CodeLocked:
		return http.StatusLocked
	case api.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case api.CodeNothingPending, api.CodeRenderFailed:
		return http.StatusUnprocessableEntity
	case api.CodeNotImplemented:
		return http.StatusNotImplemented
	case api.CodeUnavailable:
		return http.StatusServiceUnavailable
	case api.CodeDiskFull:
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}

// A libraryError is refused by the reference's HTTP library rather than by one
// of its handlers; such answers, and only they, have a content type.
type libraryError struct{ err *api.Error }

func (e libraryError) Error() string { return e.err.Error() }
func (e libraryError) Unwrap() error { return e.err }

// explain finds what may be told to the caller.
func explain(err error) *api.Error {
	if errors.Is(err, datastore.ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &api.Error{Code: api.CodeUnavailable, Message: "the server is stopping", Hint: "try again in a moment"}
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &api.Error{
			Code: api.CodeDiskFull, Message: "no space is left on the disk that has the settings; nothing was changed",
			Hint: "free some space below /var/lib/hostler: df tells how much there is",
		}
	}
	return api.AsError(err)
}

// fail answers err in the dialect of the route.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, rt *route, err error) {
	e := explain(err)
	if e.Code == api.CodeInternal {
		s.Log.Error("request failed", "route", rt.name(), "err", err)
		e = discreet(err, e, connOf(r).identity)
	}
	if rt.dialect == ours {
		writeJSON(w, status(e.Code), e)
		return
	}
	h := w.Header()
	setHeader(h, "Hostler-Error-Code", string(e.Code))
	setHeader(h, "Hostler-Error-Key", e.Key)
	setHeader(h, "Hostler-Error-Hint", e.Hint)
	contentType := noType
	if errors.As(err, new(libraryError)) {
		contentType = plainType
	}
	write(w, status(e.Code), contentType, []byte(e.Message))
}

// discreet keeps an error that nobody worded for callers from those who could
// do nothing about it: it may name paths and addresses of the host.
func discreet(err error, e *api.Error, id api.Identity) *api.Error {
	if id.Role >= api.RoleAdmin || errors.As(err, new(*api.Error)) {
		return e
	}
	return &api.Error{Code: api.CodeInternal, Message: "internal error", Hint: "the server's log says more"}
}

// setHeader sets a header to text that may hold anything.
func setHeader(h http.Header, name, text string) {
	if text != "" {
		h.Set(name, escapeHeader(text))
	}
}

// escapeHeader percent-encodes what is not printable ASCII, and the percent sign itself.
func escapeHeader(text string) string {
	var out []byte
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c > 0x7e || c == '%' {
			out = fmt.Appendf(out, "%%%02X", c)
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}

// The refusals, worded as the reference words them.

func invalid(format string, args ...any) error {
	return &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}

func missingInput(name string) error { return invalid("Missing required input '%s'", name) }

func emptyInput(name string) error { return invalid("Input '%s' cannot be empty", name) }

func badKey(name string, err error) error {
	return &api.Error{Code: api.CodeInvalid, Key: name, Message: fmt.Sprintf("Unable to make data key '%s': %s", name, keyFault(err))}
}

func badPrefix(left string, err error) error {
	return &api.Error{Code: api.CodeInvalid, Key: left, Message: fmt.Sprintf("Prefix '%s' is not a valid key: %s", left, keyFault(err))}
}

// keyFault is the text of a key's error; clients know the one of lengths with its two values swapped.
func keyFault(err error) string {
	if e, ok := errors.AsType[*key.LengthError](err); ok {
		return fmt.Sprintf("Key name beyond maximum length %s: %d", e.Name, key.MaxLength)
	}
	return err.Error()
}

func noData(prefix string) error {
	return &api.Error{Code: api.CodeNotFound, Message: fmt.Sprintf("Found no '%s' in datastore", prefix)}
}

func nothingPending() error {
	return &api.Error{
		Code:    api.CodeNothingPending,
		Message: "Tried to commit with no pending changes",
		Hint:    "stage settings with PATCH /settings in the same transaction first",
	}
}

func badJSON(detail string) error {
	return libraryError{&api.Error{Code: api.CodeInvalid, Message: jsonPrefix + detail}}
}

const jsonPrefix = "Json deserialize error: "

// badSettings words what the model refused in a body: the reference's words
// first, then what it does not tell: which key, and what to do.
func badSettings(err error) error {
	e := *explain(err)
	e.Message = jsonPrefix + violationText(err, &e)
	return libraryError{&e}
}

// badPairs is the same for the key=value form, which has words of its own.
func badPairs(err error) error {
	e := *explain(err)
	e.Message = "Unable to match your input to the data model.  We may not have enough type information.  " +
		"Please try the --json input form.  Cause: " + violationText(err, &e)
	return &e
}

func violationText(err error, e *api.Error) string {
	text := e.Message
	if m, ok := errors.AsType[*model.Error](err); ok && len(m.Violations) > 0 {
		v := m.Violations[0]
		text = v.Message
		if v.Line > 0 {
			text += fmt.Sprintf(" at line %d column %d", v.Line, v.Column)
		}
		if more := len(m.Violations) - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more)", more)
		}
	}
	if e.Key != "" {
		text += "; key: " + e.Key
	}
	if e.Hint != "" {
		text += "; hint: " + e.Hint
	}
	return text
}

func tooWeak(rt *route, id api.Identity) error {
	return &api.Error{
		Code:    api.CodeForbidden,
		Message: fmt.Sprintf("%s needs role %s; uid %d has role %s", rt.name(), rt.role, id.UID, id.Role),
		Hint:    "roles are given to groups in /etc/hostler/access.toml; see GET /whoami",
	}
}

// mayWrite refuses the layers of the boot to those who may only change settings.
func mayWrite(layer api.Layer, id api.Identity) error {
	if layer == api.LayerUser || id.Role >= api.RoleAdmin {
		return nil
	}
	return &api.Error{
		Code:    api.CodeForbidden,
		Message: fmt.Sprintf("writing the layer %s needs role admin; uid %d has role %s", layer, id.UID, id.Role),
	}
}

func noChange(id string) error {
	return &api.Error{
		Code:    api.CodeNotFound,
		Message: fmt.Sprintf("there is no change %s", url.PathEscape(id)),
		Hint:    "GET /changes lists them",
	}
}
