package model_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
)

// violations are what err tells, a line each.
func violations(t testing.TB, err error) []string {
	t.Helper()
	var e *model.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *model.Error", err)
	}
	var lines []string
	for _, v := range e.Violations {
		lines = append(lines, v.String())
	}
	return lines
}

func hints(t testing.TB, err error) string {
	t.Helper()
	var e *model.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *model.Error", err)
	}
	return e.Violations[0].Hint
}

func pairTexts(pairs []key.Pair) []string {
	var lines []string
	for _, p := range pairs {
		lines = append(lines, string(p.Key)+" = "+string(p.Value))
	}
	return lines
}

func TestParseJSON(t *testing.T) {
	m := load(t, "aws-dev")
	for doc, want := range map[string][]string{
		`{}`:                                nil,
		` {"motd" : "a" } `:                 {`settings.motd = "a"`},
		`{"motd":null,"ntp":{}}`:            nil,
		`{"motd":"\u017elu\u0165 \/ <&>"}`:  {`settings.motd = "žluť / <&>"`},
		`{"motd":"a\u0000b\n\u001f\u2028"}`: {`settings.motd = "a\u0000b\n\u001f` + "\u2028\""},
		`{"updates":{"seed":7,"ignore-waves":false,"version-lock":null}}`: {
			`settings.updates.ignore-waves = false`, `settings.updates.seed = 7`,
		},
		`{"kernel":{"sysctl":{"vm.max_map_count":"1","a":"2"},"modules":{"x":{}}}}`: {
			`settings.kernel.sysctl."vm.max_map_count" = "1"`, `settings.kernel.sysctl.a = "2"`,
		},
		`{"boot":{"kernel-parameters":{"a.b":["c"]},"init":{"d":[]}}}`: {
			`settings.boot.init.d = []`, `settings.boot.kernel."a.b" = ["c"]`,
		},
		`{"container-registry":{"mirrors":{"b":["c","d"],"a":[]},"creds":[{"registry":null,"username":"u"},{}]}}`: {
			`settings.container-registry.credentials = [{"username":"u"},{}]`,
			`settings.container-registry.mirrors = [{"registry":"b","endpoint":["c","d"]},{"registry":"a","endpoint":[]}]`,
		},
		`{"container-registry":{"credentials":[{"auth":"","password":"p","registry":"r"}]}}`: {
			`settings.container-registry.credentials = [{"registry":"r","password":"p","auth":""}]`,
		},
		`{"container-registry":{"mirrors":{}}}`:             {`settings.container-registry.mirrors = []`},
		`{"network":{"hosts":[ ["::1", ["a" , "b"] ] ] } }`: {`settings.network.hosts = [["::1",["a","b"]]]`},
	} {
		pairs, err := m.ParseJSON([]byte(doc))
		if err != nil {
			t.Errorf("%s: %v", doc, err)
			continue
		}
		if diff := cmp.Diff(pairTexts(pairs), want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", doc, diff)
		}
	}
}

