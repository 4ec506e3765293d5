package migration_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/migration"
)

// format writes a document as its program would answer it.
func format(t testing.TB, d *migration.Document) string {
	t.Helper()
	var out bytes.Buffer
	if err := d.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func parse(t testing.TB, text string) *migration.Document {
	t.Helper()
	d, err := migration.Parse([]byte(text))
	if err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	return d
}

func TestCanonicalForm(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"order, spaces, quotes": {
			`{ "live": {"metadata": {"settings.b": {"z": 1, "a": {"x" : 1}}}, "data": {"settings.b": [1, 2], "settings.\"a\"": "x"}}, "to": "1.1.0", "version": 1, "from": "1.0.0" }`,
			`{"version":1,"from":"1.0.0","to":"1.1.0","live":{"data":{"settings.a":"x","settings.b":[1, 2]},"layers":{"settings.a":"user","settings.b":"user"},"metadata":{"settings.b":{"a":{"x" : 1},"z":1}}}}`,
		},
		"quotes anywhere, values of every kind": {
			`{"version":1,"live":{"layers":{"\"0.\"":"us\u0065r"},"data":{"0\".\"":-1.5e+7,"\u0061":"\ud83d\ude00","b" : 10}}}`,
			`{"version":1,"from":"","to":"","live":{"data":{"\"0.\"":-1.5e+7,"a":"\ud83d\ude00","b":10},"layers":{"\"0.\"":"user","a":"user","b":"user"}}}`,
		},
		"os is dropped": {
			`{"version":1,"os":{"arch":"x86_64","later":1},"live":{}}`,
			`{"version":1,"from":"","to":"","live":{"data":{}}}`,
		},
		"unknown members stay": {
			`{"version":1,"zz":[1],"live":{"more":{"a":null},"data":{}},"aa":"x","pending":{"t":{"data":{},"strange":true}}}`,
			`{"version":1,"from":"","to":"","live":{"data":{},"more":{"a":null}},"pending":{"t":{"data":{},"strange":true}},"zz":[1],"aa":"x"}`,
		},
		"parts": {
			`{"version":1,"live":{},"pending":{"b":{"data":{"settings.x":1}},"":{}},"shadowed":{"user-data":{"data":{"settings.\"a.b\"":1}},"generated":{}}}`,
			`{"version":1,"from":"","to":"","live":{"data":{}},"shadowed":{"generated":{"data":{}},"user-data":{"data":{"settings.\"a.b\"":1}}},"pending":{"":{"data":{}},"b":{"data":{"settings.x":1}}}}`,
		},
		"layers": {
			`{"version":1,"live":{"data":{"settings.b":1,"settings.a":2},"layers":{"settings.b":"generated","settings.a":"user-data"}}}`,
			`{"version":1,"from":"","to":"","live":{"data":{"settings.a":2,"settings.b":1},"layers":{"settings.a":"user-data","settings.b":"generated"}}}`,
		},
	} {
		got := format(t, parse(t, tc.in))
		if diff := cmp.Diff(got, tc.want+"\n"); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
		if again := format(t, parse(t, got)); again != got {
			t.Errorf("%s: written again it is %s", name, again)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, why := range map[string]string{
		``:                                                    "it ends too early",
		`[]`:                                                  "expected an object, found [",
		`{"version":1,"live":{}} x`:                           "something follows the document",
		`{"version":1,"live":{}}{}`:                           "something follows the document",
		`{"version":1}`:                                       `member "live" is missing`,
		`{"live":{}}`:                                         "document has another format version: 0, not 1",
		`{"version":2,"live":{}}`:                             "document has another format version: 2, not 1",
		`{"version":"1","live":{}}`:                           "/version: json: cannot unmarshal string",
		`{"version":1,"version":1}`:                           `member "version" is there twice`,
		`{"version":1,"live":{"data":[]}}`:                    "/live/data: expected an object, found [",
		`{"version":1,"live":{"data":{"a"`:                    "it ends too early",
		`{"version":1,"live":{"data":{"a":`:                   "a: it ends too early",
		`{"version":1,"live":{"data":{"a":01}}}`:              "a: ",
		`{"version":1,"live":{"data":{"a":}}}`:                "a: /live/data: expected a value, found",
		`{"version":1,"live":{"data":{"a":"\ud800"}}}`:        "a: ",
		`{"version":1,"live":{"data":{"a":[1}}}`:              "a: ",
		`{"version":1,"live":{"data":{"a":1 "b":2}}}`:         "expected a comma or the end of the object, found string",
		`{"version":1,"live":{"data":{"a":1,}}}`:              "expected a name, found }",
		`{"version":1,"live":{"data":{"a" 1}}}`:               "expected a colon, found number",
		`{"version":1,"live":{"data":{"a b":1}}}`:             "invalid character in key: ' '",
		`{"version":1,"live":{"data":{"a..b":1}}}`:            "empty key segment",
		`{"version":1,"live":{"data":{"a.\"b\"":1,"a.b":2}}}`: "key a.b is there twice",
		`{"version":1,"live":{"data":{"a":1,"a":2}}}`:         "key a is there twice",
		`{"version":1,"live":{"data":{"a":1},"layers":{"a":"user","\"a\"":"user"}}}`: "key \"a\" has two layers",
		`{"version":1,"live":{"metadata":{"a":{"m":1,"m":1}}}}`:                      `member "m" is there twice`,
		`{"version":1,"live":{"metadata":{"a":{"m":1},"a":{"m":1}}}}`:                `key a is there twice`,
		`{"version":1,"live":{"data":{"a":{"x":1,"x":2}}}}`:                          "duplicate",
		`{"version":1,"live":{"data":{"a":1},"layers":{"b":"user"}}}`:                "key b has a layer, but no value",
		`{"version":1,"live":{"data":{"a":1},"layers":{"a":"default"}}}`:             `there is no layer "default"`,
		`{"version":1,"live":{"metadata":{"a":{"":1}}}}`:                             "name of a metadata of a has 0 bytes",
		`{"version":1,"live":{},"shadowed":{"user":{},"other":{}}}`:                  `there is no layer "other"`,
		`{"version":1,"live":{},"pending":{"` + strings.Repeat("n", 1025) + `":{}}}`: "name of a transaction has 1025 bytes",
		`{"version":1,"live":{"data":{"a":"` + strings.Repeat("v", 4<<20) + `"}}}`:   "value of a has 4194306 bytes",
		"{\"version\":1,\"live\":{\"data\":{\"a\":\"\xff\"}}}":                       "invalid UTF-8",
		`{"version":1,"live":{"data":{"` + strings.Repeat("k", 256) + `":1}}}`:       "beyond maximum length",
	} {
		_, err := migration.Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), why) || !strings.HasPrefix(err.Error(), "read document: ") {
			t.Errorf("%.100s: got error %v, want one with %q", text, err, why)
		}
	}
	if _, err := migration.Parse([]byte(`{"version":3,"live":{}}`)); !errors.Is(err, migration.ErrFormatVersion) {
		t.Errorf("version 3: %v", err)
	}
}

