package apiclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/pelletier/go-toml/v2"

	"github.com/hostler-os/hostler/internal/cli"
)

// checkJSON accepts exactly one JSON document in UTF-8 whose objects have no
// name twice. The error says where it goes wrong.
func checkJSON(text []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	_, err := d.ReadValue()
	if err == nil {
		if _, err = d.ReadToken(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = &jsontext.SyntacticError{ByteOffset: d.InputOffset(), Err: errors.New("text after the document")}
		}
	}
	return positioned(text, err)
}

// positioned turns the offset of a syntax error into line and column, from 1.
func positioned(text []byte, err error) error {
	at, cause := len(text), err
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at, cause = min(int(e.ByteOffset), len(text)), e.Err
	}
	if errors.Is(cause, io.EOF) || errors.Is(cause, io.ErrUnexpectedEOF) {
		cause = errors.New("the text ends too early")
	}
	before := text[:at]
	line := bytes.Count(before, []byte("\n")) + 1
	column := at - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("%v at line %d column %d", cause, line, column)
}

// parseDocument reads a settings document, TOML or JSON, and returns what is
// below its member "settings". source names it in errors.
func parseDocument(source string, text []byte) (map[string]any, error) {
	tree, err := parseTOMLOrJSON(source, text)
	if err != nil {
		return nil, err
	}
	table, ok := tree.(map[string]any)
	if !ok {
		return nil, wordf(nil, "Settings from '%s' are not a TOML table / JSON object", source)
	}
	below, ok := table["settings"]
	if !ok {
		e := wordf(nil, "Settings from '%s' did not contain a 'settings' key at top level", source)
		return nil, hinted(e, "begin the document with [settings], or in JSON wrap it in {\"settings\": …}")
	}
	settings, ok := below.(map[string]any)
	if !ok {
		return nil, wordf(nil, "Failed to deserialize settings from '%s' into this variant's model: settings: expected a table, got %s", source, cli.ValueText(below))
	}
	return settings, nil
}

func parseTOMLOrJSON(source string, text []byte) (any, error) {
	var table map[string]any
	tomlErr := toml.Unmarshal(text, &table)
	if tomlErr == nil {
		return table, checkTOML(source, "", table, 1)
	}
	tree, jsonErr := decodeJSON(text)
	if jsonErr == nil {
		return tree, nil
	}
	return nil, wordf(nil, "Input '%s' is not valid TOML or JSON.  (TOML error: %s)  (JSON error: %v)",
		source, tomlMessage(tomlErr), jsonErr)
}

func tomlMessage(err error) string {
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := e.Position()
		return fmt.Sprintf("TOML parse error at line %d, column %d: %s", line, column, strings.TrimPrefix(e.Error(), "toml: "))
	}
	return err.Error()
}

// maxNesting is how deep the API lets documents be nested.
const maxNesting = 128

// checkTOML refuses the values of TOML that JSON does not have, and what is
// nested too deep to be a setting. value is what lies depth tables deep.
func checkTOML(source, at string, value any, depth int) error {
	if depth > maxNesting {
		return wordf(nil, "Input '%s' is nested more than %d deep, at %s…", source, maxNesting, at[:min(len(at), 60)])
	}
	switch v := value.(type) {
	case map[string]any:
		for name, below := range v {
			if err := checkTOML(source, strings.TrimPrefix(at+"."+name, "."), below, depth+1); err != nil {
				return err
			}
		}
	case []any:
		for i, below := range v {
			if err := checkTOML(source, fmt.Sprintf("%s[%d]", at, i), below, depth+1); err != nil {
				return err
			}
		}
	case string, bool, int64, nil:
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return wordf(nil, "Input '%s' cannot be sent as JSON: %s: %v is no JSON number", source, at, v)
		}
	default:
		e := wordf(nil, "Input '%s' cannot be sent as JSON: %s: no setting is a date or time", source, at)
		return hinted(e, "write it in quotes, as text")
	}
	return nil
}

// parseInline reads the argument of --json: an object whose member "settings",
// if it has one, is folded into the rest.
func parseInline(text []byte) (json.RawMessage, error) {
	tree, err := decodeJSON(text)
	if err != nil {
		e := usagef("Couldn't parse given JSON input: %v", err)
		e.hint = `write an object in single quotes: --json '{"motd": "hello"}'`
		return nil, e
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return nil, usagef("JSON input must be an object (map)")
	}
	if outer, ok := object["settings"]; ok {
		below, ok := outer.(map[string]any)
		if !ok {
			return nil, usagef("JSON 'settings' value must be an object (map)")
		}
		delete(object, "settings")
		merge(object, below)
	}
	return json.Marshal(object)
}
