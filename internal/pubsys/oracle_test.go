package pubsys

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/publish"
	"github.com/hostler-os/hostler/internal/tufrepo/signer"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// goTUF reads a repository with another implementation, and returns the manifest.
func goTUF(d desk, repo string) (text []byte, err error) {
	dir := filepath.Join(repo, "v", "x86_64")
	read := func(name string) []byte {
		raw, errRead := os.ReadFile(filepath.Join(dir, name))
		err = errors.Join(err, errRead)
		return raw
	}
	trusted, errNew := trustedmetadata.New(read("1.root.json"))
	if err := errors.Join(err, errNew); err != nil {
		return nil, err
	}
	trusted.RefTime = start
	for v := 2; ; v++ {
		raw, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.root.json", v)))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if _, err := trusted.UpdateRoot(raw); err != nil {
			return nil, err
		}
	}
	if _, err := trusted.UpdateTimestamp(read("timestamp.json")); err != nil {
		return nil, err
	}
	version := trusted.Timestamp.Signed.Meta["snapshot.json"].Version
	if _, err := trusted.UpdateSnapshot(read(fmt.Sprintf("%d.snapshot.json", version)), false); err != nil {
		return nil, err
	}
	version = trusted.Snapshot.Signed.Meta["targets.json"].Version
	if _, err := trusted.UpdateTargets(read(fmt.Sprintf("%d.targets.json", version))); err != nil {
		return nil, err
	}
	for name, target := range trusted.Targets["targets"].Signed.Targets {
		data := read(fmt.Sprintf("../../targets/%s.%s", target.Hashes["sha256"], name))
		err = errors.Join(err, target.VerifyLengthHashes(data))
		if name == manifest.Name {
			text = data
		}
	}
	return text, err
}

// Another implementation follows all that is published, rotations included.
func TestGoTUFFollows(t *testing.T) {
	d := newDesk(t)
	repo := d.path("repo")
	for i, args := range [][]string{nil, d.second(repo, "a.pem", "b.pem")} {
		if args != nil {
			d.must(args...)
		}
		text, err := goTUF(d, repo)
		if err != nil {
			t.Fatal(err)
		}
		m, err := manifest.Parse(text)
		if err != nil || len(m.Updates) != i+1 {
			t.Errorf("%d releases, %v", len(m.Updates), err)
		}
	}
}

