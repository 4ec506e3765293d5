//go:build integration

package integration_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

func TestTryExpires(t *testing.T) {
	h := newHost(t)
	h.set(0, "motd=before")
	h.set(0, "--try", "2s", "motd=tried")
	h.wantFile("/etc/motd", "tried")
	h.awaitUndone()
	h.wantFile("/etc/motd", "before")
}

func TestTryOutlivesReboot(t *testing.T) {
	for name, restart := range map[string]func(host){
		"reboot":    func(h host) { h.Reboot() },
		"power cut": func(h host) { h.Cut(); h.Boot() },
		"off when its time is over": func(h host) {
			until := h.last().Try.Until
			h.PowerOff()
			h.Eventually("deadline", func() bool { return time.Now().After(until) })
			h.Boot()
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.set(0, "network.hostname=alpha")
			h.set(0, "--try", "5s", "network.hostname=tried")
			h.wantState(api.StateTrying)
			h.wantFile("/run/hostname.applied", "tried\n")
			restart(h)
			h.awaitUndone()
			h.wantFile("/etc/network/hostname.env", "HOSTNAME=alpha\n")
			h.Eventually("alpha applied", func() bool { return h.Read("/run/hostname.applied") == "alpha\n" })
		})
	}
}

// awaitUndone waits until the try is undone, whether by itself or by a change of its own.
func (h host) awaitUndone() {
	h.t.Helper()
	h.Eventually("try undone", func() bool {
		var changes []api.Change
		h.query("/changes", &changes)
		for _, c := range changes {
			if c.Try != nil {
				return c.State == api.StateUndone
			}
		}
		return false
	})
}

func TestConfirmedTryStays(t *testing.T) {
	h := newHost(t)
	h.set(0, "motd=before")
	h.set(0, "--try", "6s", "motd=kept")
	tried := h.last()
	h.Must("apiclient", "confirm", strconv.FormatUint(tried.ID, 10))
	h.Reboot()
	h.Eventually("former deadline", func() bool { return time.Now().After(tried.Try.Until.Add(time.Second)) })
	h.wantFile("/etc/motd", "kept")
	h.wantState(api.StateDone)
}
