//go:build integration

package integration_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/test/integration/machine"
)

// A kill is a program that ends with SIGKILL in the middle of what it does.
type kill struct {
	unit, setting string // the line of the unit that runs it
	line          string // what it is replaced by
	phase         string // that the report shows as interrupted; empty: there is no report
}

// onCall kills a command when it first makes a system call, on a path if one is given.
func onCall(command, call, path string) string {
	if path != "" {
		path = "-P " + path
	}
	return fmt.Sprintf("/usr/bin/strace -f -qq -o /dev/null %s -e trace=%s -e inject=%s:signal=SIGKILL:when=1 %s", path, call, call, command)
}

// inPhase kills a command when the report tells that a phase has begun.
func inPhase(command, phase string) string {
	return fmt.Sprintf("/bin/sh -c '%s & p=$!; until grep -q name...%s /run/hostler/boot.jsonl; do sleep 0.01; done; kill -9 $p; wait $p'", command, phase)
}

func needStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatalf("%v (Debian: strace)", err)
	}
}

// killed boots the host with one kill, as if for the first time, and looks
// whether somebody could find out what happened. The next boot completes.
func (h host) killed(k kill, first bool) {
	h.t.Helper()
	dropIn := filepath.Join("/etc/systemd/system", k.unit+".d/kill.conf")
	h.Write(dropIn, fmt.Sprintf("[Service]\n%s=\n%s=%s\n", k.setting, k.setting, k.line))
	h.bootAnew(first)
	if result := h.Unit(k.unit, "Result"); result == "success" {
		h.t.Errorf("%s: nothing was killed", k.line)
	}
	h.wantUnit("apiserver.service", "ActiveState", "active")
	h.wantUnit("preconfigured.target", "ActiveState", "inactive")
	h.wantUnit(multiUser, "ActiveState", "inactive")
	h.set(0, "motd=set by an operator")
	h.Must("apiclient", "unset", "motd")
	if k.phase != "" {
		h.wantInterrupted(k)
	}
	h.Must("rm", dropIn)
	h.Reboot()
	h.wantUnit(multiUser, "ActiveState", "active")
	h.wantFile("/etc/motd", "from user data")
	h.wantFile("/etc/network/hostname.env", "HOSTNAME=generated-name")
	if b := h.report(); b.State != api.BootDone {
		h.t.Errorf("after %s the next boot is %+v", k.line, b)
	}
}

func (h host) wantInterrupted(k kill) {
	h.t.Helper()
	b := h.report()
	if b.State != api.BootInterrupted || len(b.Phases) == 0 || b.Phases[len(b.Phases)-1].Name != k.phase {
		h.t.Errorf("%s: the report is %+v, want it interrupted in phase %s", k.line, b, k.phase)
	}
	if status := h.Run("apiclient", "status"); status.Code != 0 || !strings.Contains(status.Stdout, "interrupted") {
		h.t.Errorf("%s: apiclient status says %v\n%s", k.line, status, status.Stdout)
	}
}

// folder is where the mark is made that says that user data is loaded: synced
// at the end of the phase commit, and at no other time.
const folder = "/var/lib/bottlerocket"

// slow makes generators and restart commands take their time.
const slow = "0.4"

// Every phase of the chain is met, user data and commit too.
func TestKillInEveryPhase(t *testing.T) {
	needStrace(t)
	h := newBooting(t, goodData)
	h.Write("/etc/test.slow", slow)
	const unit, start, sundog = "sundog.service", "ExecStart", "/usr/bin/sundog"
	for i, k := range []kill{
		{unit, start, inPhase(sundog, api.PhaseGenerators), api.PhaseGenerators}, // first: what was generated is not generated again
		{unit, start, onCall(sundog, "fsync", ""), ""},                           // the report is being written
		{unit, start, onCall(sundog, "openat", userData), api.PhaseUserData},
		{unit, start, onCall(sundog, "fsync", folder), api.PhaseCommit},
		{unit, start, inPhase(sundog, api.PhaseApply), api.PhaseApply},
	} {
		h.killed(k, i == 0)
	}
}

// newField lays out a host whose units call the reference's programs one by one.
func newField(t *testing.T) host {
	t.Helper()
	h := host{machine.New(t, installed, "testdata/host", "testdata/boot", "testdata/field"), t}
	h.options()
	const variant = "/usr/share/hostler/variants/metal-dev.toml"
	h.Write(variant, h.Read(variant)+"\n[boot]\nphases = [\"generators\"]\n")
	h.Write(userData, goodData)
	h.Write("/etc/test.slow", slow)
	h.Enable("apiserver.socket", "apiserver.service", "storewolf.service", "early-boot-config.service", "sundog.service",
		"settings-applier.service", "chronyd.service", "set-hostname.service")
	return h
}

// The reference's programs, each killed in what it does.
func TestKillReferencePrograms(t *testing.T) {
	needStrace(t)
	h := newField(t)
	const (
		start, before   = "ExecStart", "ExecStartPre"
		storewolf       = "/usr/bin/storewolf --data-store-base-path /var/lib/bottlerocket/datastore --inventory-file-symlink-path /var/lib/bottlerocket/inventory/application.json"
		earlyBootConfig = "/usr/bin/early-boot-config"
		committer       = "/usr/bin/settings-committer"
	)
	for i, k := range []kill{
		{"sundog.service", start, inPhase("/usr/bin/sundog", api.PhaseGenerators), api.PhaseGenerators}, // first, as above
		{"storewolf.service", start, onCall(storewolf, "symlinkat", ""), ""},
		{"storewolf.service", start, onCall(storewolf, "renameat", ""), ""},
		{"early-boot-config.service", start, onCall(earlyBootConfig, "fsync", ""), ""},
		{"early-boot-config.service", start, onCall(earlyBootConfig, "openat", userData), api.PhaseUserData},
		{"sundog.service", before, onCall(committer, "connect", ""), api.PhaseCommit},
		{"sundog.service", before, onCall(committer, "fsync", folder), api.PhaseCommit},
		{"settings-applier.service", before, onCall(committer, "connect", ""), api.PhaseCommit},
		{"settings-applier.service", start, inPhase("/usr/bin/thar-be-settings --all", api.PhaseApply), api.PhaseApply},
	} {
		h.killed(k, i == 0)
	}
}
