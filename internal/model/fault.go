package model

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// schemaFault is a fault of a schema file, in words for who wrote it.
type schemaFault struct{ Problem }

func (e *schemaFault) Error() string { return e.String() }

// wordFault is a fault of one word in a schema, whose place is yet to be found.
type wordFault struct{ word, message, hint string }

func (e *wordFault) Error() string { return e.message }

// fault words what the schema library says about the schema of a file.
func (c *compiler) fault(file string, err error) error {
	if e, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if v, ok := errors.AsType[*jsonschema.ValidationError](e.Err); ok {
			return c.invalid(file, e.URL, v)
		}
	}
	if e, ok := errors.AsType[*jsonschema.JSONPointerNotFoundError](err); ok {
		return c.noType(file, e.URL)
	}
	if e, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		return c.at(file, Problem{
			Message: "a schema may refer to itself and to ../types.json only, not to " + strings.TrimPrefix(e.URL, schemaRoot),
			Hint:    `named types are written {"$ref": "../types.json#/$defs/NAME"}`,
		}, func(token string) bool {
			name, _, _ := strings.Cut(token, "#")
			return path.Base(name) == path.Base(e.URL)
		})
	}
	if e, ok := errors.AsType[*wordFault](err); ok {
		return c.at(file, Problem{Message: e.message, Hint: e.hint}, func(token string) bool { return token == e.word })
	}
	return &schemaFault{Problem{File: file, Message: schemaError(err)}}
}

// invalid is a keyword with a value that it cannot have.
func (c *compiler) invalid(file, address string, v *jsonschema.ValidationError) error {
	for len(v.Causes) > 0 {
		v = v.Causes[0]
	}
	pointer := jsontext.Pointer("")
	for _, name := range v.InstanceLocation {
		pointer = pointer.AppendToken(name)
	}
	if name, _, _ := strings.Cut(strings.TrimPrefix(address, schemaRoot), "#"); c.texts[name] != nil {
		file = name
	}
	p := Problem{File: file, Line: lineOf(c.texts[file], pointer), Key: string(pointer)}
	p.Message, p.Hint = invalidText(v)
	return &schemaFault{p}
}

func invalidText(v *jsonschema.ValidationError) (message, hint string) {
	switch k := v.ErrorKind.(type) {
	case *kind.Enum:
		names := texts(k.Want)
		got, _ := k.Got.(string)
		hint = didYouMean(nearest(got, names))
		if len(names) < len(k.Want) || hint == "" {
			return fmt.Sprintf("unknown value %s", valueWord(k.Got)), "it is one of " + listWords(k.Want)
		}
		return fmt.Sprintf("unknown value %s, %s", valueWord(k.Got), oneOf(names)), hint
	case *kind.Type:
		return fmt.Sprintf("it is of type %s, expected %s", k.Got, strings.Join(k.Want, " or ")), ""
	case *kind.Required:
		return "missing field " + strings.Join(k.Missing, ", "), ""
	case *kind.AdditionalProperties:
		return "unknown field " + strings.Join(k.Properties, ", "), ""
	}
	_, text, found := strings.Cut(v.Error(), "': ")
	if !found {
		text = v.Error()
	}
	return strings.ReplaceAll(text, "\n", " "), ""
}

func valueWord(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(clip(s))
	}
	return clip(fmt.Sprint(v))
}

func listWords(values []any) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ", ")
}

// noType is a reference to a named type that does not exist.
func (c *compiler) noType(file, address string) error {
	name, fragment, _ := strings.Cut(strings.TrimPrefix(address, schemaRoot), "#")
	if plain, err := url.PathUnescape(fragment); err == nil {
		fragment = plain
	}
	last := jsontext.Pointer(fragment).LastToken()
	p := Problem{Message: fmt.Sprintf("there is no type %s in %s", last, name)}
	if name == typesFile {
		p.Hint = didYouMean(nearest(last, c.typeNames()))
	}
	return c.at(file, p, func(token string) bool { return strings.HasSuffix(token, "#"+fragment) })
}

// typeNames are the named types of types.json, in its order.
func (c *compiler) typeNames() []string {
	var names []string
	d := jsontext.NewDecoder(bytes.NewReader(c.texts[typesFile]))
	for {
		if _, err := d.ReadToken(); err != nil {
			return names
		}
		if p := d.StackPointer(); p.Parent() == "/$defs" && !slices.Contains(names, p.LastToken()) {
			names = append(names, p.LastToken())
		}
	}
}

// at places a problem at the first string that is it: in the file, or in the
// named types that the file takes in.
func (c *compiler) at(file string, p Problem, is func(token string) bool) error {
	p.File = file
	for _, name := range []string{file, typesFile} {
		if line, pointer := find(c.texts[name], is); line > 0 {
			p.File, p.Line, p.Key = name, line, string(pointer)
			break
		}
	}
	return &schemaFault{p}
}

func find(text []byte, is func(token string) bool) (line int, at jsontext.Pointer) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		token, err := d.ReadToken()
		if err != nil {
			return 0, ""
		}
		if token.Kind() == '"' && is(token.String()) {
			return lineAt(text, d.InputOffset()), d.StackPointer()
		}
	}
}

// lineOf is the line of the value that a JSON pointer names, 0 if there is none.
func lineOf(text []byte, pointer jsontext.Pointer) int {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := d.ReadToken(); err != nil {
			return 0
		}
		if d.StackPointer() == pointer {
			return lineAt(text, d.InputOffset())
		}
	}
}

func lineAt(text []byte, offset int64) int { return bytes.Count(text[:offset], []byte{'\n'}) + 1 }