func TestParseJSONRefuses(t *testing.T) {
	m := load(t, "aws-dev")
	deep := strings.Repeat(`[`, 200) + strings.Repeat(`]`, 200)
	for doc, want := range map[string][]string{
		"":                                {"EOF while parsing a value at line 1 column 1"},
		" \n":                             {"EOF while parsing a value at line 2 column 1"},
		"{bad":                            {"invalid JSON: invalid character 'b' at start of value at line 1 column 2"},
		`{"motd":"a"`:                     {"EOF while parsing at line 1 column 12"},
		`{"motd":"a"} x`:                  {"trailing characters at line 1 column 13"},
		`{"motd":"a"} {}`:                 {"trailing characters at line 1 column 15"},
		"\uFEFF{}":                        {"expected value at line 1 column 1"},
		`{"motd":"a","motd":"b"}`:         {"duplicate field `motd` at line 1 column 13"},
		`{"pki":{"a":{},"a":{}}}`:         {"duplicate field `a` at line 1 column 16"},
		`{"nosuch":{"a":1,"a":1}}`:        {"duplicate field `a` at line 1 column 18"},
		"{\"motd\":\"\xff\"}":             {"invalid JSON: invalid UTF-8 at line 1 column 10"},
		`{"motd":"\ud800"}`:               {"invalid JSON: invalid surrogate pair at line 1 column 10"},
		`{"motd":` + deep + `}`:           {"recursion limit exceeded at line 1 column 137"},
		`{"nosuch":` + deep + `}`:         {"recursion limit exceeded at line 1 column 139"},
		`null`:                            {"settings: invalid type: null, expected struct Settings at line 1 column 1"},
		`[]`:                              {"settings: invalid type: sequence, expected struct Settings at line 1 column 1"},
		`"motd"`:                          {`settings: invalid type: string "motd", expected struct Settings at line 1 column 1`},
		`{"motd":1}`:                      {"settings.motd: invalid type: integer `1`, expected a string at line 1 column 9"},
		`{"motd":1.5}`:                    {"settings.motd: invalid type: floating point `1.5`, expected a string at line 1 column 9"},
		`{"updates":{"seed":-0}}`:         {"settings.updates.seed: invalid type: floating point `-0`, expected u32 at line 1 column 20"},
		`{"updates":{"seed":1e400}}`:      {"settings.updates.seed: invalid type: floating point `1e400`, expected u32 at line 1 column 20"},
		`{"updates":{"seed":4294967296}}`: {"settings.updates.seed: invalid value: integer `4294967296`, expected u32, at most 4294967295 at line 1 column 20"},
		`{"updates":{"seed":99999999999999999999}}`: {
			"settings.updates.seed: invalid value: integer `99999999999999999999`, expected u32 at line 1 column 20",
		},
		`{"host-containers":{"a":null}}`: {"settings.host-containers.a: invalid type: null, expected struct HostContainer at line 1 column 25"},
		`{"boot":{"kernel":{"a":null}}}`: {"settings.boot.kernel.a: invalid type: null, expected a sequence at line 1 column 24"},
		`{"ntp":{"options":[null]}}`:     {"settings.ntp.options[0]: invalid type: null, expected a string at line 1 column 20"},
		`{"pki":{"":{"trusted":true}}}`: {
			`settings.pki."".trusted: Error creating valid datastore key: Key name '' has invalid format: empty key segment at line 1 column 23`,
		},
		`{"boot":{"kernel":{"a":[]},"kernel-parameters":{"b":[]}}}`: {"settings.boot.kernel: duplicate field `kernel` at line 1 column 28"},
		"{\n  \"ntp\": {\n    \"nosuch\": [1, {}],\n    \"options\": \"ž\",\n    \"time-servers\": [\"a\", \"\"]\n  },\n  \"motd\": false\n}": {
			"settings.ntp.nosuch: unknown field `nosuch`, expected `time-servers` or `options` at line 3 column 5",
			`settings.ntp.options: invalid type: string "ž", expected a sequence at line 4 column 16`,
			"settings.ntp.time-servers[1]: Unable to deserialize into Url: Given invalid URL '': it is empty at line 5 column 27",
			"settings.motd: invalid type: boolean `false`, expected a string at line 7 column 11",
		},
		`{"container-registry":{"mirrors":"x"}}`: {`settings.container-registry.mirrors: invalid type: string "x", expected an array or a table at line 1 column 34`},
		`{"container-registry":{"mirrors":{"a\nb":["c"]}}}`: {
			"settings.container-registry.mirrors.\"a\\nb\": Unable to deserialize into SingleLineString: Can't create SingleLineString containing line terminator at line 1 column 35",
		},
	} {
		pairs, err := m.ParseJSON([]byte(doc))
		if err == nil {
			t.Errorf("%.80q: accepted as %v", doc, pairs)
			continue
		}
		if diff := cmp.Diff(violations(t, err), want); diff != "" {
			t.Errorf("%.80q (-got +want):\n%s", doc, diff)
		}
	}
}

func TestHints(t *testing.T) {
	m := load(t, "aws-dev")
	for doc, want := range map[string]string{
		`{"motd":1}`:                                            `write it in quotes: "1"`,
		`{"ntp":{"options":"a"}}`:                               `write a list: ["a"]`,
		`{"updates":{"seed":"7"}}`:                              `write it without quotes: 7`,
		`{"updates":{"ignore-waves":"true"}}`:                   `write it without quotes: true`,
		`{"updates":{"ignore-waves":1}}`:                        `give true or false`,
		`{"ntp":{"time-server":[]}}`:                            `did you mean settings.ntp.time-servers?`,
		`{"ntp":{"servers":[]}}`:                                `did you mean settings.ntp.time-servers?`,
		`{"hostname":"a"}`:                                      `did you mean settings.network.hostname?`,
		`{"settings":{"motd":"a"}}`:                             `give what is inside of settings, without settings around it`,
		`{"host-containers":{"a":{"enable":1}}}`:                `did you mean settings.host-containers.a.enabled?`,
		`{"container-registry":{"mirrors":[{"endpoints":[]}]}}`: `did you mean endpoint?`,
		`{"kernel":{"lockdown":"off"}}`:                         `Lockdown: none, integrity or confidentiality. For example: "integrity"`,
		`{"` + strings.Repeat("x", 300) + `":1}`:                ``,
	} {
		_, err := m.ParseJSON([]byte(doc))
		if got := hints(t, err); got != want {
			t.Errorf("%.80s: hint %q, want %q", doc, got, want)
		}
	}
}

