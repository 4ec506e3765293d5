package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/api"
)

// Limits of request bodies.
const (
	maxBody  = 2 << 20          // the reference's
	maxDepth = 128              // of JSON; the reference's reader stops there too
	maxDrain = 16 << 20         // read and forgotten so that a naive client gets to see its 413
	bodyTime = 20 * time.Second // for the whole of a body
)

// jsonBody reads a request's JSON document, whatever is in it.
func jsonBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if !isJSON(r.Header.Get("Content-Type")) {
		return nil, libraryError{&api.Error{
			Code:    api.CodeInvalid,
			Message: "Content type error",
			Hint:    "send the header Content-Type: application/json",
		}}
	}
	body, err := readBody(w, r)
	switch {
	case err != nil:
		return nil, err
	case len(body) == 0:
		return nil, badJSON("EOF while parsing a value at line 1 column 0")
	}
	return body, checkDepth(body)
}

// isJSON accepts application/json, other types of JSON, and the suffix +json.
func isJSON(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	_, subtype, ok := strings.Cut(mediaType, "/")
	return err == nil && ok && (subtype == "json" || strings.HasSuffix(subtype, "+json"))
}

// readBody reads up to maxBody bytes within bodyTime. While it waits, the
// connection may be given up in favour of a new one.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	// Errors of deadlines are ignored here: test recorders have none.
	_ = control.SetReadDeadline(time.Now().Add(bodyTime))
	defer control.SetReadDeadline(time.Time{})
	leave := connOf(r).enter(reading)
	defer leave()

	if r.ContentLength > maxBody {
		if r.Header.Get("Expect") == "" { // else nothing comes before it is asked for
			drain(r.Body)
		}
		return nil, tooLarge(fmt.Sprintf("JSON payload (%d bytes) is larger than allowed (limit: %d bytes).", r.ContentLength, maxBody))
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, unreadable(err)
	case len(body) > maxBody:
		drain(r.Body)
		return nil, tooLarge(fmt.Sprintf("JSON payload has exceeded limit (%d bytes).", maxBody))
	}
	return body, nil
}

func drain(body io.Reader) { _, _ = io.CopyN(io.Discard, body, maxDrain) }

func tooLarge(text string) error {
	return libraryError{&api.Error{Code: api.CodeTooLarge, Message: text, Hint: "send the settings in several requests of one transaction"}}
}

func unreadable(err error) error {
	text := "A payload reached EOF, but is not complete."
	if e, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && e.Timeout() {
		text = fmt.Sprintf("the body did not arrive within %s", bodyTime)
	}
	return libraryError{&api.Error{Code: api.CodeInvalid, Message: text}}
}

// checkDepth refuses JSON that is nested deeper than maxDepth. It judges
// nothing else: brackets in strings do not count, everything else is up to the parser.
func checkDepth(doc []byte) error {
	depth, inString, line, start := 0, false, 1, -1
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case c == '\n':
			line, start = line+1, i
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return badJSON(fmt.Sprintf("recursion limit exceeded at line %d column %d", line, i-start))
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// decodeBody reads a request's JSON document into v: no unknown member, no
// duplicate, nothing after it.
func decodeBody(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := jsonBody(w, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v, json.RejectUnknownMembers(true)); err != nil {
		return badJSON(jsonFault(body, err))
	}
	return nil
}

// jsonFault says what is wrong with a document and where, without the Go types it did not fit.
func jsonFault(body []byte, err error) string {
	offset, what := int64(0), "malformed JSON"
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		offset, what = e.ByteOffset, e.Err.Error()
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		offset, what = e.ByteOffset, misfit(e)
	}
	line, column := position(body, offset)
	return fmt.Sprintf("%s at line %d column %d", what, line, column)
}

func misfit(e *json.SemanticError) string {
	where := "the document"
	if e.JSONPointer != "" {
		where = "member " + strings.ReplaceAll(strings.TrimPrefix(string(e.JSONPointer), "/"), "/", ".")
	}
	if errors.Is(e, json.ErrUnknownName) {
		return "unknown " + where
	}
	return fmt.Sprintf("invalid type: %s for %s", kindName(e.JSONKind), where)
}

func kindName(k jsontext.Kind) string {
	switch k {
	case jsontext.KindBeginObject:
		return "map"
	case jsontext.KindBeginArray:
		return "sequence"
	case jsontext.KindTrue, jsontext.KindFalse:
		return "boolean"
	}
	return k.String()
}

// position is where a byte stands, both from 1.
func position(doc []byte, offset int64) (line, column int) {
	before := doc[:min(offset, int64(len(doc)))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}
