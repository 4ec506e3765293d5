package model

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/key"
)

const dialect = "https://json-schema.org/draft/2020-12/schema"

// Schema is the JSON Schema 2020-12 of the settings document (what stands
// below [settings] in user data), self-contained: named types are in $defs. It
// accepts all forms that hosts accept. Formats that begin with hostler- are
// checked by hosts only; what JSON Schema can say of them stands beside them.
func (m *Model) Schema() json.RawMessage {
	b := bundle{model: m, used: map[string]bool{}}
	settings := b.settings("#")
	return json.RawMessage(append(object{{"$schema", quoted(dialect)}}, append(settings, entry{"$defs", b.types()})...).text())
}

// UserDataSchema is the JSON Schema of user data: a document with the table
// settings, and maybe tables for other programs.
func (m *Model) UserDataSchema() json.RawMessage {
	b := bundle{model: m, used: map[string]bool{}}
	settings := b.settings("#/properties/" + root)
	return json.RawMessage(object{
		{"$schema", quoted(dialect)},
		{"title", quoted("User data of variant " + m.variant)},
		{"type", quoted("object")},
		{"required", jsontext.Value(`["` + root + `"]`)},
		{"properties", object{{root, settings.text()}}.text()},
		{"$defs", b.types()},
	}.text())
}

// bundle joins schema files into one.
type bundle struct {
	model *Model
	used  map[string]bool // the named types that are referred to
}

// settings is the schema of all groups; it will stand at.
func (b *bundle) settings(at string) object {
	var groups object
	for _, group := range b.model.Groups() {
		p := site{file: path.Join("models", group, "schema.json"), at: at + "/properties/" + group, room: key.MaxLength - len(root)}
		groups = append(groups, entry{group, b.schema(b.model.files[p.file], p.below(group))})
	}
	return object{
		{"title", quoted("Settings of " + b.model.variant)},
		{"type", quoted("object")},
		{"additionalProperties", jsontext.Value("false")},
		{"properties", groups.text()},
	}
}

// types are the used types and those that they use, sorted by name.
func (b *bundle) types() jsontext.Value {
	defs := fields(fields(b.model.files[typesFile]).get("$defs"))
	done := map[string]jsontext.Value{}
	for len(done) < len(b.used) {
		for name := range maps.Clone(b.used) {
			if done[name] == nil {
				done[name] = b.schema(defs.get(name), site{file: typesFile, at: "#"})
			}
		}
	}
	var out object
	for _, name := range slices.Sorted(maps.Keys(done)) {
		out = append(out, entry{name, done[name]})
	}
	return out.text()
}

// site is where a schema is read and where it will stand.
type site struct {
	file string
	at   string // what the file's # is in the bundle
	room int    // how many bytes keys have left for what stands here, with the dot before it; 0: it is no part of a key
}

// below is the place of a member whose values are kept by keys of their own.
func (p site) below(name string) site {
	if p.room > 0 {
		k, _ := key.FromSegments(name)
		p.room = max(1, p.room-len(".")-len(k))
	}
	return p
}

// inside is a place that is no part of a key, such as an element of a list.
func (p site) inside() site {
	p.room = 0
	return p
}

// schema copies a schema in the order in which it is written, with references
// as they are in the bundle and all forms that are accepted.
func (b *bundle) schema(text jsontext.Value, p site) jsontext.Value {
	if text.Kind() != '{' {
		return text
	}
	in := fields(text)
	var out object
	for _, f := range in {
		if f.name != "$schema" {
			out = append(out, entry{f.name, b.keyword(f, p)})
		}
	}
	return out.describeFormat().nameKeys(p).alias().orForms(b.forms(in, p)).text()
}

// keyword copies the value of one keyword.
func (b *bundle) keyword(f entry, p site) jsontext.Value {
	switch f.name {
	case "$ref":
		return quoted(b.reference(unquoted(f.value), p))
	case "properties":
		return b.each(f.value, p.below)
	case "additionalProperties":
		return b.schema(f.value, p.below("x"))
	case "patternProperties", "$defs", "definitions", "dependentSchemas":
		return b.each(f.value, func(string) site { return p.inside() })
	case "allOf", "anyOf", "oneOf", "prefixItems":
		var all []jsontext.Value
		for _, sub := range elements(f.value) {
			all = append(all, b.schema(sub, p.inside()))
		}
		return list(all...)
	case "not", "if", "then", "else", "items", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties":
		return b.schema(f.value, p.inside())
	}
	return f.value
}

// each copies an object of schemas.
func (b *bundle) each(text jsontext.Value, at func(name string) site) jsontext.Value {
	var out object
	for _, f := range fields(text) {
		out = append(out, entry{f.name, b.schema(f.value, at(f.name))})
	}
	return out.text()
}

func (b *bundle) reference(ref string, p site) string {
	if name, ok := strings.CutPrefix(ref, "../types.json#/$defs/"); ok {
		b.used[name] = true
		return "#/$defs/" + name
	}
	if name, ok := strings.CutPrefix(ref, "#/$defs/"); ok && p.file == typesFile {
		b.used[name] = true
	}
	return p.at + strings.TrimPrefix(ref, "#")
}