// TestSecretsAreNotTold looks for a secret in everything that an error says.
func TestSecretsAreNotTold(t *testing.T) {
	m := load(t, "aws-dev")
	const secret = "hunter2"
	for _, doc := range []string{
		`{"network":{"https-proxy":"hunter2 b"}}`,
		`{"network":{"https-proxy":["hunter2"]}}`,
		`{"aws":{"credentials":"hunter2!"}}`,
		`{"container-registry":{"credentials":"hunter2"}}`,
		`{"container-registry":{"credentials":[{"password":"hunter2\n"}]}}`,
		`{"container-registry":{"credentials":[{"auth":"hunter2!"}]}}`,
		`{"container-registry":{"credentials":[["hunter2"]]}}`,
		`{"container-registry":{"credentials":[{"password":"hunter2\ud800hunter2"}]}}`,
		`{"container-registry":{"credentials":[{"password":"hunter2`,
		`{"host-containers":{"a":{"user-data":"hunter2!"}}}`,
	} {
		_, err := m.ParseJSON([]byte(doc))
		var e *model.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v", doc, err)
			continue
		}
		if text := fmt.Sprintf("%v %+v %+v", err, e.Violations, e.API()); strings.Contains(text, secret) {
			t.Errorf("%s: told in %s", doc, text)
		}
	}
}

func TestErrorAPI(t *testing.T) {
	m := load(t, "aws-dev")
	for doc, want := range map[string]api.Error{
		`{"motd":1,"nosuch":2}`: {
			Code: api.CodeInvalidValue, Key: "settings.motd", Hint: `write it in quotes: "1"`,
			Message: "settings.motd: invalid type: integer `1`, expected a string at line 1 column 9 (and 1 more: settings.nosuch)",
		},
		`{"motd":1,"a":1,"b":1,"c":1,"d":1}`: {
			Code: api.CodeInvalidValue, Key: "settings.motd", Hint: `write it in quotes: "1"`,
			Message: "settings.motd: invalid type: integer `1`, expected a string at line 1 column 9 (and 4 more: settings.a, settings.b, settings.c, …)",
		},
		`{"ntp":{"option":2}}`: {
			Code: api.CodeUnknownKey, Key: "settings.ntp.option", Hint: "did you mean settings.ntp.options?",
			Message: "settings.ntp.option: unknown field `option`, expected `time-servers` or `options` at line 1 column 9",
		},
		``: {Code: api.CodeInvalid, Message: "EOF while parsing a value at line 1 column 1", Hint: "the document is empty"},
	} {
		_, err := m.ParseJSON([]byte(doc))
		if diff := cmp.Diff(api.AsError(err), &want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", doc, diff)
		}
	}
}

