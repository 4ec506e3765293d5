package pubsys

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/durable"
)

// A repository on a server is read there; what is new is written to a folder.
// Uploaded, that is the next state.
func TestRepositoryOnServer(t *testing.T) {
	d := newDesk(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("the server was sent a %s", r.Method)
		}
		http.FileServer(http.Dir(d.path("repo"))).ServeHTTP(w, r)
	}))
	defer server.Close()
	site := []string{"--metadata-url", server.URL, "--targets-url", server.URL + "/targets"}
	d.must(append([]string{"validate", "--variant", "v", "--root", d.path("1.root.json")}, site...)...)
	if err := d.run(durable.OS{}, append([]string{"refresh", "--variant", "v", "--root", d.path("1.root.json"), "--key", d.path("a.pem")}, site...)...); err == nil || !strings.Contains(err.Error(), "give --dir DIR") {
		t.Errorf("a repository on a server was written to: %v", err)
	}
	out := d.path("out")
	d.must(append(d.second(out, "a.pem", "b.pem"), site...)...)
	for _, gone := range []string{"v/x86_64/1.root.json"} {
		if _, err := os.Stat(filepath.Join(out, gone)); err == nil {
			t.Errorf("%s is there already, and was written again", gone)
		}
	}
	if n, err := d.sees(d.path("repo")); err != nil || n != 1 {
		t.Errorf("%d releases before the upload, %v", n, err)
	}
	// Before it is uploaded, nothing is derived from the old state.
	again := []string{"refresh", "--dir", out, "--variant", "v", "--root", d.path("2.root.json"), "--key", d.path("b.pem")}
	if err := d.run(durable.OS{}, append(again, site...)...); err == nil || !strings.Contains(err.Error(), "upload it first") {
		t.Errorf("what was not uploaded was dropped: %v", err)
	}
	upload(t, out, d.path("repo"))
	d.must(append(again, site...)...)
	if n, err := d.sees(d.path("repo")); err != nil || n != 2 {
		t.Errorf("%d releases after the upload, %v", n, err)
	}
}

// upload copies a folder over another.
func upload(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Nothing tells a server that forbids from one that has nothing: no repository
// is begun anew because of it.
func TestServerThatForbids(t *testing.T) {
	d := newDesk(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	err := d.run(durable.OS{}, append(d.second(d.path("out"), "a.pem", "b.pem"), "--metadata-url", server.URL, "--targets-url", server.URL)...)
	if err == nil || !strings.Contains(err.Error(), "there is no repository yet") {
		t.Errorf("got %v", err)
	}
}

func TestTwoPublishers(t *testing.T) {
	d := newDesk(t)
	unlock, err := durable.Lock(t.Context(), d.path("repo/targets/.pubsys.lock"), time.Second, errors.New("busy"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	p := place{app: &app{now: time.Now, fs: durable.OS{}}}
	p.Targets = d.path("repo/targets")
	if _, err := p.lock(ctx); err == nil {
		t.Error("two publish at once")
	}
	unlock()
	if unlock, err = p.lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestInfra(t *testing.T) {
	sum := "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
	for text, want := range map[string]string{
		"[repo.default]\nroot_role_url = \"file:x\"\nroot_role_sha512 = \"" + sum + "\"\n":                        "",
		"[repo.default]\nroot_role_url = \"x\"\n":                                                                 "",
		"[repo.default]\nroot_role_url = \"x\"\nroot_role_sha512 = \"00\"\n":                                      "root_role_sha512: ",
		"[repo.default]\nroot_role_sha512 = \"00\"\n":                                                             "root_role_sha512 is given without root_role_url",
		"[repo.default]\nroot_role_url = \"https://example.com/root.json\"\nroot_role_sha512 = \"00\"\n":          "root_role_url is on the network",
		"[repo.default]\ncolour = \"red\"\n":                                                                      "unknown keys",
		"[repos.default]\n":                                                                                       "unknown keys",
		"[aws]\nregions = [\"x\"]\n[repo.other]\nsigning_keys = { kms = { key_id = \"x\" } }\n":                   "no root of trust was named",
		"[vmware]\ndatacenters = [\"x\"]\n[vmware.datacenter.x]\nfolder = \"f\"\n[vendor.me]\nregistry = \"x\"\n": "no root of trust was named",
		"[repo.default]\nroot_role_url = \"x\"\nsigning_keys = { kms = { key_id = \"x\" } }\n":                    "keys in cloud services (kms, ssm) are not reached directly",
		"[repo.default]\nroot_role_url = \"x\"\nsigning_keys = { pkcs11 = { uri = \"pkcs11:object=x\" } }\n":      "",
		"[repo.default]\nroot_role_url = \"x\"\nmetadata_base_url = \"https://example.com\"\n":                    "the addresses of metadata and of targets belong together",
		"=": "read configuration: ",
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"Infra.toml": text, "x": ""} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := site{infra: filepath.Join(dir, "Infra.toml"), repo: "default", variant: "v", arch: "x86_64"}
		if !strings.Contains(text, "metadata_base_url") {
			s.dir = filepath.Join(dir, "repo")
		}
		p, err := (&app{now: time.Now, fs: durable.OS{}}).find(s, true)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot %v, want %q", text, err, want)
		}
		if err == nil && p.site.root != filepath.Join(dir, "x") {
			t.Errorf("%s\nthe root is %s", text, p.site.root)
		}
	}
}

// The reference's publishers' file, with both addresses on this machine.
func TestInfraNamesTheRepository(t *testing.T) {
	d := newDesk(t)
	d.write("Infra.toml", []byte(`[repo.acme]
signing_keys = { file = { path = "a.pem" } }
root_role_url = "1.root.json"
metadata_base_url = "file://`+d.path("repo")+`"
targets_url = "repo/targets"
`))
	d.must("refresh", "--infra-config-path", d.path("Infra.toml"), "--repo", "acme", "--variant", "v")
	d.must("validate-repo", "--infra", d.path("Infra.toml"), "--repo", "acme", "--variant", "v")
}

func FuzzLives(f *testing.F) {
	f.Add("2 weeks", "in 1 day", "1 hour")
	f.Fuzz(func(t *testing.T, snapshot, targets, timestamp string) {
		l := lives{snapshot, targets, timestamp}
		if e, err := l.from(start); err == nil && !(e.Snapshot.After(start) && e.Targets.After(start) && e.Timestamp.After(start)) {
			t.Errorf("%+v expires at once", l)
		}
	})
}