// What Read would refuse is refused when it is set, where it can still be told which step did it.
func TestSetRefusesWhatReadRefuses(t *testing.T) {
	for name, value := range map[string]any{
		"too long": strings.Repeat("v", migration.MaxValue), "twice": json.RawMessage(`{"a":1,"a":2}`), "not UTF-8": json.RawMessage("\"\xff\""),
	} {
		s := migration.NewStore()
		if err := s.Set("settings.a", value); err == nil || !strings.Contains(err.Error(), "value of settings.a ") {
			t.Errorf("value %s: %v", name, err)
		}
		if err := s.SetMetadata("settings.a", "m", value); err == nil || !strings.Contains(err.Error(), "value of settings.a (m) ") {
			t.Errorf("metadata %s: %v", name, err)
		}
		if s.Has("settings.a") || len(s.MetadataKeys()) > 0 {
			t.Errorf("%s: it was stored", name)
		}
	}
}

// What is read takes memory by its own size, however many parts stand before it.
func TestPartsTakeNoMoreThanTheyHave(t *testing.T) {
	var text strings.Builder
	text.WriteString(`{"version":1,"live":{},"pending":{`)
	for i := range migration.MaxTransactions - 1 {
		fmt.Fprintf(&text, `"t%d":{"data":{}},`, i)
	}
	text.WriteString(`"last":{"data":{"a":1}}},"more":"` + strings.Repeat("x", 1<<20) + `"}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := migration.Parse([]byte(text.String()))
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err != nil || took > 32<<20 {
		t.Errorf("it took %d bytes: %v", took, err)
	}
}

func TestAppendWithOS(t *testing.T) {
	d := migration.NewDocument("1.0.0", "1.1.0")
	d.OS = migration.OS{PrettyName: "Some OS <1>", VariantID: "metal-dev", VersionID: "1.1.0", BuildID: "b", Arch: "x86_64"}
	got, err := d.Append(nil, true)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"os":{"pretty_name":"Some OS <1>","variant_id":"metal-dev","version_id":"1.1.0","build_id":"b","arch":"x86_64"},"from":"1.0.0","to":"1.1.0","live":{"data":{}}}` + "\n"
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	if again := parse(t, string(got)); again.OS != d.OS {
		t.Errorf("os read back: %+v", again.OS)
	}
}