// TestHostile feeds bodies of the largest size that the API takes, and smaller
// ones of many elements, which take a second at full size under the race
// detector. A bound is set by the deadline of the whole test only.
func TestHostile(t *testing.T) {
	m := load(t, "aws-dev")
	const size, many = 2 << 20, 1 << 17
	fill := func(prefix, unit, suffix string) []byte {
		n := (size - len(prefix) - len(suffix)) / len(unit)
		if len(unit) > 5 {
			n = many / len(unit)
		}
		return []byte(prefix + strings.Repeat(unit, n) + suffix)
	}
	numbered := func(format string) []byte {
		var b strings.Builder
		for i := 0; b.Len() < many; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return []byte(strings.TrimSuffix(b.String(), ","))
	}
	wrap := func(prefix string, body []byte, suffix string) []byte {
		return slices.Concat([]byte(prefix), body, []byte(suffix))
	}
	for name, c := range map[string]struct {
		doc []byte
		ok  bool
	}{
		"long text":         {fill(`{"motd":"`, "x", `"}`), true},
		"many elements":     {fill(`{"ntp":{"options":["a"`, `,"a"`, `]}}`), true},
		"many URLs":         {fill(`{"ntp":{"time-servers":["a"`, `,"a.example"`, `]}}`), true},
		"many bad URLs":     {fill(`{"ntp":{"time-servers":[""`, `,""`, `]}}`), false},
		"many names":        {wrap(`{"kernel":{"sysctl":{`, numbered(`"a%d":"1",`), `}}}`), true},
		"many unknown":      {wrap(`{`, numbered(`"a%d":1,`), `}`), false},
		"long name":         {fill(`{"`, "x", `":1}`), false},
		"long map name":     {fill(`{"pki":{"`, "x", `":{"trusted":true}}}`), false},
		"long URL":          {fill(`{"updates":{"metadata-base-url":"`, "x", `"}}`), true},
		"long bad URL":      {fill(`{"updates":{"metadata-base-url":"`, "x ", `"}}`), false},
		"long base64":       {fill(`{"aws":{"config":"`, "AAAA", `"}}`), true},
		"long integer":      {fill(`{"updates":{"seed":1`, "0", `}}`), false},
		"long exponent":     {[]byte(`{"updates":{"seed":1e999999999}}`), false},
		"deep":              {fill(`{"motd":`, "[", ``), false},
		"deep unknown":      {fill(`{"a":`, `{"a":`, ``), false},
		"spaces":            {fill(`{`, " ", `}`), true},
		"mirrors as a map":  {wrap(`{"container-registry":{"mirrors":{`, numbered(`"a%d":["b"],`), `}}}`), true},
		"hosts":             {fill(`{"network":{"hosts":[["::1",["a"]]`, `,["::1",["a"]]`, `]}}`), true},
		"certificate chaff": {fill(`{"pki":{"a":{"data":"`, "LS0tLS1CRUdJTiBD", `"}}}`), false},
		"long version":      {fill(`{"updates":{"version-lock":"1.2.3-`, "a", `"}}`), true},
		"nesting at limit":  {[]byte(`{"nosuch":` + strings.Repeat("[", 126) + strings.Repeat("]", 126) + `}`), false},
	} {
		pairs, err := m.ParseJSON(c.doc)
		if (err == nil) != c.ok {
			t.Errorf("%s: got %d pairs, %.200v; want accepted %v", name, len(pairs), err, c.ok)
		}
		if err != nil && len(err.Error()) > 100_000 {
			t.Errorf("%s: message of %d bytes", name, len(err.Error()))
		}
	}
}

