package model

import (
	"bytes"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Schema is the JSON Schema 2020-12 of the settings document (what stands
// below [settings] in user data), self-contained: named types are in $defs.
// Formats that begin with hostler- are checked by the server only.
func (m *Model) Schema() json.RawMessage {
	b := bundle{used: map[string]bool{}}
	properties := jsontext.Value(`{`)
	for i, group := range m.Groups() {
		if i > 0 {
			properties = append(properties, ',')
		}
		properties, _ = jsontext.AppendQuote(properties, group)
		properties = append(append(properties, ':'), b.rewrite(m.files[path.Join("models", group, "schema.json")], "#/properties/"+group)...)
	}
	properties = append(properties, '}')

	title, _ := jsontext.AppendQuote([]byte(nil), "Settings of "+m.variant)
	out := []byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema","title":`)
	out = append(append(out, title...), `,"type":"object","additionalProperties":false,"properties":`...)
	out = append(append(out, properties...), `,"$defs":`...)
	return append(append(out, b.types(m.files[typesFile])...), '}')
}

// bundle joins schema files into one.
type bundle struct {
	used map[string]bool // the named types that are referred to
}

// types are the used types and those that they use, sorted by name.
func (b *bundle) types(file []byte) []byte {
	var doc struct {
		Defs map[string]jsontext.Value `json:"$defs"`
	}
	if err := json.Unmarshal(file, &doc); err != nil {
		return []byte("{}") // Load has read the file
	}
	done := map[string][]byte{}
	for len(done) < len(b.used) {
		for name := range maps.Clone(b.used) {
			if done[name] == nil {
				done[name] = b.rewrite(doc.Defs[name], "#")
			}
		}
	}
	out := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(done)) {
		if i > 0 {
			out = append(out, ',')
		}
		out, _ = jsontext.AppendQuote(out, name)
		out = append(append(out, ':'), done[name]...)
	}
	return append(out, '}')
}

// rewrite copies a schema compactly, token by token to keep its order, with
// references as they are in the bundle. The schema's own root becomes at.
func (b *bundle) rewrite(schema []byte, at string) []byte {
	var out bytes.Buffer
	dec, enc := jsontext.NewDecoder(bytes.NewReader(schema)), jsontext.NewEncoder(&out)
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			return bytes.TrimSpace(out.Bytes())
		}
		kind, length := dec.StackIndex(dec.StackDepth())
		if isName := kind == '{' && length%2 == 1 && tok.Kind() == '"'; isName && dec.StackDepth() == 1 && tok.String() == "$schema" {
			_ = dec.SkipValue()
			continue
		}
		if reference(dec, tok) {
			tok = jsontext.String(b.reference(tok.String(), at))
		}
		_ = enc.WriteToken(tok) // to memory, of a document that was read before
	}
}

// reference tells whether tok, just read, is the value of "$ref".
func reference(dec *jsontext.Decoder, tok jsontext.Token) bool {
	kind, length := dec.StackIndex(dec.StackDepth())
	return kind == '{' && length%2 == 0 && tok.Kind() == '"' && dec.StackPointer().LastToken() == "$ref"
}

func (b *bundle) reference(ref, at string) string {
	if name, ok := strings.CutPrefix(ref, "../types.json#/$defs/"); ok {
		b.used[name] = true
		return "#/$defs/" + name
	}
	if name, ok := strings.CutPrefix(ref, "#/$defs/"); ok && at == "#" {
		b.used[name] = true
	}
	return at + strings.TrimPrefix(ref, "#")
}
