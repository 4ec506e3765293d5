package manifest

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func version(t testing.TB, text string) Version {
	t.Helper()
	v, err := ParseVersion(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// equal compares versions as such.
var equal = cmp.Comparer(func(a, b Version) bool { return a == b })

// reference.json was written by the reference's tools.
func TestReferenceManifestIsRewrittenByteForByte(t *testing.T) {
	text, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Format()
	if diff := cmp.Diff(string(got), string(text)); err != nil || diff != "" {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
	if len(m.Updates) != 2 || len(m.Updates[1].Waves) != 3 || m.Migrations[0].Targets[0] != "migrate_v1.21.0_example.lz4" {
		t.Errorf("got %+v", m)
	}
}

// one is a manifest with one release, in which a test replaces something.
const one = `{"updates": [{"variant": "v", "arch": "x86_64", "version": "1.2.0", "max_version": "1.3.0", "extra": [1],
 "waves": {"20": "2019-8-06T5:00:00+02:00", "3": "2019-08-06T00:00:00.5Z"}, "images": {"boot": "b", "root": "r", "hash": "h", "x": null}}],
 "migrations": {"(1.10.0, 1.11.0)": [], "(1.2.0,  1.3.0)": ["m"]}, "unknown": {}}`

const oneFormatted = `{
  "updates": [
    {
      "variant": "v",
      "arch": "x86_64",
      "version": "1.2.0",
      "max_version": "1.3.0",
      "waves": {
        "3": "2019-08-06T00:00:00.500Z",
        "20": "2019-08-06T03:00:00Z"
      },
      "images": {
        "boot": "b",
        "root": "r",
        "hash": "h"
      }
    }
  ],
  "migrations": {
    "(1.10.0, 1.11.0)": [],
    "(1.2.0, 1.3.0)": [
      "m"
    ]
  }
}`

func TestParseAndFormat(t *testing.T) {
	for text, want := range map[string]string{
		one:                                 oneFormatted,
		`{"migrations": {}, "updates": []}`: "{\n  \"updates\": [],\n  \"migrations\": {}\n}",
	} {
		m, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Format()
		if diff := cmp.Diff(string(got), want); err != nil || diff != "" {
			t.Errorf("%v (-got +want):\n%s", err, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"no object", one, `[]`, "expected an object"},
		{"nothing", one, ``, "EOF"},
		{"trailing text", one, `{"updates": [], "migrations": {}} {}`, "unexpected text after the manifest"},
		{"updates missing", `"updates"`, `"updatez"`, "missing: updates"},
		{"member missing", `"arch": "x86_64", `, ``, "/updates/0: missing: arch"},
		{"member twice", `"arch": "x86_64"`, `"arch": "x86_64", "arch": "x86_64"`, `/updates/0/arch: member "arch" is given twice`},
		{"null", `"images": {`, `"images": null, "i": {`, "/updates/0/images: expected an object, found null"},
		{"version with v", `"version": "1.2.0"`, `"version": "v1.2.0"`, "/updates/0/version: Invalid version string 'v1.2.0'"},
		{"short version", `"version": "1.2.0"`, `"version": "1.2"`, "Invalid version string '1.2'"},
		{"bound", `"20"`, `"20x"`, "/updates/0/waves/20x: Bad bound field: 20x"},
		{"negative bound", `"20"`, `"-1"`, "Bad bound field: -1"},
		{"large bound", `"20"`, `"4294967296"`, "Bad bound field: 4294967296"},
		{"same bound", `"20"`, `"003"`, "Duplicate key ID: 3"},
		{"time", `2019-8-06T5:00:00+02:00`, `2019-02-30T00:00:00Z`, `"2019-02-30T00:00:00Z" is not a time`},
		{"year", `2019-8-06T5:00:00+02:00`, `9999-12-31T23:00:00-02:00`, `is not a time`},
		{"key", `(1.10.0, 1.11.0)`, `1.10.0, 1.11.0`, "Could not parse OS versions: 1.10.0, 1.11.0"},
		{"key's version", `(1.10.0, 1.11.0)`, `(1.10, 1.11.0)`, "Could not parse OS versions: 1.10, 1.11.0"},
		{"same key", `(1.10.0, 1.11.0)`, `(1.2.0, 1.3.0)`, "Duplicate version key: (1.2.0,  1.3.0)"},
		{"number as text", `"m"]`, `1]`, "expected a string, found number"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(one, test.old) {
				t.Fatalf("%q does not occur", test.old)
			}
			_, err := Parse([]byte(strings.Replace(one, test.old, test.new, 1)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	if _, err := Parse(make([]byte, MaxSize+1)); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("too large: %v", err)
	}
}

func TestVersionOrder(t *testing.T) {
	ordered := []string{
		"0.0.1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-rc1", "1.0.0", "1.0.0+1", "1.0.0+01", "1.0.0+2", "1.0.0+a", "1.0.0+a.b", "1.2.0", "1.10.0",
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := version(t, a).Compare(version(t, b)); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
	for _, bad := range []string{"", "1", "1.2", "v1.2.3", "1.2.3 ", "01.2.3", "1.2.3-", "1.2.3+", "1.2.3-01", "1.2.3-a..b", "1.2.99999999999999999999"} {
		if v, err := ParseVersion(bad); err == nil {
			t.Errorf("%q was accepted as %v", bad, v)
		}
	}
	if v, err := ParseFriendlyVersion("v1.2.3"); err != nil || v != version(t, "1.2.3") {
		t.Errorf("v1.2.3: %v, %v", v, err)
	}
	if _, err := ParseFriendlyVersion("vv1.2.3"); err == nil {
		t.Error("vv1.2.3 was accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(one))
	f.Add([]byte(oneFormatted))
	f.Add([]byte(`{"updates":[{"waves":{"1":"2019-08-06T00:00:00Z"}}],"migrations":{"x(1.0.0,1.0.1)":[]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse(text)
		if err != nil {
			return
		}
		first, err := m.Format()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(first)
		if err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		second, err := again.Format()
		if err != nil || string(first) != string(second) {
			t.Errorf("%v\n%s\n%s", err, first, second)
		}
		for _, u := range m.Updates {
			u.Waves.Place(1000).Ready(time.Unix(0, 0))
		}
	})
}

func drawVersion() *rapid.Generator[string] {
	return rapid.StringMatching(`[0-3]\.[0-3]\.[0-3](-rc[1-3])?(\+b[1-3])?`)
}

func TestRapidRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := new(Manifest)
		for range rapid.IntRange(0, 4).Draw(rt, "updates") {
			u := Update{
				Variant: rapid.String().Draw(rt, "variant"), Arch: "aarch64",
				Version: version(t, drawVersion().Draw(rt, "version")), MaxVersion: version(t, drawVersion().Draw(rt, "max")),
				Images: Images{rapid.String().Draw(rt, "boot"), "r", "h"},
			}
			for _, seed := range rapid.SliceOfNDistinct(rapid.Uint32(), 0, 3, rapid.ID).Draw(rt, "seeds") {
				i, _ := u.Waves.search(seed)
				at := time.Unix(rapid.Int64Range(0, 4e9).Draw(rt, "s"), rapid.Int64Range(0, 999_999_999).Draw(rt, "ns")).UTC()
				u.Waves = append(u.Waves[:i:i], append(Waves{{seed, at}}, u.Waves[i:]...)...)
			}
			m.Updates = append(m.Updates, u)
		}
		text, err := m.Format()
		if err != nil {
			rt.Fatal(err)
		}
		got, err := Parse(text)
		if diff := cmp.Diff(got, m, equal); err != nil || diff != "" {
			rt.Errorf("%v (-got +want):\n%s", err, diff)
		}
	})
}
