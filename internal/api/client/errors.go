package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
)

// Step is where in its life a request failed.
type Step string

// The steps of a request.
const (
	StepBuild Step = "build request"
	StepSend  Step = "send request"
	StepRead  Step = "read answer"
)

// RequestError says that there is no whole answer. A server that cannot be
// reached has a *[ConnectError] in its chain.
type RequestError struct {
	Method, URI string
	Step        Step
	Err         error
}

func (e *RequestError) Error() string {
	return fmt.Sprintf("%s %s: %s: %v", e.Method, e.URI, e.Step, e.Err)
}
func (e *RequestError) Unwrap() error { return e.Err }

// StatusError is an answer that is not 2xx, in the words of the reference's
// clients. It wraps the *[api.Error] that the server meant.
type StatusError struct {
	Method, URI string
	Status      int
	Body        string
	API         *api.Error
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("Status %d when %sing %s: %s", e.Status, e.Method, e.URI, e.Body)
}
func (e *StatusError) Unwrap() error { return e.API }

// Check returns a *[StatusError] unless the status is 2xx.
func (r *Response) Check(method, uri string) error {
	if r.Status >= 200 && r.Status < 300 {
		return nil
	}
	return &StatusError{method, uri, r.Status, string(r.Body), r.apiError()}
}

// apiError rebuilds what the server's handler returned: from our routes' JSON,
// from the reference routes' text and headers, or from the bare status.
func (r *Response) apiError() *api.Error {
	if e := r.jsonError(); e != nil {
		return e
	}
	e := &api.Error{
		Code:    api.Code(headerText(r.Header, "Hostler-Error-Code")),
		Message: strings.TrimSpace(string(r.Body)),
		Key:     headerText(r.Header, "Hostler-Error-Key"),
		Hint:    headerText(r.Header, "Hostler-Error-Hint"),
	}
	if e.Code == "" {
		e.Code = codeOf(r.Status)
	}
	if e.Message == "" {
		e.Message = strings.ToLower(fmt.Sprintf("%d %s", r.Status, http.StatusText(r.Status)))
	}
	return e
}

func (r *Response) jsonError() *api.Error {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return nil
	}
	var e api.Error
	if json.Unmarshal(r.Body, &e) != nil || e.Code == "" || e.Message == "" {
		return nil
	}
	return &e
}

// headerText undoes the percent-encoding of what cannot stand in a header.
func headerText(h http.Header, name string) string {
	text := h.Get(name)
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// codeOf guesses for servers that send no code.
func codeOf(status int) api.Code {
	switch status {
	case http.StatusBadRequest:
		return api.CodeInvalid
	case http.StatusForbidden:
		return api.CodeForbidden
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return api.CodeNotFound
	case http.StatusConflict:
		return api.CodeConflict
	case http.StatusLocked:
		return api.CodeLocked
	case http.StatusRequestEntityTooLarge:
		return api.CodeTooLarge
	case http.StatusUnprocessableEntity:
		return api.CodeNothingPending
	case http.StatusNotImplemented:
		return api.CodeNotImplemented
	case http.StatusServiceUnavailable:
		return api.CodeUnavailable
	}
	return api.CodeInternal
}

// withoutURL drops net/http's mention of a URL that exists only inside this package.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*ConnectError](err); ok {
		return e
	}
	return err
}
