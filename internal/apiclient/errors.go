package apiclient

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
)

// worded is an error in the reference's words; it keeps the cause for its code and hint.
type worded struct {
	text string
	err  error
}

func (e *worded) Error() string { return e.text }
func (e *worded) Unwrap() error { return e.err }

func wordf(err error, format string, args ...any) error {
	return &worded{fmt.Sprintf(format, args...), err}
}

// failed prefixes err with what the command wanted: "Failed to get settings".
func failed(what string, err error) error {
	return wordf(err, "%s: %s", what, message(err))
}

// message is the text of an error of package client. What the server refused is
// told in the server's words; a request that got no answer in the reference's.
func message(err error) string {
	if _, ok := errors.AsType[*worded](err); ok {
		return err.Error()
	}
	if e, ok := errors.AsType[*client.RequestError](err); ok {
		return requestMessage(e.Method, e.URI, err)
	}
	if e, ok := errors.AsType[*api.Error](err); ok {
		return blame(e)
	}
	return err.Error()
}

// blame puts the key in front of a message that does not mention it.
func blame(e *api.Error) string {
	if e.Key == "" || strings.Contains(e.Message, strings.TrimPrefix(e.Key, "settings.")) {
		return e.Message
	}
	return e.Key + ": " + e.Message
}

// requestFailed words an error of a request that the user has spelled out.
func requestFailed(method, uri string, err error) error {
	return &worded{requestMessage(method, uri, err), err}
}

func requestMessage(method, uri string, err error) string {
	return fmt.Sprintf("Failed %s request to '%s': %s", method, uri, transportMessage(err))
}

var steps = map[client.Step]string{
	client.StepBuild: "Failed to build request",
	client.StepSend:  "Failed to send request",
	client.StepRead:  "Failed to read body of response",
}

func transportMessage(err error) string {
	if e, ok := errors.AsType[*client.ConnectError](err); ok {
		return "Failed to send request: error trying to connect: " + osError(e.Err)
	}
	if e, ok := errors.AsType[*client.RequestError](err); ok {
		return fmt.Sprintf("%s: %v", steps[e.Step], e.Err)
	}
	return err.Error()
}

// osError words a system's error as the reference's runtime does.
func osError(err error) string {
	errno := syscall.Errno(0)
	if !errors.As(err, &errno) {
		return err.Error()
	}
	text := errno.Error()
	return fmt.Sprintf("%s%s (os error %d)", strings.ToUpper(text[:1]), text[1:], int(errno))
}

// hinted replaces what the user is told to do about err; the code and key of
// the server's error stay.
func hinted(err error, hint string) error {
	e := api.Error{Code: api.CodeInvalid, Message: err.Error()}
	if cause, ok := errors.AsType[*api.Error](err); ok {
		e = *cause
	}
	e.Hint = hint
	return &worded{err.Error(), errors.Join(&e, err)}
}
