package model

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hostler-os/hostler/internal/schema"
)

// Our keywords. They change how a value is told, shown and stored, and never
// whether it is valid.
const (
	keywordSecret      = "x-secret"
	keywordAliases     = "x-aliases"
	keywordListFromMap = "x-list-from-map"
	keywordListFromOne = "x-list-from-one"
	keywordMessage     = "x-message"
	keywordSpellings   = "x-spellings"

	// keywordOrder is added while reading: the order of "properties".
	keywordOrder = "x-order"
)

var ourKeywords = map[string]schema.Types{
	keywordSecret: schema.Boolean, keywordAliases: schema.Array, keywordListFromMap: schema.Object, keywordListFromOne: schema.Boolean,
	keywordMessage: schema.String, keywordSpellings: schema.Object, keywordOrder: schema.Array,
}

// extension is what our keywords say at one schema.
type extension struct {
	secret    bool
	aliases   []string
	fromMap   *fromMap
	fromOne   bool
	message   string
	spellings map[string]json.RawMessage
	order     []string
}

// extensionOf finds our keywords at s.
func extensionOf(s *schema.Schema) *extension {
	if s != nil {
		if ours, ok := s.Extension.(*extension); ok {
			return ours
		}
	}
	return &extension{}
}

func (e *extension) apply(n *node) {
	n.secret = n.secret || e.secret
	n.fromOne = n.fromOne || e.fromOne
	n.message = first(n.message, e.message)
	if n.fromMap == nil {
		n.fromMap = e.fromMap
	}
	if n.spellings == nil {
		n.spellings = e.spellings
	}
}

// readExtension reads our keywords of a schema.
func readExtension(object map[string]any) (any, error) {
	e := &extension{aliases: texts(object[keywordAliases]), order: texts(object[keywordOrder])}
	e.secret, _ = object[keywordSecret].(bool)
	e.fromOne, _ = object[keywordListFromOne].(bool)
	e.message, _ = object[keywordMessage].(string)
	spellings, _ := object[keywordSpellings].(map[string]any)
	for from, to := range spellings {
		text, err := json.Marshal(to)
		if err != nil {
			return nil, err
		}
		if e.spellings == nil {
			e.spellings = map[string]json.RawMessage{}
		}
		e.spellings[from] = text
	}
	var err error
	if m, ok := object[keywordListFromMap].(map[string]any); ok {
		e.fromMap, err = readFromMap(m)
	}
	return e, err
}

func readFromMap(m map[string]any) (*fromMap, error) {
	for _, name := range []string{"key", "value"} {
		if _, ok := m[name].(string); !ok {
			return nil, &schema.Error{Pointer: "/" + keywordListFromMap, Message: "missing field " + name}
		}
	}
	return &fromMap{m["key"].(string), m["value"].(string)}, nil
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// reading is what an object in a schema file is.
type reading int

const (
	aSchema reading = iota
	aPropertyMap
	data // an example, a default
)

// of tells what the member called name of an object read as r is.
func (r reading) of(name string) reading {
	switch {
	case r == data:
		return data
	case r == aPropertyMap:
		return aSchema
	case name == "properties":
		return aPropertyMap
	case name == "examples" || name == "default" || name == "const" || name == "enum" || name == keywordSpellings:
		return data
	}
	return aSchema
}

// decodeSchema reads a schema file as strictly as settings are read, and keeps
// the order of properties, which is the order of error messages and documentation.
func decodeSchema(text []byte) (any, error) { return decodeDocument(text, aSchema) }

// decodeStrict reads a document as strictly as settings are read.
func decodeStrict(text []byte) (any, error) { return decodeDocument(text, data) }

func decodeDocument(text []byte, as reading) (any, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(text))
	doc, err := decodeValue(dec, as)
	if err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return nil, errTrailing
	}
	return doc, nil
}

func decodeValue(dec *jsontext.Decoder, as reading) (any, error) {
	tok, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case '{':
		return decodeObject(dec, as)
	case '[':
		return decodeArray(dec, as)
	case '"':
		return tok.String(), nil
	case '0':
		return json.Number(tok.String()), nil
	case 't', 'f':
		return tok.Bool(), nil
	}
	return nil, nil
}

func decodeObject(dec *jsontext.Decoder, as reading) (any, error) {
	if dec.StackDepth() > maxDepth {
		return nil, errDepth
	}
	obj := map[string]any{}
	for dec.PeekKind() != '}' {
		tok, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		name := tok.String()
		order, _ := obj[keywordOrder].([]any)
		if obj[name], err = decodeValue(dec, as.of(name)); err != nil {
			return nil, err
		}
		if as == aPropertyMap {
			obj[keywordOrder] = append(order, name)
		}
	}
	if as == aSchema {
		liftOrder(obj)
	}
	_, err := dec.ReadToken()
	return obj, err
}

// liftOrder moves the order of properties from their map to the schema.
func liftOrder(schema map[string]any) {
	properties, _ := schema["properties"].(map[string]any)
	if order, ok := properties[keywordOrder]; ok {
		schema[keywordOrder] = order
		delete(properties, keywordOrder)
	}
}

func decodeArray(dec *jsontext.Decoder, as reading) (any, error) {
	if dec.StackDepth() > maxDepth {
		return nil, errDepth
	}
	list := []any{}
	for dec.PeekKind() != ']' {
		item, err := decodeValue(dec, as)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	_, err := dec.ReadToken()
	return list, err
}
