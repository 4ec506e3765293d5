//go:build integration

package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/health"
	"github.com/hostler-os/hostler/internal/slot"
)

const (
	osDisk   = "/var/lib/os.img"
	checks   = "/etc/hostler/health.d/"
	complete = "boot-complete.target"
)

// newJudged lays out a host that is judged at boot, whose slots are those of a
// disk image. It runs from slot B, an update that is tried for the first time.
func newJudged(t testing.TB, document string) host {
	t.Helper()
	h := newBooting(t, document)
	h.Enable("hostler-health.service", "hostler-fallback.timer", "mark-successful-boot.service")
	for unit, command := range map[string]string{
		"hostler-health": "hostler health boot", "hostler-fallback": "hostler health fall-back", "mark-successful-boot": "signpost mark-successful-boot",
	} {
		h.Write("/etc/systemd/system/"+unit+".service.d/test.conf", fmt.Sprintf("[Service]\nExecStart=\nExecStart=/usr/bin/%s --disk %s --active B\n", command, osDisk))
	}
	h.Write("/etc/hostler/health.toml", "patience = \"1s\"\ngrace = \"0s\"\n")
	if err := slot.CreateImage(h.Path(osDisk), slot.MinSize, 512); err != nil {
		t.Fatal(err)
	}
	for _, change := range []slot.Change{slot.MarkInactiveValid, slot.UpgradeToInactive, func(s slot.State) (slot.State, error) {
		s, _ = s.Boot()
		return s, nil
	}} {
		if _, err := h.slots(slot.A).Change(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h host) slots(active slot.Name) *slot.Disk {
	h.t.Helper()
	d, err := slot.At(h.Path(osDisk), active)
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

func (h host) wantGood(want bool) {
	h.t.Helper()
	sets, err := h.slots(slot.B).Sets(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	if sets.Good() != want {
		h.t.Errorf("slot B is good: %t, want %t", sets.Good(), want)
	}
}

// judgement is the newest report, read from the disk: the host may be off.
func (h host) judgement() health.Report {
	h.t.Helper()
	var list []health.Report
	text := h.Read("/var/lib/hostler/health.json")
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) == 0 {
		h.t.Fatalf("%v in %q", err, text)
	}
	return list[0]
}

func (h host) check(name, text string) {
	h.t.Helper()
	h.Write(checks+name, "#!/bin/sh\n"+text+"\n")
	if err := os.Chmod(h.Path(checks+name), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

// fallsBack boots the host, expects it to reboot by itself, and that the report says why.
func (h host) fallsBack(blame string) {
	h.t.Helper()
	h.PowerOn()
	h.AwaitOff()
	r := h.judgement()
	if r.State != health.Bad || !strings.Contains(r.Blame(), blame) || !strings.Contains(r.Decision, "reboots into slot A") {
		h.t.Errorf("want %q blamed, got %+v", blame, r)
	}
	h.wantGood(false)
}

func TestGoodBootIsMarked(t *testing.T) {
	h := newJudged(t, goodData)
	h.check("10-fine", "echo all is well")
	h.Boot()
	h.Eventually("good mark", func() bool { return h.Unit("mark-successful-boot.service", "ActiveState") == "active" })
	h.wantUnit(complete, "ActiveState", "active")
	h.wantGood(true)
	if r := h.judgement(); r.State != health.Good || len(r.Checks) != 5 || r.Slot != "B" {
		t.Errorf("got %+v", r)
	}
	if r := h.Run("hostler", "health"); r.Code != 0 || !strings.Contains(r.Stdout, "10-fine") {
		t.Errorf("hostler health: %v", r)
	}
}

func TestBadCheckFallsBack(t *testing.T) {
	h := newJudged(t, goodData)
	h.check("10-broken", "echo the disk smells of smoke; exit 1")
	h.fallsBack("10-broken")
	if got := h.judgement().Checks[4].Output; got != "the disk smells of smoke" {
		t.Errorf("the check's output is %q", got)
	}
}

func TestFailedUnitFallsBack(t *testing.T) {
	h := newJudged(t, goodData)
	h.Write("/etc/systemd/system/broken.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n")
	h.Enable("broken.service")
	h.fallsBack("broken.service (failed)")
	h.Write("/etc/hostler/health.toml", "patience = \"1s\"\nignore-units = [\"broken.*\"]\n")
	h.Boot()
	h.Eventually("good mark", func() bool { return h.Unit("mark-successful-boot.service", "ActiveState") == "active" })
}

// A host that is not configured does not reach multi-user.target, and is judged all the same.
func TestUnconfiguredFallsBack(t *testing.T) {
	h := newJudged(t, "[settings]\nntp = 5\n")
	h.Enable("activate-configured.service", "activate-multi-user.service")
	if err := os.Symlink("/usr/lib/systemd/system/preconfigured.target", h.Path("/etc/systemd/system/default.target")); err != nil {
		t.Fatal(err)
	}
	h.fallsBack("settings: boot 1 is failed")
}

// A boot that hangs is not judged; its time is limited.
func TestHangingBootFallsBack(t *testing.T) {
	h := newJudged(t, goodData)
	h.Write("/etc/systemd/system/hang.service", "[Unit]\nBefore=multi-user.target\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n")
	h.Enable("hang.service")
	h.Write("/etc/systemd/system/hostler-fallback.timer.d/test.conf", "[Timer]\nOnBootSec=\nOnActiveSec=4s\n")
	h.fallsBack("deadline: the boot was not complete in time")
}

// What breaks later on a good system is not the slot's fault.
func TestGoodSlotStays(t *testing.T) {
	h := newJudged(t, goodData)
	if _, err := h.slots(slot.B).Change(t.Context(), slot.MarkSuccessfulBoot); err != nil {
		t.Fatal(err)
	}
	h.check("10-broken", "exit 1")
	h.Boot()
	h.Eventually("decision", func() bool {
		return strings.Contains(h.Read("/var/lib/hostler/health.json"), "booted well before")
	})
	h.wantUnit("hostler-health.service", "ActiveState", "failed")
	h.wantUnit(complete, "ActiveState", "inactive")
	if r := h.Run("hostler", "health"); r.Code != 1 || !strings.Contains(r.Stderr, "10-broken") {
		t.Errorf("hostler health: %v", r)
	}
}
