//go:build vm

package vm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

const variant = "small"

// release is one of those that the machine is offered.
type release struct {
	version string
	tree    string // below testdata, beside "all"
	units   string // enabled beside those
	cmdline string
}

var (
	first   = release{version: "1.0.0"}
	offered = []release{
		{version: "2.0.0", tree: "sick"},
		{version: "2.1.0", tree: "panic", units: "panic.service"},
		{version: "2.2.0"}, // its root is damaged after it has been written
		{version: "3.0.0", cmdline: ownParameter},
	}
)

// ownParameter makes the boot stage start the release's own kernel.
const ownParameter = "vmtest.kernel=own"

// parameters are the kernel's: those of packaging/image/build, and one for
// emulated timers, which on a busy machine are so late that the kernel takes
// them for broken.
const (
	lateTimers = "no_timer_check"
	parameters = "console=ttyS0 panic=10 oops=panic quiet " + lateTimers
)

// factory builds releases and publishes them.
type factory struct {
	t    testing.TB
	dir  string
	base string // of packaging/image/build
	repo *tufrepotest.Repo
}

const top = "../.."

// newFactory has kernel and userland, which are fetched if they are not there yet.
func newFactory(t testing.TB) *factory {
	t.Helper()
	f := &factory{t: t, dir: t.TempDir(), base: filepath.Join(top, "bin/vm"), repo: tufrepotest.New(t)}
	if _, err := os.Stat(filepath.Join(f.base, "tree")); err != nil {
		f.build(nil, "base", f.base)
	}
	f.put("all/usr/share/updog/root.json", f.repo.Root())
	f.mkdir("all/repository")
	f.run(nil, "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-o", f.path("all/usr/bin/vm-agent"), "./agent")
	f.build(nil, "boot", f.base, f.path("firmware"))
	return f
}

func (f *factory) path(name string) string { return filepath.Join(f.dir, name) }

func (f *factory) mkdir(name string) {
	f.t.Helper()
	if err := os.MkdirAll(f.path(name), 0o755); err != nil {
		f.t.Fatal(err)
	}
}

func (f *factory) put(name string, data []byte) {
	f.t.Helper()
	f.mkdir(filepath.Dir(name))
	if err := os.WriteFile(f.path(name), data, 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *factory) run(env []string, args ...string) {
	f.t.Helper()
	c := exec.Command(args[0], args[1:]...)
	c.Env = append(os.Environ(), env...)
	if out, err := c.CombinedOutput(); err != nil {
		f.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// build runs packaging/image/build.
func (f *factory) build(env []string, args ...string) {
	f.t.Helper()
	f.run(env, append([]string{filepath.Join(top, "packaging/image/build")}, args...)...)
}

// make builds a release's images and returns their folder.
func (f *factory) make(r release) string {
	f.t.Helper()
	out := f.path(r.version)
	env := []string{"VARIANT=" + variant, "CMDLINE=" + lateTimers + " " + r.cmdline, "UNITS=vm-agent.service repository.service " + r.units}
	trees := []string{"testdata/all", f.path("all")}
	if r.tree != "" {
		trees = append(trees, filepath.Join("testdata", r.tree))
	}
	f.build(env, append([]string{"release", f.base, r.version, out}, trees...)...)
	return out
}

// disk is a new one that boots a release, with user data.
func (f *factory) disk(release, userData string) string {
	f.t.Helper()
	f.put("private/user-data.toml", []byte(userData))
	f.build([]string{"PRIVATE=" + f.path("private")}, "disk", release, f.path("disk.img"))
	return f.path("disk.img")
}

// publish signs a repository for each number of offered releases, the first one,
// the first two and so on, and returns a disk with all of them.
func (f *factory) publish() string {
	f.t.Helper()
	var m manifest.Manifest
	for i, r := range offered {
		u := f.publishOne(r)
		m.Updates = append(m.Updates, u)
		m.Migrations = append(m.Migrations, manifest.Migration{From: f.version(first.version), To: u.Version, Targets: []string{}})
		text, err := m.Format()
		if err != nil {
			f.t.Fatal(err)
		}
		f.repo.AddTarget("targets", manifest.Name, text)
		f.repo.Publish("targets", "snapshot", "timestamp")
		f.repo.WriteTo(f.path(fmt.Sprintf("repository/%d", i+1)))
	}
	f.run(nil, "sh", "-c", `cd "$1" && cp -n */targets/* targets/ && rm -r [0-9]*/targets && mkfs.ext4 -q -m 0 -d . ../repository.img 600M`, "sh", f.path("repository"))
	return f.path("repository.img")
}

// publishOne builds a release and has the repository vouch for its images, which
// lie in a folder that all repositories share.
func (f *factory) publishOne(r release) manifest.Update {
	f.t.Helper()
	dir := f.make(r)
	name := func(part string) string { return fmt.Sprintf("hostler-%s-%s-%s.lz4", variant, r.version, part) }
	for _, part := range []string{"boot", "root", "hash"} {
		data, err := os.ReadFile(filepath.Join(dir, part+".lz4"))
		if err != nil {
			f.t.Fatal(err)
		}
		f.repo.AddTarget("targets", name(part), data)
		file := tufrepotest.TargetFile(name(part), data)
		f.repo.Put(file, nil)
		f.put(filepath.Join("repository", file), data)
	}
	if err := os.RemoveAll(dir); err != nil {
		f.t.Fatal(err)
	}
	version := f.version(r.version)
	return manifest.Update{
		Variant: variant, Arch: "x86_64", Version: version, MaxVersion: version,
		Images: manifest.Images{Boot: name("boot"), Root: name("root"), Hash: name("hash")},
	}
}

func (f *factory) version(text string) manifest.Version {
	f.t.Helper()
	v, err := manifest.ParseVersion(text)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}
