package sundog_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clitest"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/sandbox/sandboxtest"
	"github.com/hostler-os/hostler/internal/sundog"
)

const userDataFile = "/var/lib/bottlerocket/user-data.toml"

// world is a sandbox with a running apiserver.
type world struct {
	testing.TB
	root   paths.Root
	client *client.Client
	stop   func()
}

func newWorld(t testing.TB, variant string) *world {
	t.Helper()
	root := sandboxtest.New(t, variant)
	return &world{TB: t, root: root, client: &client.Client{Socket: root.Socket()}, stop: func() {}}
}

// serve starts apiserver, again if it was running.
func (w *world) serve() {
	w.Helper()
	w.stop()
	w.stop = sandboxtest.Start(w, w.root, "--restart-timeout", "2s").Stop
}

func (w *world) write(path, text string) {
	w.Helper()
	path = w.root.Join(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		w.Fatal(err)
	}
}

// change replaces a text in a file, which must have it.
func (w *world) change(path, old, text string) {
	w.Helper()
	before := w.read(path)
	if !strings.Contains(before, old) {
		w.Fatalf("%s has no %q", path, old)
	}
	w.write(path, strings.Replace(before, old, text, 1))
}

func (w *world) append(path, text string) { w.write(path, w.read(path)+text) }

func (w *world) read(path string) string {
	text, _ := os.ReadFile(w.root.Join(path))
	return string(text)
}

// run runs a program and expects an exit code; it returns both outputs.
func (w *world) run(program cli.Program, code int, args ...string) string {
	w.Helper()
	var out clitest.Buffer
	got := program(w.Context(), append(args, "--root", string(w.root)), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out})
	if got != code {
		w.Fatalf("%s: exit code %d, want %d:\n%s", strings.Join(args, " "), got, code, out.String())
	}
	return out.String()
}

// boot runs sundog and returns the report.
func (w *world) boot(code int, args ...string) api.Boot {
	w.Helper()
	w.run(sundog.Run, code, append([]string{"sundog"}, args...)...)
	return w.report()
}

func (w *world) report() api.Boot {
	w.Helper()
	report, err := w.client.Boot(w.Context(), 0)
	if err != nil {
		w.Fatal(err)
	}
	return *report
}

func phase(t testing.TB, b api.Boot, name string) api.BootPhase {
	t.Helper()
	for _, p := range b.Phases {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("the report has no phase %s: %+v", name, b)
	return api.BootPhase{}
}

func setting(t testing.TB, p api.BootPhase, key string) api.BootSetting {
	t.Helper()
	for _, s := range p.Settings {
		if s.Key == key {
			return s
		}
	}
	t.Fatalf("phase %s has no setting %s: %+v", p.Name, key, p.Settings)
	return api.BootSetting{}
}

func (w *world) wantState(b api.Boot, want api.BootState) {
	w.Helper()
	if b.State != want {
		w.Errorf("the boot is %s, want %s: %+v", b.State, want, b)
	}
}

// value is the effective value of a setting, and the layer it comes from.
func (w *world) value(key string) string {
	w.Helper()
	e, err := w.client.Explain(w.Context(), key)
	if err != nil {
		w.Fatal(err)
	}
	if e.Origin == nil {
		return "none"
	}
	return string(e.Value) + " " + string(e.Origin.Layer)
}

func (w *world) want(key, want string) {
	w.Helper()
	if got := w.value(key); got != want {
		w.Errorf("%s is %s, want %s", key, got, want)
	}
}

func (w *world) wantFile(path, part string) {
	w.Helper()
	if got := w.read(path); !strings.Contains(got, part) {
		w.Errorf("%s is %q, want %q in it", path, got, part)
	}
}

func decode(t testing.TB, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}
