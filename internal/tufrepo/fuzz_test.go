package tufrepo

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"
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
		if root, err := parse[metadata.RootType](rootRole, rootRole, raw); err == nil {
			for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
				_ = rootKeys(&root.body, role).verify(role, root.envelope)
			}
		}
		_, _ = parse[metadata.TimestampType](timestampRole, timestampRole, raw)
		if s, err := parse[metadata.SnapshotType](snapshotRole, snapshotRole, raw); err == nil {
			_ = notBefore(&s, s)
		}
		if targets, err := parse[metadata.TargetsType](targetsRole, targetsRole, raw); err == nil {
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
		again, err := parseEnvelope("fuzz", append([]byte(`{"signatures":[],"signed":`), append(bytes.Clone(e.text), '}')...))
		if err != nil || !bytes.Equal(again.signed, e.signed) {
			t.Errorf("%q: %v", again.signed, err)
		}
	})
}

// A key is refused or can be asked, whatever it is made of.
func FuzzKey(f *testing.F) {
	f.Add("rsa", "rsassa-pss-sha256", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----")
	f.Add("ecdsa", "ecdsa-sha2-nistp256", "04cbc5")
	f.Add("ed25519", "ed25519", "00")
	f.Fuzz(func(_ *testing.T, kind, scheme, public string) {
		key := &metadata.Key{Type: kind, Scheme: scheme, Value: metadata.KeyVal{PublicKey: public}}
		if pub, err := publicKey(key); err == nil {
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

// The canonical form is the one that the reference's tools sign.
func TestCanonicalForm(t *testing.T) {
	raw := []byte(`{"signed": {"b": [1, -2, true, null], "a": "\u0041\n\"\\<&>\u2028é", "": {}}, "signatures": []}`)
	e, err := parseEnvelope("test", raw)
	if err != nil {
		t.Fatal(err)
	}
	want := "{\"\":{},\"a\":\"A\n\\\"\\\\<&>\u2028é\",\"b\":[1,-2,true,null]}"
	if string(e.signed) != want {
		t.Errorf("%q, want %q", e.signed, want)
	}
	if _, err := cjson.EncodeCanonical(1.5); err == nil {
		t.Error("the library takes fractions now: see what that means")
	}
}
