package apiclient

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestCheckJSON(t *testing.T) {
	tests := map[string]string{
		`{"a": [1, null]}`:  "",
		` 1 `:               "",
		"":                  "the text ends too early at line 1 column 1",
		"{\n  \"a\": 1,\n}": "invalid character '}' at start of string (expecting '\"') at line 3 column 1",
		`{"a": 1, "a": 2}`:  "duplicate object member name at line 1 column 10",
		"[1] 2":             "text after the document at line 1 column 6",
		"{\"a\": \"\xff\"}": "invalid UTF-8 at line 1 column 8",
		`{"a": "x`:          "the text ends too early at line 1 column 9",
		"{\"é\": tru}":      "invalid character '}' in literal true (expecting 'e') at line 1 column 11",
	}
	for text, want := range tests {
		got := ""
		if err := checkJSON([]byte(text)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestParseInline(t *testing.T) {
	tests := map[string]string{
		`{"motd": "x"}`:                                   `{"motd":"x"}`,
		`{"settings": {"motd": "x"}, "ntp": {}}`:          `{"motd":"x","ntp":{}}`,
		`{"settings": {"a": {"b": 1}}, "a": {"c": 1.50}}`: `{"a":{"b":1,"c":1.50}}`,
		`{"settings": 1}`:                                 "JSON 'settings' value must be an object (map)",
		`"x"`:                                             "JSON input must be an object (map)",
	}
	for text, want := range tests {
		got, err := parseInline([]byte(text))
		if err != nil {
			got = json.RawMessage(err.Error())
		}
		if string(got) != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// Merging an answer with a part of itself changes nothing.
func TestMergeIsIdempotent(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c"})
	var tree func(depth int) *rapid.Generator[any]
	tree = func(depth int) *rapid.Generator[any] {
		leaf := rapid.OneOf(rapid.Just[any]("x"), rapid.Just[any](json.Number("1")), rapid.Just[any]([]any{"y"}))
		if depth == 0 {
			return leaf
		}
		return rapid.OneOf(leaf, rapid.MapOfN(name, tree(depth-1), 0, 3).AsAny())
	}
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.MapOfN(name, tree(2), 0, 3).Draw(t, "tree")
		want := clone(whole)
		merge(whole, clone(whole).(map[string]any))
		if diff := cmp.Diff(any(whole), want); diff != "" {
			t.Errorf("got - want +:\n%s", diff)
		}
	})
}

func clone(tree any) any {
	object, ok := tree.(map[string]any)
	if !ok {
		return tree
	}
	copied := map[string]any{}
	for name, value := range object {
		copied[name] = clone(value)
	}
	return copied
}

// Whatever document comes, it is refused in words or can be sent as JSON.
func FuzzParseDocument(f *testing.F) {
	for _, seed := range []string{
		"", "[settings]\nmotd = \"x\"\n", `{"settings": {"motd": "x"}}`, "[settings]\na = 1979-05-27\n",
		"[settings]\na = inf\n", "settings = [1]", "[[settings]]", "[settings.\"a.b\"]\nc = 1_000\n", `{"settings": {"a": 1e400}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		settings, err := parseDocument("-", text)
		if err != nil {
			if !strings.Contains(err.Error(), "'-'") {
				t.Errorf("%q: the source is not named: %v", text, err)
			}
			return
		}
		if _, err := combined([]document{{"-", settings}}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// A name of very many parts is refused at once, not after minutes.
func TestDeepTOML(t *testing.T) {
	began := time.Now()
	_, err := parseDocument("deep", []byte("[settings."+strings.Repeat("a.", 20000)+"b]\nx = 1\n"))
	if err == nil || !strings.Contains(err.Error(), "Input 'deep' is nested more than 128 deep, at settings.a.a.") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
