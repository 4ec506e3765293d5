//go:build vm

package vm_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/hostler-os/hostler/test/vm/machine"
)

// publisher publishes releases as docs/publishing.md tells: pubsys writes a
// folder, which a web server serves.
type publisher struct {
	*factory
	server *httptest.Server
}

// newPublisher has keys, and a root of trust for images to bring.
func newPublisher(f *factory) *publisher {
	f.t.Helper()
	p := &publisher{factory: f, server: httptest.NewServer(http.FileServer(http.Dir(f.path("repo"))))}
	f.t.Cleanup(p.server.Close)
	root, release := f.path("keys/root"), f.path("keys/release")
	p.pubsys("keys", "new", root+".pem", release+".pem")
	p.pubsys("root", "new", p.root(), "--add-key", "root="+root+".pub", "--add-key", "targets,snapshot,timestamp="+release+".pub")
	p.pubsys("root", "sign", p.root(), "--key", root+".pem")
	text, err := os.ReadFile(p.root())
	if err != nil {
		f.t.Fatal(err)
	}
	f.put("all/usr/share/updog/root.json", text)
	return p
}

func (p *publisher) root() string { return p.path("roots/1.root.json") }

func (p *publisher) pubsys(args ...string) {
	p.t.Helper()
	p.run(nil, append([]string{filepath.Join(top, "bin/pubsys")}, args...)...)
}

// settings are those of a host that follows this publisher.
func (p *publisher) settings() string {
	p.t.Helper()
	u, err := url.Parse(p.server.URL)
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprintf("metadata-base-url = \"http://%[1]s:%[2]s/%[3]s/x86_64/\"\ntargets-base-url = \"http://%[1]s:%[2]s/targets/\"\n", machine.Outside, u.Port(), variant)
}

// publish builds a release and publishes it for everybody.
func (p *publisher) publish(r release) {
	p.t.Helper()
	images := p.make(r)
	if err := os.MkdirAll(p.path("migrations"), 0o755); err != nil {
		p.t.Fatal(err)
	}
	p.put("Release.toml", []byte(p.steps(r)))
	args := []string{
		"release", "--dir", p.path("repo"), "--root", p.root(), "--key", p.path("keys/release.pem"), "--variant", variant, "--waves", "none",
		"--release-file", p.path("Release.toml"), "--migrations", p.path("migrations"), "--model", filepath.Join(images, "share"),
	}
	for _, part := range []string{"root", "boot", "hash"} {
		args = append(args, "--"+part+"-image", filepath.Join(images, part))
	}
	if _, err := os.Stat(p.path("repo")); err != nil {
		args = append(args, "--new")
	}
	if !r.blocks {
		args = append(args, "--no-delta")
	}
	p.pubsys(args...)
	if err := os.RemoveAll(images); err != nil {
		p.t.Fatal(err)
	}
}

// steps is the Release.toml of a release: the migrations of every step up to it, which it compiles.
func (p *publisher) steps(r release) string {
	p.t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "version = %q\n\n[migrations]\n", r.version)
	for _, step := range releases {
		names := ""
		if name, ok := migrations[step.version]; ok {
			program := fmt.Sprintf("migrate_v%s_%s", step.version, name)
			if _, err := os.Stat(p.path("migrations/" + program)); err != nil { // what is published stays as it is
				p.compile(fmt.Sprintf("./migrations/v%s/%s", step.version, name), p.path("migrations/"+program))
			}
			names = fmt.Sprintf("%q", program+".lz4")
		}
		fmt.Fprintf(&text, "\"(%s, %s)\" = [%s]\n", step.from, step.version, names)
		if step.version == r.version {
			return text.String()
		}
	}
	p.t.Fatalf("%s is never offered", r.version)
	return ""
}
