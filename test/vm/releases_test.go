//go:build vm

package vm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const variant = "small"

// release is one of those that the machine runs or is offered.
type release struct {
	version string
	from    string   // the release before it
	trees   []string // below testdata, beside "all"
	units   string   // enabled beside those
	cmdline string
	blocks  bool // published in blocks as well, of which hosts fetch what they lack: here the search costs more than it saves
}

var (
	first    = release{version: "1.0.0"}
	sick     = release{version: "2.0.0", from: "1.0.0", trees: []string{"words", "sick"}, blocks: true}
	panics   = release{version: "2.1.0", from: "2.0.0", trees: []string{"words", "panic"}, units: "panic.service"}
	damaged  = release{version: "2.2.0", from: "2.1.0", trees: []string{"words"}} // after it has been written
	good     = release{version: "3.0.0", from: "2.2.0", trees: []string{"times"}, cmdline: ownParameter}
	releases = []release{sick, panics, damaged, good}
)

// migrations are those that come with a release, by its version.
var migrations = map[string]string{"2.0.0": "words", "3.0.0": "times"}

// ownParameter makes the boot stage start the release's own kernel.
const ownParameter = "vmtest.kernel=own"

// parameters are the kernel's: those of packaging/image/build, and one for
// emulated timers, which on a busy machine are so late that the kernel takes
// them for broken.
const (
	lateTimers = "no_timer_check"
	parameters = "console=ttyS0 panic=10 oops=panic quiet " + lateTimers
)

// factory builds releases.
type factory struct {
	t    testing.TB
	dir  string
	base string // of packaging/image/build
}

const top = "../.."

// newFactory has kernel and userland, which are fetched if they are not there yet.
func newFactory(t testing.TB) *factory {
	t.Helper()
	f := &factory{t: t, dir: t.TempDir(), base: filepath.Join(top, "bin/vm")}
	if _, err := os.Stat(filepath.Join(f.base, "tree")); err != nil {
		f.build(nil, "base", f.base)
	}
	f.compile("./agent", f.path("all/usr/bin/vm-agent"))
	f.build(nil, "boot", f.base, f.path("firmware"))
	return f
}

func (f *factory) path(name string) string { return filepath.Join(f.dir, name) }

func (f *factory) put(name string, data []byte) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
		f.t.Fatal(err)
	}
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

// compile makes a program that needs no files but its own.
func (f *factory) compile(source, program string) {
	f.t.Helper()
	f.run([]string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, source)
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
	env := []string{"VARIANT=" + variant, "CMDLINE=" + lateTimers + " " + r.cmdline, "UNITS=vm-agent.service network.service " + r.units}
	trees := []string{"testdata/all", f.path("all")}
	for _, tree := range r.trees {
		trees = append(trees, filepath.Join("testdata", tree))
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
