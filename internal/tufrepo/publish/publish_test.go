package publish_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/tufrepo/publish"
	"github.com/hostler-os/hostler/internal/tufrepo/signer"
)

var start = time.Date(2030, 1, 1, 12, 30, 15, 123456789, time.FixedZone("", 3600))

// key makes a key.
func key(t testing.TB, kind string) signer.Signer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pem")
	if _, err := signer.Generate(durable.OS{}, kind, path); err != nil {
		t.Fatal(err)
	}
	s, err := signer.Open(t.Context(), signer.Source(path))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func id(t testing.TB, s signer.Signer) string {
	t.Helper()
	text, err := s.Key().ID()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// root is a root with one key in all roles.
func root(t testing.TB, keys ...signer.Signer) *publish.Root {
	t.Helper()
	r := publish.NewRoot(start)
	for _, k := range keys {
		for _, role := range publish.Roles {
			if err := r.AddKey(role, k.Key()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r
}

// file is a root as a file, signed.
func file(t testing.TB, r *publish.Root, before *publish.Root, keys ...signer.Signer) publish.RootFile {
	t.Helper()
	d, err := publish.NewDocument(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := publish.Sign(t.Context(), d, keys, r.Rings(before)...); err != nil {
		t.Fatal(err)
	}
	raw, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	f, err := publish.ParseRootFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRootOfTheReferenceStaysAsItIs(t *testing.T) {
	for _, name := range []string{"root.json", "metadata/2.root.json"} {
		raw, err := os.ReadFile("../testdata/reference/" + name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := publish.ParseRootFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Signed(nil); err != nil {
			t.Error(err)
		}
		// Read into types and written again, it is still what was signed.
		again, err := publish.NewDocument(f.Root)
		if err != nil {
			t.Fatal(err)
		}
		again.Signatures = f.Document.Signatures
		if tally, err := f.Keyring(publish.RootRole).Tally(again); err != nil || !tally.Enough() {
			t.Errorf("%s: %+v, %v", name, tally, err)
		}
	}
}

func TestEditingRoots(t *testing.T) {
	a, b := key(t, "ed25519"), key(t, "ecdsa")
	r := root(t, a)
	if r.Expires.Format(time.RFC3339Nano) != "2030-01-01T11:30:15Z" {
		t.Errorf("it expires %s: not in whole seconds of UTC", r.Expires.Format(time.RFC3339Nano))
	}
	if err := r.AddKey(publish.RootRole, a.Key()); err == nil || !strings.Contains(err.Error(), "has key") {
		t.Errorf("added twice: %v", err)
	}
	if err := r.AddKey("boss", a.Key()); err == nil || !strings.Contains(err.Error(), `no role "boss"`) {
		t.Errorf("an unknown role: %v", err)
	}
	if err := r.SetThreshold(publish.RootRole, 0); err == nil {
		t.Error("a threshold of 0")
	}
	if err := r.SetThreshold(publish.RootRole, 2); err != nil {
		t.Error(err)
	}
	if err := r.Check(); err == nil || err.Error() != "role root needs 2 signatures, but has 1 keys" {
		t.Errorf("got %v", err)
	}
	if err := r.AddKey(publish.RootRole, b.Key()); err != nil || r.Check() != nil {
		t.Errorf("%v, %v", err, r.Check())
	}
	r.ConsistentSnapshot = false
	if err := r.Check(); err == nil || !strings.Contains(err.Error(), "consistent_snapshot is false") {
		t.Errorf("got %v", err)
	}
	next, err := r.Next(start.AddDate(1, 0, 0))
	if err != nil || next.Version != 2 || !next.ConsistentSnapshot {
		t.Fatalf("%+v, %v", next, err)
	}
	if err := next.RemoveKey(publish.RootRole, id(t, a)[:12]); err != nil {
		t.Error(err)
	}
	if err := next.RemoveKey(publish.RootRole, id(t, a)); err == nil || !strings.Contains(err.Error(), "has no key") {
		t.Errorf("removed twice: %v", err)
	}
	if len(next.Keys) != 2 {
		t.Errorf("a key that other roles have was dropped: %v", next.Keys)
	}
	for _, role := range publish.Roles[1:] {
		if err := next.RemoveKey(role, id(t, a)); err != nil {
			t.Error(err)
		}
	}
	if len(next.Keys) != 1 || len(r.Keys) != 2 {
		t.Errorf("%d keys, were %d", len(next.Keys), len(r.Keys))
	}
}

func TestThresholds(t *testing.T) {
	a, b, c := key(t, "ed25519"), key(t, "rsa"), key(t, "ecdsa")
	r := root(t, a, b)
	if err := r.SetThreshold(publish.RootRole, 2); err != nil {
		t.Fatal(err)
	}
	one := file(t, r, nil, a, c)
	err := one.Signed(nil)
	threshold, ok := errors.AsType[*publish.ThresholdError](err)
	if !ok || !slices.Equal(threshold.Missing, []string{id(t, b)}) || !strings.Contains(publish.Hint(err), publish.ShortID(id(t, b))+" (RSA-PSS)") {
		t.Errorf("got %v, hint %s", err, publish.Hint(err))
	}
	if two := file(t, r, nil, a, b, a); two.Signed(nil) != nil || len(two.Document.Signatures) != 2 {
		t.Errorf("%v, %d signatures", two.Signed(nil), len(two.Document.Signatures))
	}
	next, err := r.Next(start)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(next.RemoveKey(publish.RootRole, id(t, a)), next.AddKey(publish.RootRole, c.Key())); err != nil {
		t.Fatal(err)
	}
	if err := file(t, next, r, b, c).Signed(r); err == nil || !strings.Contains(err.Error(), "signed by 1 of the 2 keys that root version 1 asks for") {
		t.Errorf("without enough old keys: %v", err)
	}
	if err := file(t, next, r, a, b, c).Signed(r); err != nil {
		t.Error(err)
	}
}

// A key that metadata names twice, in two spellings, counts once.
func TestOneKeyUnderTwoNames(t *testing.T) {
	a := key(t, "ed25519")
	r := root(t, a)
	twin := a.Key()
	twin.Unknown = []byte(`{"x":1}`)
	name, err := twin.ID()
	if err != nil || name == id(t, a) {
		t.Fatalf("%s, %v", name, err)
	}
	r.Keys[name] = twin
	r.Roles[publish.RootRole].KeyIDs = append(r.Roles[publish.RootRole].KeyIDs, name)
	if err := r.SetThreshold(publish.RootRole, 2); err != nil {
		t.Fatal(err)
	}
	f := file(t, r, nil, a)
	if len(f.Document.Signatures) != 2 {
		t.Errorf("%d signatures, expected one a name", len(f.Document.Signatures))
	}
	if f.Signed(nil) == nil {
		t.Error("one key met a threshold of two")
	}
}

func TestMerge(t *testing.T) {
	a, b := key(t, "ed25519"), key(t, "ed25519")
	r := root(t, a, b)
	one, two := file(t, r, nil, a), file(t, r, nil, b)
	if err := one.Document.Merge(two.Document); err != nil || len(one.Document.Signatures) != 2 {
		t.Errorf("%d signatures, %v", len(one.Document.Signatures), err)
	}
	r.Version = 2
	if err := one.Document.Merge(file(t, r, nil, a).Document); err == nil || !strings.Contains(err.Error(), "it is no copy") {
		t.Errorf("got %v", err)
	}
}

func TestRootsThatAreRefused(t *testing.T) {
	good := string(file(t, root(t, key(t, "ed25519")), nil).Raw)
	for change, want := range map[[2]string]string{
		{`"_type": "root"`, `"_type": "targets"`}:      `metadata of type "targets"`,
		{`"scheme": "ed25519"`, `"scheme": "ed25520"`}: "has the wrong id",
		{`"timestamp": {`, `"timestomp": {`}:           "role timestamp is missing",
		{`"signed": {`, `"signed": [], "x": {`}:        `no object "signed"`,
		{`{`, `[`}:                                     "",
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if _, _, err := publish.ParseRoot([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v", change, err)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"migrate_v1.0.0_x.lz4": true, "a+b~c-d": true, "": false, ".": false, "..": false, ".hidden": false,
		"a/b": false, "a b": false, "ä": false, "a\n": false, strings.Repeat("a", 151): false, strings.Repeat("a", 150): true,
	} {
		if err := publish.CheckName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Metadata goes when its successor is old enough, not when it is old itself:
// until the moment of its replacement clients began with it.
func TestUnused(t *testing.T) {
	dir := t.TempDir()
	day := func(n int) time.Time { return start.AddDate(0, 0, n) }
	targets := func(names ...string) string {
		list := []string{}
		for _, name := range names {
			list = append(list, `"`+name+`":{"length":1,"hashes":{"sha256":"`+strings.Repeat(name, 64)+`"}}`)
		}
		return `{"signatures":[],"signed":{"_type":"targets","targets":{` + strings.Join(list, ",") + `}}}`
	}
	index := func(of, version string) string {
		return `{"signatures":[],"signed":{"meta":{"` + of + `.json":{"version":` + version + `}}}}`
	}
	for name, f := range map[string]struct {
		text string
		at   time.Time
	}{
		"meta/timestamp.json":  {index("snapshot", "4"), day(20)},
		"meta/1.root.json":     {"{}", day(0)},
		"meta/1.snapshot.json": {index("targets", "1"), day(1)}, "meta/1.targets.json": {targets("a"), day(1)},
		"meta/3.snapshot.json": {index("targets", "3"), day(2)}, "meta/3.targets.json": {targets("b"), day(2)},
		"meta/4.snapshot.json": {index("targets", "4"), day(20)}, "meta/4.targets.json": {targets("c"), day(20)},
		"targets/" + strings.Repeat("a", 64) + ".a": {"", day(1)}, "targets/" + strings.Repeat("b", 64) + ".b": {"", day(1)},
		"targets/" + strings.Repeat("c", 64) + ".c": {"", day(1)}, "targets/" + strings.Repeat("d", 64) + ".d": {"", day(19)},
		"targets/README": {"", day(0)},
	} {
		path := filepath.Join(dir, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(f.text), 0o600), os.Chtimes(path, f.at, f.at))
		if err != nil {
			t.Fatal(err)
		}
	}
	unused := func(before time.Time) (names []string) {
		old, err := publish.Unused([]string{filepath.Join(dir, "meta")}, filepath.Join(dir, "targets"), before)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range old {
			base := filepath.Base(f.Path)
			names = append(names, base[max(0, len(base)-15):])
		}
		return names
	}
	tail := func(c string) string { return strings.Repeat(c, 13) + "." + c }
	for _, test := range []struct {
		before time.Time
		want   []string
	}{
		{day(2), nil},
		{day(19), []string{"1.snapshot.json", "1.targets.json", tail("a")}},
		{day(21), []string{"1.snapshot.json", "3.snapshot.json", "1.targets.json", "3.targets.json", tail("a"), tail("b"), tail("d")}},
	} {
		if diff := cmp.Diff(unused(test.before), test.want); diff != "" {
			t.Errorf("before %s (-got +want):\n%s", test.before, diff)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "meta", "4.targets.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := publish.Unused([]string{filepath.Join(dir, "meta")}, filepath.Join(dir, "targets"), start); err == nil {
		t.Error("metadata that cannot be read was passed over")
	}
}

func FuzzParseRoot(f *testing.F) {
	f.Add(file(f, root(f, key(f, "ed25519")), nil).Raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := publish.ParseRootFile(raw)
		if err != nil {
			return
		}
		_ = file.Signed(nil)
		_ = file.Check()
		next, err := file.Next(start)
		if err != nil {
			return
		}
		d, err := publish.NewDocument(next)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := publish.Sign(context.Background(), d, nil, next.Rings(file.Root)...); err != nil {
			return // not every document that can be parsed can be signed
		}
		again, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := publish.ParseRoot(again); err != nil {
			t.Errorf("%v\n%s", err, again)
		}
	})
}