func TestParseTree(t *testing.T) {
	m := load(t, "aws-dev")
	pairs, err := m.ParseTree(map[string]any{
		"motd": "a", "ntp": map[string]any{"options": []any{"b"}},
		"updates": map[string]any{"seed": int64(7), "ignore-waves": true, "version-lock": nil},
	})
	want := []string{
		`settings.motd = "a"`, `settings.ntp.options = ["b"]`, `settings.updates.ignore-waves = true`, `settings.updates.seed = 7`,
	}
	if diff := cmp.Diff(pairTexts(pairs), want); diff != "" || err != nil {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
	for want, doc := range map[string]map[string]any{
		"settings.updates.seed: invalid type: floating point `1.0`, expected u32":                        {"updates": map[string]any{"seed": 1.0}},
		"settings.updates.seed: invalid type: floating point `1e+06`, expected u32":                      {"updates": map[string]any{"seed": json.Number("1e+06")}},
		"settings.motd: invalid type: struct {}, expected a string, number, boolean, sequence or map":    {"motd": struct{}{}},
		"settings.motd: invalid type: date or time, expected a string, number, boolean, sequence or map": {"motd": toml.LocalDate{Year: 2026, Month: 1, Day: 1}},
		"settings.ntp.options[0]: invalid type: date or time, expected a string":                         {"ntp": map[string]any{"options": []any{time.Time{}}}},
		"settings.motd: invalid UTF-8":            {"motd": "\xff"},
		"settings.ntp.options[0]: invalid UTF-8":  {"ntp": map[string]any{"options": []any{"\xff"}}},
		"settings.motd: invalid JSON":             {"motd": json.Number("x")},
		"settings.motd: recursion limit exceeded": {"motd": nestedList(1000)},
	} {
		_, err := m.ParseTree(doc)
		var e *model.Error
		if !errors.As(err, &e) || e.Violations[0].Message == "" || !strings.Contains(e.Violations[0].String(), want[strings.Index(want, ": "):]) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func nestedList(depth int) any {
	var v any
	for range depth {
		v = []any{v}
	}
	return v
}

func TestCheck(t *testing.T) {
	m := load(t, "aws-dev")
	for _, tc := range []struct {
		key, value string
		ok         bool
	}{
		{"settings.motd", `"a"`, true},
		{"settings.motd", `1`, false},
		{"settings.motd", ``, false},
		{"settings.motd", `null`, false},
		{"settings.motd", `"a" "b"`, false},
		{`settings.kernel.sysctl."a.b"`, `"1"`, true},
		{`settings.kernel.sysctl.".b"`, `"1"`, false},
		{"settings.host-containers.a", `{"enabled":true}`, false},
		{"settings.ntp", `{}`, false},
		{"settings.nosuch", `1`, false},
		{"services.motd", `1`, false},
		{"settings.container-registry.credentials", `[{"password":"a"}]`, true},
	} {
		err := m.Check(key.Pair{Key: key.Key(tc.key), Value: json.RawMessage(tc.value)})
		if (err == nil) != tc.ok {
			t.Errorf("Check(%s = %s): %v", tc.key, tc.value, err)
		}
	}
}

// FuzzParseJSON: nothing breaks; what is accepted is accepted again in its
// stored form, with the same result; every leaf passes on its own.
func FuzzParseJSON(f *testing.F) {
	m := load(f, "aws-dev")
	for _, v := range readVectors(f) {
		f.Add(v.document(f))
	}
	f.Add([]byte(`{"boot":{"kernel-parameters":{"a":["b"]}},"container-registry":{"mirrors":{"a":["b"]}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		pairs, err := m.ParseJSON(doc)
		if err != nil {
			if len(violations(t, err)) == 0 {
				t.Fatal("an error without violations")
			}
			return
		}
		sameAgain(t, m, pairs)
	})
}

func sameAgain(t testing.TB, m *model.Model, pairs []key.Pair) {
	t.Helper()
	again, err := m.ParseTree(nestRaw(pairs))
	if err != nil {
		t.Fatalf("the stored form is refused: %v", err)
	}
	if diff := cmp.Diff(pairTexts(again), pairTexts(pairs)); diff != "" {
		t.Fatalf("the stored form is not stable (-again +first):\n%s", diff)
	}
	for _, p := range pairs {
		if err := m.Check(p); err != nil {
			t.Fatalf("%s = %s: %v", p.Key, p.Value, err)
		}
	}
}

// nestRaw makes a document of pairs, with the values as they are.
func nestRaw(pairs []key.Pair) map[string]any {
	tree := map[string]any{}
	for _, p := range pairs {
		at := tree
		path := p.Key.Segments()[1:]
		for _, name := range path[:len(path)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		at[path[len(path)-1]] = p.Value
	}
	return tree
}

// documents draws valid settings documents.
func documents() *rapid.Generator[map[string]any] {
	text := rapid.StringN(0, 12, -1)
	word := rapid.StringMatching(`[a-z][a-z0-9]{0,8}`)
	list := rapid.SliceOfN(word, 0, 3)
	maybe := func(g *rapid.Generator[any]) *rapid.Generator[any] { return rapid.OneOf(g, rapid.Just[any](nil)) }
	return rapid.Custom(func(t *rapid.T) map[string]any {
		return map[string]any{
			"motd":    maybe(text.AsAny()).Draw(t, "motd"),
			"ntp":     map[string]any{"time-servers": list.Draw(t, "servers"), "options": maybe(list.AsAny()).Draw(t, "options")},
			"updates": map[string]any{"seed": rapid.Uint32().Draw(t, "seed"), "ignore-waves": rapid.Bool().Draw(t, "waves")},
			"kernel":  map[string]any{"sysctl": rapid.MapOfN(rapid.StringMatching(`[a-z]{1,5}(\.[a-z]{1,5})?`), text, 0, 3).Draw(t, "sysctl")},
			"boot":    map[string]any{"kernel-parameters": rapid.MapOfN(word, list, 0, 2).Draw(t, "parameters")},
			"container-registry": map[string]any{
				"mirrors": rapid.MapOfN(word, list, 0, 2).Draw(t, "mirrors"),
			},
		}
	})
}

func TestRoundTrip(t *testing.T) {
	m := load(t, "aws-dev")
	rapid.Check(t, func(t *rapid.T) {
		doc, err := json.Marshal(documents().Draw(t, "document"))
		if err != nil {
			t.Fatal(err)
		}
		pairs, err := m.ParseJSON(doc)
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		if !slices.IsSortedFunc(pairs, func(a, b key.Pair) int { return strings.Compare(string(a.Key), string(b.Key)) }) {
			t.Fatalf("not sorted: %v", pairTexts(pairs))
		}
		var texts []string
		for _, p := range pairs {
			texts = append(texts, string(p.Key)+"="+pairText(p.Value))
		}
		typed, err := m.ParsePairs(texts)
		if err != nil {
			t.Fatalf("%q: %v", texts, err)
		}
		if diff := cmp.Diff(pairTexts(typed), pairTexts(pairs)); diff != "" {
			t.Fatalf("key=value differs (-pairs +JSON):\n%s", diff)
		}
	})
}

// pairText is how a value is given in key=value: strings as they stand.
func pairText(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil && value[0] == '"' {
		return s
	}
	return string(value)
}
