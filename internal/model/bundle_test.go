package model_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/model"
)

// editor is what a full implementation of JSON Schema makes of the schema of
// user data. Formats of ours are checked, as if editors knew them.
func editor(t testing.TB, schema json.RawMessage) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	for name, check := range model.Formats {
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: check})
	}
	c.AssertFormat()
	if err := c.AddResource("test:///schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("test:///schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// agree compares the verdicts of the host and of an editor on one document of settings.
func agree(t rapid.TB, m *model.Model, e *jsonschema.Schema, settings []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(settings))
	if err != nil {
		return // no document for either
	}
	if !telling(v) {
		return
	}
	_, refused := m.ParseJSON(settings)
	err = e.Validate(map[string]any{"settings": v})
	if (err == nil) != (refused == nil) {
		t.Errorf("%s: %s\n  the host: %v\n  an editor: %v", m.Variant(), settings, refused, err)
	}
}

// telling tells whether the two can agree on a value: TOML has no null, and JSON
// Schema knows 1.0 as the integer that TOML does not.
func telling(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case json.Number:
		return !strings.ContainsAny(v.String(), ".eE") && v != "-0" && len(v) < 19
	case []any:
		for _, element := range v {
			if !telling(element) {
				return false
			}
		}
	case map[string]any:
		for _, member := range v {
			if !telling(member) {
				return false
			}
		}
	}
	return true
}

// Forms that are stored as another one, and what looks like them and is none.
var forms = []string{
	`{"kubernetes":{"node-taints":{"x":"v:E"}}}`,
	`{"kubernetes":{"node-taints":{"x":["v:E",":F"]}}}`,
	`{"kubernetes":{"node-taints":{"x":"v"}}}`,
	`{"kubernetes":{"node-taints":{"x":[]}}}`,
	`{"kubernetes":{"node-taints":{"x":1}}}`,
	`{"kubernetes":{"node-labels":{"x":["v"]}}}`,
	`{"kubernetes":{"cloud-provider":""}}`,
	`{"kubernetes":{"image-gc-high-threshold-percent":"85"}}`,
	`{"kubernetes":{"image-gc-high-threshold-percent":"185"}}`,
	`{"kubernetes":{"image-gc-high-threshold-percent":101}}`,
	`{"kubernetes":{"cluster-dns-ip":["10.0.0.1","::1"]}}`,
	`{"kubernetes":{"cluster-dns-ip":["10.0.0.1","::x"]}}`,
	`{"container-registry":{"mirrors":{"docker.io":["https://m.example.com"],"*":[]}}}`,
	`{"container-registry":{"mirrors":{"a\nb":[]}}}`,
	`{"container-registry":{"mirrors":{"docker.io":"https://m.example.com"}}}`,
	`{"container-registry":{"mirrors":{"docker.io":{"endpoint":[]}}}}`,
	`{"container-registry":{"mirrors":{}}}`,
	`{"container-registry":{"mirrors":[{"registry":"docker.io"},{}]}}`,
	`{"container-registry":{"mirrors":[{"docker.io":[]}]}}`,
	`{"container-registry":{"mirrors":"docker.io"}}`,
	`{"container-registry":{"creds":[{"registry":"r","auth":"aGk="}]}}`,
	`{"container-registry":{"creds":{}}}`,
	`{"container-registry":{"creds":[],"credentials":[]}}`,
	`{"boot":{"kernel-parameters":{"a":["b"]},"init":{}}}`,
	`{"boot":{"kernel-parameters":{"a":["b"]},"kernel":{"a":["c"]}}}`,
	`{"boot":{"kernel-parameter":{}}}`,
	`{"oci-defaults":{"resource-limits":{"max-open-files":{"hard-limit":"unlimited","soft-limit":-1}}}}`,
	`{"oci-defaults":{"resource-limits":{"max-open-files":{"hard-limit":"limited","soft-limit":-1}}}}`,
	`{"kubernetes":{"credential-providers":{"a":{"enabled":true,"image-patterns":["*"],"environment":{"A B":"c"}}}}}`,
	`{"kubernetes":{"credential-providers":{"a":{"enabled":true}}}}`,
	`{"kubernetes":{"node-labels":{"` + strings.Repeat("a", 221) + `/b":"v"}}}`, // 255 bytes of key
	`{"kubernetes":{"node-labels":{"` + strings.Repeat("a", 222) + `/b":"v"}}}`,
	`{"kubernetes":{"node-labels":{"a.` + strings.Repeat("a", 217) + `/b":"v"}}}`, // with the quotes, 255
	`{"kubernetes":{"node-labels":{"a.` + strings.Repeat("a", 218) + `/b":"v"}}}`,
	`{"host-containers":{"":{"enabled":true}}}`,
	`{"kernel":{"sysctl":{"net/ipv4.x":"1"}}}`,
}

