package model

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// object is a JSON object with its members in the order in which they are
// written, which is the order in which people read a schema.
type object []entry

type entry struct {
	name  string
	value jsontext.Value
}

// fields reads an object of a document that has been read before; anything
// else has none.
func fields(text jsontext.Value) object {
	if text.Kind() != '{' {
		return nil
	}
	var out object
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() != '}' {
		var name jsontext.Token
		if name, err = dec.ReadToken(); err != nil {
			break
		}
		f := entry{name: name.String()}
		if f.value, err = dec.ReadValue(); err == nil {
			f.value = f.value.Clone()
			out = append(out, f)
		}
	}
	return out
}

// elements reads a list of such a document.
func elements(text jsontext.Value) []jsontext.Value {
	if text.Kind() != '[' {
		return nil
	}
	var out []jsontext.Value
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() != ']' {
		var v jsontext.Value
		if v, err = dec.ReadValue(); err == nil {
			out = append(out, v.Clone())
		}
	}
	return out
}

// get is the value of a member; nil: there is none.
func (o object) get(name string) jsontext.Value {
	for _, f := range o {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// with is o with a member replaced, or added at its end.
func (o object) with(name string, v jsontext.Value) object {
	out := make(object, 0, len(o)+1)
	found := false
	for _, f := range o {
		if f.name == name {
			f.value, found = v, true
		}
		out = append(out, f)
	}
	if !found {
		out = append(out, entry{name, v})
	}
	return out
}

// without is o without a member.
func (o object) without(name string) object {
	return slices.DeleteFunc(slices.Clone(o), func(f entry) bool { return f.name == name })
}

// text writes o compactly.
func (o object) text() jsontext.Value {
	out := jsontext.Value{'{'}
	for i, f := range o {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, quoted(f.name)...), ':'), f.value...)
	}
	out = append(out, '}')
	_ = out.Compact() // of values that were read before
	return out
}

// list writes a list of values.
func list(values ...jsontext.Value) jsontext.Value {
	out := jsontext.Value{'['}
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, v...)
	}
	return append(out, ']')
}

func quoted(text string) jsontext.Value {
	out, _ := jsontext.AppendQuote([]byte(nil), text) // of UTF-8
	return out
}

func quotedAll(texts []string) []jsontext.Value {
	out := make([]jsontext.Value, len(texts))
	for i, text := range texts {
		out[i] = quoted(text)
	}
	return out
}

func unquoted(v jsontext.Value) string {
	out, _ := jsontext.AppendUnquote([]byte(nil), v)
	return string(out)
}

// unquotedAll reads a list of texts.
func unquotedAll(v jsontext.Value) []string {
	var out []string
	for _, element := range elements(v) {
		out = append(out, unquoted(element))
	}
	return out
}