// strict is what the reference's clients ask for beyond the specification.
func strict(t *testing.T, path string, keys map[string]any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Signed     json.RawMessage `json:"signed"`
		Signatures []struct{ KeyID, Sig string }
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	var signed map[string]any
	decoder := json.NewDecoder(bytes.NewReader(file.Signed))
	decoder.UseNumber()
	if err := decoder.Decode(&signed); err != nil {
		t.Fatal(err)
	}
	if expires := signed["expires"].(string); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`).MatchString(expires) {
		t.Errorf("%s expires %s: not whole seconds in UTC", path, expires)
	}
	if signed["spec_version"] != "1.0.0" {
		t.Errorf("%s has specification version %v", path, signed["spec_version"])
	}
	digest := sha256.Sum256(tufrepotest.Canonical(signed))
	for _, s := range file.Signatures {
		public := keys[s.KeyID].(map[string]any)["keyval"].(map[string]any)["public"].(string)
		block, _ := pem.Decode([]byte(public))
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := hex.DecodeString(s.Sig)
		if err == nil {
			err = rsa.VerifyPSS(key.(*rsa.PublicKey), crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256})
		}
		if err != nil {
			t.Errorf("%s: key %s: %v", path, s.KeyID, err)
		}
	}
}

// With RSA keys, as the reference's publishers have them, its clients' stricter rules are kept.
func TestRulesOfTheReference(t *testing.T) {
	d := desk{t, t.TempDir()}
	d.must("keys", "new", "--type", "rsa", d.path("a.pem"))
	d.must("root", "new", d.path("1.root.json"), "--add-key", d.path("a.pub"))
	d.must("root", "sign", d.path("1.root.json"), "--key", d.path("a.pem"))
	for name, size := range map[string]int{"root-1.0.0": 3000, "boot": 1000, "hash": 900} {
		d.write(name+".img", noise(uint64(size), size))
	}
	d.must(d.first("repo")...)
	raw, err := os.ReadFile(d.path("1.root.json"))
	if err != nil {
		t.Fatal(err)
	}
	var root struct {
		Signed struct{ Keys map[string]any }
	}
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	for id, key := range root.Signed.Keys {
		if want := fmt.Sprintf("%x", sha256.Sum256(tufrepotest.Canonical(key))); id != want {
			t.Errorf("key %s should have the id %s", id, want)
		}
		public := key.(map[string]any)["keyval"].(map[string]any)["public"].(string)
		if strings.HasSuffix(public, "\n") {
			t.Errorf("key %s ends with a newline: the reference's tools compute another id", id)
		}
	}
	files, err := filepath.Glob(d.path("repo/v/x86_64/*.json"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, path := range files {
		strict(t, path, root.Signed.Keys)
	}
}

// reference lays out the reference's repository where pubsys looks for it.
func reference(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	from := "../tufrepo/testdata/reference"
	for folder, to := range map[string]string{"metadata": "aws-k8s-1.30/x86_64", "targets": "targets"} {
		if err := os.CopyFS(filepath.Join(dir, to), os.DirFS(filepath.Join(from, folder))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What the reference's tools published is read, and proved to the last byte.
func TestReferenceRepository(t *testing.T) {
	d := desk{t, reference(t)}
	site := []string{"--dir", d.dir, "--variant", "aws-k8s-1.30", "--root", "../tufrepo/testdata/reference/root.json"}
	d.must(append([]string{"validate"}, site...)...)
	d.must(append([]string{"check-expirations"}, site...)...)
	d.must(append([]string{"list"}, site...)...)
	d.must(append([]string{"bundle", d.path("b"), "--version", "1.21.0"}, site...)...)
	d.must("prune", "--dir", d.dir, "--age", "0 days")
	d.must(append([]string{"validate"}, site...)...)
}

// It is extended by whoever has its keys: the same repository, vouched for by a
// root of our own. What was there stays as it was.
func TestReferenceRepositoryIsExtended(t *testing.T) {
	d := newDesk(t)
	site := []string{"--dir", reference(t), "--variant", "aws-k8s-1.30", "--root", d.path("1.root.json")}
	adopt(t, d, filepath.Join(site[1], "aws-k8s-1.30/x86_64"))
	before := referenceTargets(t, site[1], d)
	d.must(append([]string{"validate"}, site...)...)
	args := append([]string{
		"release", "--key", d.path("a.pem"), "--version", "1.22.0", "--allow-gaps", "--waves", "slow-roll",
		"--root-image", d.path("root-1.1.0.img"), "--boot-image", d.path("boot.img"), "--hash-image", d.path("hash.img"),
	}, site...)
	d.must(args...)
	d.must(append([]string{"list"}, site...)...)
	after := referenceTargets(t, site[1], d)
	for name, target := range before {
		if got := after[name]; name != manifest.Name && fmt.Sprint(got) != fmt.Sprint(target) {
			t.Errorf("target %s was %v, is %v", name, target, got)
		}
	}
	if len(after) != len(before)+9 {
		t.Errorf("%d targets, were %d", len(after), len(before))
	}
}

// adopt signs the metadata in a folder with our key, byte for byte as it is, and
// puts our root in the place of theirs.
func adopt(t *testing.T, d desk, dir string) {
	t.Helper()
	root, err := readRoot(d.path("1.root.json"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := signer.Open(t.Context(), signer.Source(d.path("a.pem")))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "2.root.json")), os.WriteFile(filepath.Join(dir, "1.root.json"), root.Raw, 0o600)); err != nil {
		t.Fatal(err)
	}
	sign := func(name, role string, change func(*publish.Document)) []byte {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := publish.ParseDocument(raw)
		if err != nil {
			t.Fatal(err)
		}
		change(doc)
		doc.Signatures = nil
		if _, err := publish.Sign(t.Context(), doc, []signer.Signer{key}, root.Keyring(role)); err != nil {
			t.Fatal(err)
		}
		if raw, err = doc.Encode(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return raw
	}
	describe := func(of string, raw []byte) func(*publish.Document) {
		return func(doc *publish.Document) {
			var index publish.Index
			if err := doc.Body(&index); err != nil {
				t.Fatal(err)
			}
			target := publish.TargetOf(raw)
			meta := index.Meta[of]
			meta.Length, meta.Hashes = target.Length, target.Hashes
			index.Meta[of] = meta
			next, err := publish.NewDocument(index)
			if err != nil {
				t.Fatal(err)
			}
			*doc = *next
		}
	}
	targets := sign("5.targets.json", publish.TargetsRole, func(*publish.Document) {})
	snapshot := sign("7.snapshot.json", publish.SnapshotRole, describe("targets.json", targets))
	sign("timestamp.json", publish.TimestampRole, describe("snapshot.json", snapshot))
}

func referenceTargets(t *testing.T, dir string, d desk) map[string]tufrepo.Target {
	t.Helper()
	root, err := os.ReadFile(d.path("1.root.json"))
	if err != nil {
		t.Fatal(err)
	}
	source := tufrepo.Dir(filepath.Join(dir, "aws-k8s-1.30/x86_64"), filepath.Join(dir, "targets"))
	r, err := tufrepo.Open(t.Context(), source, tufrepo.Options{TrustedRoot: root, Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]tufrepo.Target{}
	for _, name := range r.Targets() {
		if all[name], err = r.Target(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
