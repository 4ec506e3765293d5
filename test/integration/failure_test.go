//go:build integration

package integration_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// exitUndone is apiclient's exit code for a change that was undone.
const exitUndone = 3

func TestFailedRestartIsUndone(t *testing.T) {
	h := newHost(t)
	h.set(0, "network.hostname=alpha")
	h.wantUnit("set-hostname.service", "ActiveState", "active")

	r := h.set(exitUndone, "network.hostname=refused")
	if !strings.Contains(r.Stderr, "set-hostname.service") {
		t.Errorf("the message does not name the unit: %s", r.Stderr)
	}
	h.wantState(api.StateUndone)
	h.wantFile("/etc/network/hostname.env", "HOSTNAME=alpha\n")
	h.wantFile("/run/hostname.applied", "alpha\n")
	h.wantUnit("set-hostname.service", "ActiveState", "active")
	if got := h.Must("apiclient", "get", "settings.network.hostname"); !strings.Contains(got, "alpha") {
		t.Errorf("the setting was not taken back: %s", got)
	}
}

func TestFailedReloadIsUndone(t *testing.T) {
	h := newHost(t)
	h.set(0, `ntp.time-servers=["time.example"]`)
	h.set(exitUndone, `ntp.time-servers=["refuse.example"]`)
	h.wantState(api.StateUndone)
	h.wantFile("/etc/chrony.conf", "pool time.example")
	h.wantUnit("chronyd.service", "ActiveState", "active")
}

// A unit that is not there cannot be restarted, but try-restart of one that does not run is no failure.
func TestInactiveUnitIsLeftAlone(t *testing.T) {
	h := newHost(t)
	h.Must("systemctl", "stop", "set-hostname.service")
	h.set(0, "network.hostname=alpha")
	h.wantUnit("set-hostname.service", "ActiveState", "inactive")
	h.wantState(api.StateDone)
}

func TestHangingRestartIsUndone(t *testing.T) {
	h := newHost(t, "ExecStart=", "ExecStart=/usr/bin/apiserver --restart-timeout 2s")
	h.set(0, "network.hostname=alpha")
	r := h.set(exitUndone, "network.hostname=hanging")
	if r.Took > 30*time.Second {
		t.Errorf("it took %v, the deadline is 2 s", r.Took)
	}
	h.wantState(api.StateUndone)
	h.wantFile("/etc/network/hostname.env", "HOSTNAME=alpha\n")
	h.wantFile("/run/hostname.applied", "alpha\n")
	h.wantUnit("set-hostname.service", "ActiveState", "active")
}

func TestKillDuringRestart(t *testing.T) {
	h := newHost(t)
	h.set(0, "network.hostname=alpha")
	done := h.startSlow("slowly")
	h.Must("kill", "-KILL", h.Unit("apiserver.service", "MainPID"))
	h.release()
	<-done // its connection broke; what counts is what the host does
	h.awaitState(api.StateDone)
	h.wantFile("/etc/network/hostname.env", "HOSTNAME=slowly\n")
	h.Eventually("slowly applied", func() bool { return h.Read("/run/hostname.applied") == "slowly\n" })
}

func TestPowerCutDuringRestart(t *testing.T) {
	h := newHost(t)
	h.set(0, "network.hostname=alpha")
	done := h.startSlow("slowly")
	h.Cut()
	<-done
	h.Boot()
	h.awaitState(api.StateDone)
	h.wantFile("/etc/network/hostname.env", "HOSTNAME=slowly\n")
	h.Eventually("slowly applied", func() bool { return h.Read("/run/hostname.applied") == "slowly\n" })
}

func TestStopDuringChange(t *testing.T) {
	h := newHost(t)
	h.set(0, "network.hostname=alpha")
	done := h.startSlow("slowly")
	stopped := h.Start("systemctl", "restart", "apiserver.service")
	h.Eventually("stopping", func() bool {
		return h.Unit("apiserver.service", "ActiveState") == "deactivating" || h.Unit("apiserver.service", "NRestarts") != "0"
	})
	h.release()
	if r := <-stopped; r.Code != 0 {
		t.Errorf("restart of apiserver: %v", r)
	}
	<-done
	h.awaitState(api.StateDone)
	h.wantFile("/run/hostname.applied", "slowly\n")
	h.wantUnit("apiserver.service", "Result", "success")
}

// However often it dies as it starts, apiserver is tried again, and who waits at
// its socket is answered in the end.
func TestComesBackAfterCrashLoop(t *testing.T) {
	h := newHost(t, "ExecStartPre=/usr/bin/test ! -e /run/broken")
	h.Write("/run/broken", "")
	h.Must("kill", "-KILL", h.Unit("apiserver.service", "MainPID"))
	waiting := h.Start("apiclient", "get", "motd")
	h.Eventually("more restarts than systemd allows by itself", func() bool {
		n, err := strconv.Atoi(h.Unit("apiserver.service", "NRestarts"))
		return err == nil && n > 10
	})
	h.Must("rm", "/run/broken")
	if r := <-waiting; r.Code != 0 {
		t.Errorf("the waiting client: %v", r)
	}
}

// Killed again and again while settings change, apiserver loses none that it
// had confirmed, and settings and files agree in the end.
func TestKilledOften(t *testing.T) {
	h := newHost(t, "RestartSec=1ms")
	h.Write("/etc/systemd/system/apiserver.socket.d/test.conf", "[Socket]\nTriggerLimitIntervalSec=0\n")
	h.Must("systemctl", "daemon-reload")
	confirmed := ""
	for round := range 25 {
		value := "round-" + string(rune('a'+round))
		done := h.Start("apiclient", "set", "motd="+value)
		if pid := h.Unit("apiserver.service", "MainPID"); pid != "0" {
			h.Run("sh", "-c", "sleep 0.00$((RANDOM % 9)); kill -KILL "+pid)
		}
		if r := <-done; r.Code == 0 {
			confirmed = value
			h.wantFile("/etc/motd", value)
		}
	}
	if confirmed == "" {
		t.Error("no change went through: the test shows nothing")
	}
	h.Eventually("last change over", func() bool { return h.last().State.Final() })
	var settings struct{ Motd string }
	h.query("/settings?keys=settings.motd", &settings)
	h.wantFile("/etc/motd", settings.Motd)
	if settings.Motd < confirmed {
		t.Errorf("motd is %q, but %q was confirmed after that", settings.Motd, confirmed)
	}
}
