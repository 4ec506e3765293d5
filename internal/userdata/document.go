package userdata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Document is user data as one provider brought it: TOML with a table
// [settings]. Other tables at the top are for other programs and ignored.
type Document struct {
	Settings map[string]any // decoded TOML below [settings]

	places places
}

// Parse reads the text of a document. The error is a *[Fault].
func Parse(text []byte) (*Document, error) {
	at, err := index(text)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := toml.Unmarshal(text, &tree); err != nil {
		return nil, syntaxFault(text, err)
	}
	found, ok := tree["settings"]
	if !ok {
		return nil, &Fault{
			Message: "TOML data did not contain 'settings' section",
			Hint:    "settings stand below a line [settings], for example: [settings.ntp]",
		}
	}
	settings, ok := found.(map[string]any)
	if !ok {
		place := at.of("settings")
		return nil, &Fault{Message: "it must be a table, such as [settings.ntp]", Key: "settings", Line: place.line, Column: place.column}
	}
	return &Document{Settings: settings, places: at}, nil
}

// Read is Decode and Parse. Nothing at all is no document: nil without an error.
func Read(raw []byte) (*Document, error) {
	text, err := Decode(raw)
	if err != nil || len(text) == 0 {
		return nil, err
	}
	return Parse(text)
}

// syntaxFault is a fault at the place that the TOML library names.
func syntaxFault(text []byte, err error) error {
	var e *toml.DecodeError
	if !errors.As(err, &e) {
		return &Fault{Message: "Error parsing TOML user data: " + strings.TrimPrefix(err.Error(), "toml: ")}
	}
	line, column := e.Position()
	f := &Fault{
		Message: "Error parsing TOML user data: " + strings.TrimPrefix(e.Error(), "toml: "),
		Line:    line, Column: characters(text, line, column),
	}
	if len(e.Key()) > 0 {
		f.Message = strings.TrimPrefix(f.Message, "Error parsing TOML user data: ")
		f.Hint = fmt.Sprintf("'%s' is given more than once in this document; keep one", strings.Join(e.Key(), "."))
	}
	if strings.HasPrefix(strings.TrimSpace(string(text[:min(len(text), 64)])), "{") {
		f.Hint = "this looks like JSON; user data is TOML"
	}
	return f
}

// characters turns a column counted in bytes into one counted in characters.
func characters(text []byte, line, column int) int {
	start := 0
	for range line - 1 {
		start += bytes.IndexByte(text[start:], '\n') + 1
	}
	_, count := position(text, start+column-1)
	return count
}

// JSON is the settings as a JSON document. It fails for what JSON, and so a
// setting, has not: dates, infinite numbers. [Document.Lint] tells where.
func (d *Document) JSON() (json.RawMessage, error) { return JSON(d.Settings) }

// JSON is a settings tree as a JSON document.
func JSON(settings map[string]any) (json.RawMessage, error) {
	tree, err := plain(settings)
	if err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

// plain replaces what would lose its kind on the way.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, below := range v {
			p, err := plain(below)
			if err != nil {
				return nil, err
			}
			out[name] = p
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, below := range v {
			p, err := plain(below)
			if err != nil {
				return nil, err
			}
			out[i] = p
		}
		return out, nil
	case float64:
		return number(v)
	case string, bool, int64:
		return v, nil
	}
	return nil, fmt.Errorf("a %T is no setting", v)
}

// number keeps a number with a fraction from looking like one without.
func number(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%v is no setting", f)
	}
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return json.Number(text), nil
}

// Merge lays documents over one another in their order: tables are merged,
// anything else, lists too, replaces what came before.
func Merge(documents ...*Document) map[string]any {
	merged := map[string]any{}
	for _, d := range documents {
		overlay(merged, d.Settings)
	}
	return merged
}

func overlay(to, from map[string]any) {
	for name, v := range from {
		table, isTable := v.(map[string]any)
		below, wasTable := to[name].(map[string]any)
		switch {
		case isTable && wasTable:
			overlay(below, table)
		case isTable:
			copied := map[string]any{}
			overlay(copied, table)
			to[name] = copied
		default:
			to[name] = v
		}
	}
}
