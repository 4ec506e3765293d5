package schema

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
)

// Compiler turns documents into schemas. The zero value knows no documents and
// no formats.
type Compiler struct {
	// Formats are the checks that "format" names. They get any value and let
	// pass what they do not apply to.
	Formats map[string]func(any) error

	// Keywords are further keywords, each beginning with x-, with the types that
	// their values may have. Extend gets a schema that has any of them; what it
	// makes of them becomes [Schema.Extension]. Its error may be an *[Error] with
	// a pointer from there.
	Keywords map[string]Types
	Extend   func(object map[string]any) (any, error)

	files    map[string]any
	names    map[string]string // of files, by their documents' $id
	keywords map[string]reader
	schemas  map[string]*Schema
	regexps  map[string]*Regexp
}

// Error is a fault of a schema.
type Error struct {
	File    string
	Pointer string // JSON pointer to what is wrong
	Message string
	Word    string   // that is wrong
	Known   []string // what Word may be
	Cause   error    // a *[RemoteError] or *[MissingError], or nil
}

func (e *Error) Unwrap() error { return e.Cause }

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %s", e.File, e.Pointer, e.Message) }

// RemoteError is a reference to a document that was not added.
type RemoteError struct{ Name string }

func (e *RemoteError) Error() string { return "there is no schema " + e.Name }

// MissingError is a reference to nothing in a document.
type MissingError struct {
	File string
	Last string // of the pointer's names
}

func (e *MissingError) Error() string { return "there is no " + e.Last + " in " + e.File }

// Add makes a decoded document known by the name of its file, such as
// models/motd/schema.json. References between documents are relative to it, or
// to the document's $id.
func (c *Compiler) Add(file string, doc any) {
	if c.files == nil {
		c.files, c.names = map[string]any{}, map[string]string{}
		c.schemas, c.regexps = map[string]*Schema{}, map[string]*Regexp{}
		c.keywords = readers()
	}
	c.files[file] = doc
	if id := idOf(doc); id != "" {
		c.names[id] = file
	}
}

// Compile compiles a document that was added, and all that it refers to. The
// error is an *[Error].
func (c *Compiler) Compile(file string) (*Schema, error) {
	s, err := c.at(place{file: file}, c.files[file])
	if err != nil {
		return nil, err
	}
	for _, name := range definitions {
		object, _ := c.files[file].(map[string]any)
		if object[name] != nil {
			if _, err := c.schemaMap(place{file: file}.below(name), object[name]); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// place is where something stands.
type place struct{ file, pointer string }

func (p place) below(token string) place {
	return place{p.file, p.pointer + "/" + strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1")}
}

func (p place) String() string { return p.file + "#" + p.pointer }

func (p place) fault(format string, args ...any) error {
	return &Error{File: p.file, Pointer: p.pointer, Message: fmt.Sprintf(format, args...)}
}

// at compiles the schema at a place, once.
func (c *Compiler) at(p place, doc any) (*Schema, error) {
	location := p.String()
	if s, ok := c.schemas[location]; ok {
		return s, nil
	}
	s := &Schema{File: p.file, Location: location}
	c.schemas[location] = s
	switch doc := doc.(type) {
	case bool:
		s.Bool = &doc
		return s, nil
	case map[string]any:
		return s, c.object(s, p, doc)
	}
	return nil, p.wrongType(doc, Boolean|Object)
}

func (p place) wrongType(got any, want Types) error {
	return p.fault("it is of type %s, expected %s", nameOf(typeOf(got)), strings.Join(want.Names(), " or "))
}

func (c *Compiler) object(s *Schema, p place, object map[string]any) error {
	extended := false
	for _, name := range sortedNames(object) {
		at := p.below(name)
		read, known := c.keywords[name]
		if want, ours := c.Keywords[name]; ours {
			read, known, extended = readNothing(want), true, true
		}
		if !known {
			return c.unknown(at, name)
		}
		if err := read(c, s, at, object[name]); err != nil {
			return err
		}
	}
	if !extended {
		return nil
	}
	var err error
	s.Extension, err = c.Extend(object)
	if fault, ok := errors.AsType[*Error](err); ok {
		fault.File, fault.Pointer = p.file, p.pointer+fault.Pointer
	}
	return err
}

func (c *Compiler) unknown(p place, name string) error {
	if slices.Contains(unsupported, name) {
		return &Error{File: p.file, Pointer: p.pointer, Message: fmt.Sprintf("the keyword %q is not supported", name)}
	}
	known := append(sortedNames(c.keywords), sortedNames(c.Keywords)...)
	return &Error{File: p.file, Pointer: p.pointer, Message: fmt.Sprintf("unknown keyword %q", name), Word: name, Known: known}
}

func (p place) wrap(err error) error {
	return &Error{File: p.file, Pointer: p.pointer, Message: err.Error(), Cause: err}
}

// pattern checks a regular expression; it is compiled later.
func (c *Compiler) pattern(p place, text string) (*Regexp, error) {
	if r, ok := c.regexps[text]; ok {
		return r, nil
	}
	if _, err := syntax.Parse(text, syntax.Perl); err != nil {
		return nil, p.fault("'%s' is not valid regex: %v", text, err)
	}
	r := &Regexp{text, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
	c.regexps[text] = r
	return r, nil
}
