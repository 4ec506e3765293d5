//go:build integration

package integration_test

import (
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/test/integration/machine"
)

func TestFileOnly(t *testing.T) {
	h := newHost(t)
	h.set(0, "motd=hi there")
	h.wantFile("/etc/motd", "hi there")
	h.wantState(api.StateDone)
	if got := h.Must("apiclient", "get", "settings.motd"); !strings.Contains(got, "hi there") {
		t.Errorf("get: %s", got)
	}
}

func TestReload(t *testing.T) {
	h := newHost(t)
	before := h.Unit("chronyd.service", "InvocationID")
	h.set(0, `ntp.time-servers=["192.0.2.1","time.example"]`)
	h.wantFile("/etc/chrony.conf", "pool time.example")
	h.wantUnit("chronyd.service", "InvocationID", before) // reloaded, not restarted
	if got := h.Read("/run/chronyd.reloads"); got != "reload\n" {
		t.Errorf("chronyd was reloaded: %q, want once", got)
	}
	h.set(0, `ntp.time-servers=["192.0.2.1","time.example"]`)
	if got := h.Read("/run/chronyd.reloads"); got != "reload\n" {
		t.Errorf("chronyd was reloaded although nothing differed: %q", got)
	}
}

func TestRestart(t *testing.T) {
	h := newHost(t)
	before := h.Unit("set-hostname.service", "InvocationID")
	h.set(0, "network.hostname=alpha")
	h.wantFile("/etc/network/hostname.env", "HOSTNAME=alpha\n")
	h.wantFile("/run/hostname.applied", "alpha\n")
	h.wantUnit("set-hostname.service", "ActiveState", "active")
	if after := h.Unit("set-hostname.service", "InvocationID"); after == before {
		t.Error("set-hostname.service did not restart")
	}
	h.wantState(api.StateDone)
}

// A unit file that a template renders counts only once systemd has read it again.
// Its group is a folder that the program has never seen.
func TestDaemonReload(t *testing.T) {
	h := host{machine.New(t, installed, "testdata/host"), t}
	h.options()
	h.Write("/usr/share/hostler/variant", "with-demo\n")
	h.Enable("apiserver.socket", "apiserver.service", "demo.service")
	h.Boot()
	h.set(0, "demo.greeting=howdy")
	h.wantFile("/etc/systemd/system/demo.service.d/greeting.conf", "GREETING=howdy")
	h.wantFile("/run/demo.greeting", "howdy\n")
	h.wantUnit("demo.service", "NeedDaemonReload", "no")
	h.set(1, "demo.greeting=NO")
	h.wantFile("/run/demo.greeting", "howdy\n")
}
