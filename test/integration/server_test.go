//go:build integration

package integration_test

import (
	"strings"
	"testing"

	"github.com/hostler-os/hostler/test/integration/machine"
)

func TestSocketActivation(t *testing.T) {
	h := host{machine.New(t, installed, "testdata/host"), t}
	h.options()
	h.Enable("apiserver.socket")
	h.Boot()
	h.wantUnit("apiserver.service", "ActiveState", "inactive")
	h.Must("apiclient", "get", "settings.motd")
	h.wantUnit("apiserver.service", "ActiveState", "active")

	if got := h.Must("stat", "-c", "%a %U:%G", "/run/api.sock"); got != "660 root:api" {
		t.Errorf("the socket is %s", got)
	}
	if got := h.Must("stat", "-c", "%a", "/var/lib/hostler", "/var/lib/hostler/datastore.db"); got != "700\n600" {
		t.Errorf("state folder and datastore have the modes %q", got)
	}
}

// Requests that come while nobody serves wait in the socket.
func TestRequestsWaitForRestart(t *testing.T) {
	h := newHost(t)
	h.Must("systemctl", "stop", "apiserver.service")
	h.set(0, "motd=while stopped")
	h.wantFile("/etc/motd", "while stopped")
}

func TestWatchdog(t *testing.T) {
	h := newHost(t, "WatchdogSec=2", "TimeoutAbortSec=1", "TimeoutStopSec=1")
	frozen := h.Unit("apiserver.service", "MainPID")
	h.Must("kill", "-STOP", frozen)
	h.Eventually("restart by the watchdog", func() bool {
		return h.Unit("apiserver.service", "NRestarts") != "0" && h.Unit("apiserver.service", "ActiveState") == "active"
	})
	h.set(0, "motd=after the freeze")
	h.wantFile("/etc/motd", "after the freeze")
}

// It keeps the watchdog content while it works and while it does not.
func TestWatchdogIsFed(t *testing.T) {
	h := newHost(t, "WatchdogSec=1")
	first := h.Unit("apiserver.service", "WatchdogTimestampMonotonic")
	seen := map[string]bool{first: true}
	h.Eventually("several signs of life", func() bool {
		seen[h.Unit("apiserver.service", "WatchdogTimestampMonotonic")] = true
		return len(seen) > 5
	})
	h.wantUnit("apiserver.service", "NRestarts", "0")
}

func TestRoles(t *testing.T) {
	h := newHost(t)
	h.Must("useradd", "--no-create-home", "outsider")
	h.Must("useradd", "--no-create-home", "--groups", "api", "member")

	if r := h.RunAs("member", "apiclient", "set", "motd=by a member"); r.Code != 0 {
		t.Errorf("a member of the group api: %v", r)
	}
	h.wantFile("/etc/motd", "by a member")

	if r := h.RunAs("outsider", "apiclient", "get", "settings.motd"); r.Code != 1 || !strings.Contains(strings.ToLower(r.Stderr), "permission") {
		t.Errorf("the socket's mode let an outsider in: %v", r)
	}
	h.Must("chmod", "0666", "/run/api.sock")
	for _, args := range [][]string{{"get", "settings.motd"}, {"set", "motd=by an outsider"}, {"raw", "-m", "POST", "-u", "/actions/reboot"}} {
		r := h.RunAs("outsider", append([]string{"apiclient"}, args...)...)
		if r.Code != 1 || !strings.Contains(r.Stderr, "has role none") {
			t.Errorf("outsider: apiclient %s: got %v", strings.Join(args, " "), r)
		}
	}
	h.wantFile("/etc/motd", "by a member")
}

func TestAccessFile(t *testing.T) {
	h := newHost(t)
	h.Write("/etc/hostler/access.toml", "[groups]\nwatchers = \"read\"\n")
	h.Must("groupadd", "watchers")
	h.Must("useradd", "--no-create-home", "--groups", "api,watchers", "watcher")
	h.Must("systemctl", "restart", "apiserver.service")
	if r := h.RunAs("watcher", "apiclient", "get", "settings.motd"); r.Code != 0 {
		t.Errorf("read: %v", r)
	}
	if r := h.RunAs("watcher", "apiclient", "set", "motd=no"); r.Code != 1 || !strings.Contains(r.Stderr, "has role read") {
		t.Errorf("write: got %v", r)
	}
}

func TestReboot(t *testing.T) {
	h := newHost(t)
	h.set(0, "motd=over a reboot")
	h.Run("apiclient", "reboot")
	h.AwaitOff()
	h.Boot()
	if got := h.Must("apiclient", "get", "settings.motd"); !strings.Contains(got, "over a reboot") {
		t.Errorf("after the reboot: %s", got)
	}
}

func TestUnitsAreSound(t *testing.T) {
	h := newHost(t)
	if r := h.Run("systemd-analyze", "verify", "apiserver.socket", "apiserver.service"); r.Code != 0 || strings.Contains(r.Stderr, "apiserver") {
		t.Errorf("systemd-analyze verify: %v", r)
	}
	if failed := h.Must("systemctl", "--failed", "--no-legend", "--plain"); failed != "" {
		t.Errorf("units that failed at boot: %s", failed)
	}
}
