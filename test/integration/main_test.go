//go:build integration

package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/test/integration/machine"
)

// installed is what `make install` laid out, once for all tests.
var installed string

func TestMain(m *testing.M) {
	code, err := withInstallation(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration tests:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func withInstallation(run func() int) (int, error) {
	if err := machine.Check(); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "hostler-installed-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return 1, err
	}
	if out, err := exec.Command("make", "-C", "../..", "install", "DESTDIR="+dir).CombinedOutput(); err != nil {
		return 1, fmt.Errorf("make install: %w\n%s", err, out)
	}
	installed = dir
	return run(), nil
}

// host is a running machine with Hostler installed and stand-ins for the services it restarts.
type host struct {
	*machine.Machine
	t testing.TB
}

// newHost boots a host. options are lines for the [Service] section of apiserver.service.
func newHost(t testing.TB, options ...string) host {
	t.Helper()
	h := host{machine.New(t, installed, "testdata/host"), t}
	h.options(options...)
	h.Enable("apiserver.socket", "apiserver.service", "chronyd.service", "set-hostname.service")
	h.Boot()
	return h
}

// options lays out a drop-in; a restart of apiserver needs no five seconds here.
func (h host) options(lines ...string) {
	lines = append([]string{"[Service]", "RestartSec=200ms"}, lines...)
	h.Write("/etc/systemd/system/apiserver.service.d/test.conf", strings.Join(lines, "\n")+"\n")
}

// set runs `apiclient set` and expects the exit code.
func (h host) set(code int, args ...string) machine.Result {
	h.t.Helper()
	r := h.Run(append([]string{"apiclient", "set"}, args...)...)
	if r.Code != code {
		h.t.Fatalf("apiclient set %s: want exit code %d, got %v", strings.Join(args, " "), code, r)
	}
	return r
}

// last is the newest change.
func (h host) last() api.Change {
	h.t.Helper()
	var changes []api.Change
	h.query("/changes?limit=1", &changes)
	if len(changes) != 1 {
		h.t.Fatalf("got %d changes, want one", len(changes))
	}
	return changes[0]
}

func (h host) query(uri string, into any) {
	h.t.Helper()
	text := h.Must("apiclient", "raw", "-u", uri)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		h.t.Fatalf("GET %s: %v in %s", uri, err, text)
	}
}

// awaitState waits until the newest change is in a state.
func (h host) awaitState(want api.State) api.Change {
	h.t.Helper()
	var c api.Change
	h.Eventually("newest change "+string(want), func() bool { c = h.last(); return c.State == want })
	return c
}

func (h host) wantState(want api.State) {
	h.t.Helper()
	if c := h.last(); c.State != want {
		h.t.Errorf("the newest change is %s, want %s: %+v", c.State, want, c)
	}
}

// wantFile expects text in a file; "" expects that there is no such file.
func (h host) wantFile(path, text string) {
	h.t.Helper()
	got := h.Read(path)
	if text == "" && got != "" || !strings.Contains(got, text) {
		h.t.Errorf("%s: got %q, want %q in it", path, got, text)
	}
}

func (h host) wantUnit(unit, property, want string) {
	h.t.Helper()
	if got := h.Unit(unit, property); got != want {
		h.t.Errorf("%s has %s=%s, want %s", unit, property, got, want)
	}
}

// holdSlow makes restarts for a slow name wait until release.
func (h host) holdSlow() { h.Write("/run/hostname.slow", "") }
func (h host) release()  { h.Must("rm", "-f", "/run/hostname.slow") }

// startSlow begins a change whose restart hangs until release, and returns when it hangs.
func (h host) startSlow(name string) <-chan machine.Result {
	h.t.Helper()
	h.holdSlow()
	done := h.Start("apiclient", "set", "network.hostname="+name)
	h.Eventually("restart for "+name, func() bool { return strings.Contains(h.Read("/run/hostname.started"), name) })
	return done
}
