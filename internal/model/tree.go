package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/key"
)

// ParseTree does what ParseJSON does for a decoded document: map[string]any,
// []any, string, bool, json.Number, int64, float64, nil. Other values, such as
// TOML's dates, are refused. Members are read in sorted order. The error is an
// *[Error].
func (m *Model) ParseTree(doc map[string]any) ([]key.Pair, error) {
	e := encoder{path: []step{{name: root}}}
	e.value(doc)
	pairs, err := m.ParseJSON(e.out)
	if len(e.violations) > 0 {
		return nil, e.with(err)
	}
	return pairs, unplaced(err)
}

// with adds to what cannot be written as JSON what the model says of the rest.
func (e *encoder) with(err error) error {
	all := &Error{Violations: e.violations}
	rest, ok := errors.AsType[*Error](unplaced(err))
	if !ok {
		return all
	}
	for _, v := range rest.Violations {
		known := slices.ContainsFunc(e.violations, func(own Violation) bool { return own.Key == v.Key })
		if !known && len(all.Violations) < maxViolations {
			all.Violations = append(all.Violations, v)
		}
	}
	return all
}

// unplaced removes the places in a document that the user never saw.
func unplaced(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	for i := range e.Violations {
		e.Violations[i].Line, e.Violations[i].Column = 0, 0
	}
	return e
}

// encoder writes a decoded document as JSON, with numbers such that the kind
// they were decoded as shows.
type encoder struct {
	out        []byte
	path       []step
	violations []Violation
}

func (e *encoder) value(v any) {
	if len(e.path) > maxDepth+1 {
		e.refuse(errDepth.Error(), "")
		return
	}
	switch v := v.(type) {
	case nil:
		e.out = append(e.out, "null"...)
	case bool:
		e.out = strconv.AppendBool(e.out, v)
	case string:
		e.text(v)
	case int:
		e.out = strconv.AppendInt(e.out, int64(v), 10)
	case int64:
		e.out = strconv.AppendInt(e.out, v, 10)
	case float64:
		e.float(v)
	case json.Number:
		e.raw([]byte(v))
	case json.RawMessage:
		e.raw(v)
	case []any:
		e.array(v)
	case map[string]any:
		e.object(v)
	default:
		e.refuse(fmt.Sprintf("invalid type: %s, expected a string, number, boolean, sequence or map", decodedKind(v)),
			"settings have no dates and times; write it in quotes")
	}
}

// decodedKind names the type of a value that no setting has.
func decodedKind(v any) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", v), "*")
	if name == "time.Time" || strings.HasPrefix(name, "toml.Local") {
		return "date or time"
	}
	return name
}

// refuse notes what cannot be written and writes nothing in its place.
func (e *encoder) refuse(message, hint string) {
	e.out = append(e.out, "null"...)
	if len(e.violations) < maxViolations {
		e.violations = append(e.violations, Violation{Key: pathText(e.path), Message: message, Hint: hint})
	}
}

func (e *encoder) text(s string) {
	if !utf8.ValidString(s) {
		e.refuse("invalid UTF-8", "text must be UTF-8")
		return
	}
	e.out, _ = jsontext.AppendQuote(e.out, s) // fails for invalid UTF-8 only
}

func (e *encoder) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.refuse(fmt.Sprintf("invalid type: floating point `%v`, expected a finite number", f), "")
		return
	}
	literal := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(literal, ".e") {
		literal += ".0"
	}
	e.out = append(e.out, literal...)
}

func (e *encoder) raw(text []byte) {
	if !jsontext.Value(text).IsValid() {
		e.refuse("invalid JSON", "")
		return
	}
	e.out = append(e.out, bytes.TrimSpace(text)...)
}

func (e *encoder) array(list []any) {
	e.out = append(e.out, '[')
	for i, item := range list {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.path = append(e.path, step{element: true, index: i})
		e.value(item)
		e.path = e.path[:len(e.path)-1]
	}
	e.out = append(e.out, ']')
}

func (e *encoder) object(doc map[string]any) {
	e.out = append(e.out, '{')
	for i, name := range slices.Sorted(maps.Keys(doc)) {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.path = append(e.path, step{name: name})
		e.text(name)
		e.out = append(e.out, ':')
		e.value(doc[name])
		e.path = e.path[:len(e.path)-1]
	}
	e.out = append(e.out, '}')
}