// TestEditorAgrees compares the verdicts on all forms, recorded values and defaults of every variant.
func TestEditorAgrees(t *testing.T) {
	names, err := model.Variants(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	vectors := readVectors(t)
	for _, variant := range names {
		m := load(t, variant)
		e := editor(t, m.UserDataSchema())
		for _, settings := range forms {
			agree(t, m, e, []byte(settings))
		}
		for _, v := range vectors {
			if m.Has(v.Path[0]) {
				agree(t, m, e, v.document(t))
			}
		}
		defaults, err := json.Marshal(nest(t, m.Defaults()))
		if err != nil {
			t.Fatal(err)
		}
		agree(t, m, e, defaults)
	}
}

// TestEditorKnowsOtherGroups: groups of others may say the same in other ways.
func TestEditorKnowsOtherGroups(t *testing.T) {
	m, err := model.Load(small(t, map[string]string{
		"models/colour/schema.json": `{"$schema":"https://json-schema.org/draft/2020-12/schema","$ref":"#/$defs/colours","$defs":{
			"word":{"type":"string","pattern":"^[a-z]*$"},
			"words":{"type":"array","items":{"$ref":"#/$defs/word"}},
			"pairs":{"type":"array","maxItems":2,"items":{"$ref":"#/$defs/pair"}},
			"pair":{"type":"object","properties":{"name":{"$ref":"#/$defs/word"},"shades":{"$ref":"#/$defs/words"}},"required":["name"],"additionalProperties":false},
			"colours":{"type":"object","required":["name"],"additionalProperties":false,"properties":{
				"name":{"$ref":"#/$defs/word","x-aliases":["nom","nome"]},
				"words":{"$ref":"#/$defs/words","x-list-from-one":true,"title":"Words"},
				"pairs":{"$ref":"#/$defs/pairs","minItems":1,"x-list-from-map":{"key":"name","value":"shades"}}}}}}`,
	}), "v")
	if err != nil {
		t.Fatal(err)
	}
	e := editor(t, m.UserDataSchema())
	for _, colour := range []string{
		`{"name":"a"}`, `{"nom":"a"}`, `{"nome":"a"}`, `{}`, `{"name":"A"}`, `{"nom":"A"}`, `{"name":"a","nome":"a"}`, `{"nom":"a","nome":"a"}`, `{"nomen":"a"}`,
		`{"name":"a","words":"b"}`, `{"name":"a","words":["b"]}`, `{"name":"a","words":"B"}`, `{"name":"a","words":[["b"]]}`,
		`{"name":"a","pairs":{"b":["c"]}}`, `{"name":"a","pairs":{"b":["C"]}}`, `{"name":"a","pairs":{"B":[]}}`, `{"name":"a","pairs":{"b":"c"}}`,
		`{"name":"a","pairs":{}}`, `{"name":"a","pairs":[]}`, `{"name":"a","pairs":{"b":[],"c":[],"d":[]}}`, `{"name":"a","pairs":[{"name":"b"}]}`, `{"name":"a","pairs":[{}]}`,
	} {
		agree(t, m, e, []byte(`{"colour":`+colour+`}`))
	}
}

// TestEditorKnowsMutations puts values where others stood, and names where
// others were, in documents that are accepted.
func TestEditorKnowsMutations(t *testing.T) {
	m := load(t, "aws-k8s")
	e := editor(t, m.UserDataSchema())
	documents := []any{nest(t, m.Defaults())}
	var values []any
	for _, v := range readVectors(t) {
		values = append(values, decoded(t, v.Value))
		if v.Accepted {
			documents = append(documents, decoded(t, v.document(t)))
		}
	}
	for _, settings := range forms {
		documents = append(documents, decoded(t, json.RawMessage(settings)))
	}
	rapid.Check(t, func(t *rapid.T) {
		mutated := mutate(t, rapid.SampledFrom(documents).Draw(t, "document"), rapid.SampledFrom(values))
		settings, err := json.Marshal(mutated)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, m, e, settings)
	})
}

// mutate copies v with one place changed.
func mutate(t *rapid.T, v any, values *rapid.Generator[any]) any {
	object, ok := v.(map[string]any)
	if !ok || len(object) == 0 || rapid.IntRange(0, 5).Draw(t, "here") == 0 {
		if ok {
			return map[string]any{rapid.SampledFrom(names).Draw(t, "name"): values.Draw(t, "value")}
		}
		return values.Draw(t, "value")
	}
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(object))).Draw(t, "member")
	copied := maps.Clone(object)
	copied[name] = mutate(t, object[name], values)
	return copied
}

var names = []string{"", "a", "a b", "a.b", "a/b", "creds", "credentials", "kernel", "kernel-parameters", "é", "\n", "mirrors", "enabled", "memory", strings.Repeat("a", 300)}
