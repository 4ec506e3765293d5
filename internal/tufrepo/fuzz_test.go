package tufrepo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/secure-systems-lab/go-securesystemslib/cjson"
)

func seedMetadata(f *testing.F) {
	files, err := filepath.Glob(vector + "/metadata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(err, "no seeds")
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"signed":{"_type":"targets","spec_version":"1.0","version":1,"expires":"2090-01-01T00:00:00Z",` +
		`"targets":{"a":null},"delegations":{"keys":{"k":null},"roles":[{"name":"A","paths":["*"],"threshold":1}]}},"signatures":[]}`))
}

// No bytes make a reader panic, and what is accepted is used without panic.
func FuzzMetadata(f *testing.F) {
	seedMetadata(f)
	f.Fuzz(func(_ *testing.T, raw []byte) {
		if root, err := parse[rootBody](rootRole, rootRole, raw); err == nil {
			for _, role := range topLevel {
				_ = rootKeys(&root.body, role).verify(role, root.envelope)
			}
		}
		_, _ = parse[timestampBody](timestampRole, timestampRole, raw)
		if s, err := parse[snapshotBody](snapshotRole, snapshotRole, raw); err == nil {
			_ = notBefore(&s, s)
		}
		if targets, err := parse[targetsBody](targetsRole, targetsRole, raw); err == nil {
			children, _ := matching(targets.body.Delegations, "a/b")
			for _, c := range children {
				_ = c.keys.verify(c.role, targets.envelope)
			}
			for name, target := range targets.body.Targets {
				_, _ = resolve(name)
				_ = targetOf(name, targetsRole, target).digests().prefix()
			}
		}
	})
}

// The canonical form does not change when it is made again from what it came from.
func FuzzEnvelope(f *testing.F) {
	seedMetadata(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := parseEnvelope("fuzz", raw)
		if err != nil {
			return
		}
		for _, form := range e.forms {
			again, err := canonicalForms(escapeControls(form))
			if err != nil || !bytes.Equal(again[0], form) {
				t.Errorf("%q of %q: %v", again, form, err)
			}
		}
		if other, err := cjson.EncodeCanonical(json.RawMessage(e.text)); err == nil && !bytes.Equal(other, e.forms[0]) {
			t.Errorf("%q, but another library writes %q", e.forms[0], other)
		}
	})
}

// escapeControls makes JSON of a canonical form, which has control characters as they are.
func escapeControls(form []byte) []byte {
	var text []byte
	for _, c := range form {
		if c < ' ' {
			text = fmt.Appendf(text, `\u%04x`, c)
		} else {
			text = append(text, c)
		}
	}
	return text
}

// A key is refused or can be asked, whatever it is made of.
func FuzzKey(f *testing.F) {
	f.Add("rsa", "rsassa-pss-sha256", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----")
	f.Add("ecdsa", "ecdsa-sha2-nistp256", "04cbc5")
	f.Add("ed25519", "ed25519", "00")
	f.Fuzz(func(_ *testing.T, kind, scheme, public string) {
		k := &key{Type: kind, Scheme: scheme}
		k.Value.Public = public
		if pub, err := publicKey(k); err == nil {
			pub.verify([]byte("message"), []byte("signature"))
		}
	})
}

// No name leads out of the folder that it is joined to.
func FuzzResolve(f *testing.F) {
	for _, name := range []string{"a", "../a", "a/../../b", "/a", ".", "..", "a//b", "..\\a"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		resolved, err := resolve(name)
		if err != nil {
			return
		}
		if !filepath.IsLocal(filepath.FromSlash(resolved)) || resolved == "." {
			t.Errorf("%q resolves to %q", name, resolved)
		}
		if again, err := resolve(resolved); err != nil || again != resolved {
			t.Errorf("%q resolves to %q, that to %q (%v)", name, resolved, again, err)
		}
	})
}

func FuzzContentRange(f *testing.F) {
	for _, text := range []string{"bytes 0-1/2", "bytes 5-9/*", "bytes */9", "bytes 9-5/10", "items 0-1/2", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		start, total, err := contentRange(text)
		if err == nil && (start < 0 || total >= 0 && start >= total) {
			t.Errorf("%q: from %d of %d", text, start, total)
		}
	})
}

func FuzzBundle(f *testing.F) {
	f.Add([]byte("metadata/timestamp.json"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "bundle.tar")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := OpenBundle(path)
		if err != nil {
			return
		}
		for name := range b.index {
			if body, err := b.Target(t.Context(), Fetch{Name: name}); err == nil {
				_ = body.Close()
			}
		}
		_ = b.Close()
	})
}

// The canonical form is the one that the reference's tools sign, and where it
// is not that of other tools, both are known.
func TestCanonicalForms(t *testing.T) {
	for value, want := range map[string][]string{
		`{"b": [1, -2, true, null], "a": "\u0041\n\"\\<&>\u2028é", "": {}}`: {"{\"\":{},\"a\":\"A\n\\\"\\\\<&>\u2028é\",\"b\":[1,-2,true,null]}"},
		`[ ]`:                       {`[]`},
		`{"b":{"d":1,"c":2},"a":0}`: {`{"a":0,"b":{"c":2,"d":1}}`},
		`["e\u0301", "\u212b"]`:     {"[\"e\u0301\",\"\u212b\"]", "[\"\u00e9\",\"\u00c5\"]"},
		`{"\u212b":1, "Z":2}`:       {"{\"Z\":2,\"\u212b\":1}", "{\"Z\":2,\"\u00c5\":1}"},
		`{"\u00e9":1,"e\u0301":2}`:  {"{\"e\u0301\":2,\"\u00e9\":1}"}, // they would become one
		`{"e\u0301":1, "f":2}`:      {"{\"e\u0301\":1,\"f\":2}", "{\"f\":2,\"\u00e9\":1}"},
	} {
		forms, err := canonicalForms([]byte(value))
		var got []string
		for _, form := range forms {
			got = append(got, string(form))
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", value, err, diff)
		}
	}
}

func TestNoCanonicalForm(t *testing.T) {
	for _, value := range []string{
		`1.5`, `1e3`, `-0`, `9223372036854775808`, `{"a":1,"a":2}`, `"\ud800"`, `[1`, ``,
		strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
	} {
		if form, err := canonicalForms([]byte(value)); err == nil {
			t.Errorf("%s became %s", value, form)
		}
	}
}
