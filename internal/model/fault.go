package model

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/nearest"
	"github.com/hostler-os/hostler/internal/schema"
)

// schemaFault is a fault of a schema file, in words for who wrote it.
type schemaFault struct{ Problem }

func (e *schemaFault) Error() string { return e.String() }

// fault words what is wrong with a schema.
func (c *compiler) fault(err error) error {
	e, ok := errors.AsType[*schema.Error](err)
	if !ok {
		return err
	}
	p := Problem{
		File: e.File, Line: lineOf(c.texts[e.File], jsontext.Pointer(e.Pointer)), Key: e.Pointer,
		Message: e.Message, Hint: didYouMean(nearest.Name(e.Word, e.Known)),
	}
	if missing, ok := errors.AsType[*schema.MissingError](err); ok {
		p.Message = fmt.Sprintf("there is no type %s in %s", missing.Last, missing.File)
		if missing.File == typesFile {
			p.Hint = didYouMean(nearest.Name(missing.Last, c.typeNames()))
		}
	}
	if remote, ok := errors.AsType[*schema.RemoteError](err); ok {
		p.Message = "a schema may refer to itself and to ../types.json only, not to " + remote.Name
		p.Hint = `named types are written {"$ref": "../types.json#/$defs/NAME"}`
	}
	return &schemaFault{p}
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
