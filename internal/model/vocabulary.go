package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Our keywords. They change how a value is told, shown and stored, and never
// whether it is valid, so the schema library only has to carry them.
const (
	keywordSecret      = "x-secret"
	keywordAliases     = "x-aliases"
	keywordListFromMap = "x-list-from-map"
	keywordMessage     = "x-message"
	keywordSpellings   = "x-spellings"

	// keywordOrder is added while reading: the order of "properties".
	keywordOrder = "x-order"
)

const vocabularyURL = schemaRoot + "vocabulary"

const vocabularySchema = `{
	"properties": {
		"x-secret": {"type": "boolean"},
		"x-aliases": {"type": "array", "items": {"type": "string"}},
		"x-list-from-map": {
			"type": "object",
			"properties": {"key": {"type": "string"}, "value": {"type": "string"}},
			"required": ["key", "value"],
			"additionalProperties": false
		},
		"x-message": {"type": "string"},
		"x-spellings": {"type": "object"},
		"x-order": {"type": "array"}
	}
}`

func newVocabulary() (*jsonschema.Vocabulary, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(vocabularySchema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(vocabularyURL, doc); err != nil {
		return nil, err
	}
	schema, err := c.Compile(vocabularyURL)
	if err != nil {
		return nil, err
	}
	return &jsonschema.Vocabulary{URL: vocabularyURL, Schema: schema, Compile: compileExtension}, nil
}

// extension is what our keywords say at one schema.
type extension struct {
	secret    bool
	aliases   []string
	fromMap   *fromMap
	message   string
	spellings map[string]json.RawMessage
	order     []string
}

// Validate does nothing: see the keywords.
func (*extension) Validate(*jsonschema.ValidatorContext, any) {}

// extensionOf finds our keywords at s.
func extensionOf(s *jsonschema.Schema) *extension {
	if s != nil {
		for _, e := range s.Extensions {
			if ours, ok := e.(*extension); ok {
				return ours
			}
		}
	}
	return &extension{}
}

func (e *extension) apply(n *node) {
	n.secret = n.secret || e.secret
	n.message = first(n.message, e.message)
	if n.fromMap == nil {
		n.fromMap = e.fromMap
	}
	if n.spellings == nil {
		n.spellings = e.spellings
	}
}

// compileExtension reads our keywords; their syntax has been checked.
func compileExtension(_ *jsonschema.CompilerContext, obj map[string]any) (jsonschema.SchemaExt, error) {
	if err := errors.Join(checkKeywords(obj), checkFormatName(obj)); err != nil {
		return nil, err
	}
	e := &extension{aliases: texts(obj[keywordAliases]), order: texts(obj[keywordOrder])}
	e.secret, _ = obj[keywordSecret].(bool)
	e.message, _ = obj[keywordMessage].(string)
	if m, ok := obj[keywordListFromMap].(map[string]any); ok {
		e.fromMap = &fromMap{m["key"].(string), m["value"].(string)}
	}
	spellings, _ := obj[keywordSpellings].(map[string]any)
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
	if e.empty() {
		return nil, nil
	}
	return e, nil
}

func (e *extension) empty() bool {
	return !e.secret && e.aliases == nil && e.fromMap == nil && e.message == "" && e.spellings == nil && e.order == nil
}

// keywords are those of JSON Schema 2020-12, and ours.
const keywords = "$schema $id $ref $anchor $dynamicRef $dynamicAnchor $vocabulary $comment $defs definitions " +
	"prefixItems items contains additionalProperties properties patternProperties dependentSchemas propertyNames " +
	"if then else allOf anyOf oneOf not unevaluatedItems unevaluatedProperties " +
	"type const enum multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern " +
	"maxItems minItems uniqueItems maxContains minContains maxProperties minProperties required dependentRequired " +
	"title description default deprecated readOnly writeOnly examples format contentEncoding contentMediaType contentSchema " +
	keywordSecret + " " + keywordAliases + " " + keywordListFromMap + " " + keywordMessage + " " + keywordSpellings + " " + keywordOrder

// checkKeywords refuses misspelt keywords, too: their rule would not hold, and
// what they call secret would be shown.
func checkKeywords(obj map[string]any) error {
	known := strings.Fields(keywords)
	for _, name := range slices.Sorted(maps.Keys(obj)) {
		if slices.Contains(known, name) {
			continue
		}
		return &wordFault{name, fmt.Sprintf("unknown keyword %q", name), didYouMean(nearest(name, known))}
	}
	return nil
}

// checkFormatName refuses a misspelt format of ours, which JSON Schema would ignore.
func checkFormatName(obj map[string]any) error {
	name, _ := obj["format"].(string)
	if !strings.HasPrefix(name, "hostler-") || name == commandFormat || formats[name] != nil {
		return nil
	}
	return &wordFault{name, fmt.Sprintf("unknown format %q", name), didYouMean(nearest(name, slices.Sorted(maps.Keys(formats))))}
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
