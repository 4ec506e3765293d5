//go:build integration

// Package machine boots throw-away systemd machines for tests: systemd-nspawn
// on a writable copy of this host's root, in about half a second.
//
// [New] lays out a machine, [Machine.Boot] starts it, [Machine.Run] runs
// commands in it. Its disk lasts over reboots and power cuts and is gone at the
// end of the test. Nothing of it outlives the test process, even one that is
// killed: see hold.sh. It needs root, but not that this host runs systemd.
//
// It deliberately offers no network but loopback, and no limits of memory or
// CPU: the container cannot enforce them.
package machine

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

//go:embed hold.sh
var holdScript string

// Patience is how long a machine may take for anything that it should do soon.
const Patience = 60 * time.Second

// Tools are the programs that a machine needs on this host.
var Tools = []string{"systemd-nspawn", "nsenter", "dbus-daemon", "mount", "runuser"}

// Check says why machines cannot be made here; nil if they can.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("machines need root")
	}
	for _, tool := range Tools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w (Debian: systemd-container, dbus, util-linux)", err)
		}
	}
	return nil
}

// Machine is one host under test.
type Machine struct {
	t       testing.TB
	dir     string // holds the disk
	group   string // control group, so that machines that run at the same time do not share one
	hold    *exec.Cmd
	nspawn  *exec.Cmd
	exited  chan struct{} // closed when nspawn is gone
	leader  int           // the machine's PID 1 as seen from here; 0 when off
	console *transcript
}

// New lays out a machine, switched off: this host's root with only the units
// that a bare systemd brings, and the given folders copied over it.
func New(t testing.TB, trees ...string) *Machine {
	t.Helper()
	m := &Machine{t: t, dir: t.TempDir(), console: new(transcript)}
	m.group = fmt.Sprintf("hostler-test-%d-%s-%s", os.Getpid(), filepath.Base(filepath.Dir(m.dir)), filepath.Base(m.dir))
	m.startHold()
	for _, tree := range trees {
		from, err := filepath.Abs(tree)
		if err != nil {
			t.Fatal(err)
		}
		m.inside("cp", "-a", "--no-preserve=ownership", from+"/.", m.root())
	}
	m.inside("sh", "-c", `set -eu; cd "$1"
		rm -rf etc/systemd/system/*.wants etc/systemd/system/*.requires etc/systemd/system/default.target
		rm -rf var/lib/hostler run/hostler
		: > etc/fstab
		[ -s etc/machine-id ] || echo 5d41402abc4b2a76b9719d911017c592 > etc/machine-id`, "sh", m.root())
	m.inside("systemctl", "--root="+m.root(), "mask", "-q",
		"getty.target", "console-getty.service", "systemd-networkd.service", "systemd-logind.service",
		"systemd-resolved.service", "systemd-timesyncd.service")
	t.Cleanup(m.discard)
	return m
}

// Enable makes units start at the next boot.
func (m *Machine) Enable(units ...string) {
	m.t.Helper()
	m.inside(append([]string{"systemctl", "--root=" + m.root(), "enable", "-q"}, units...)...)
}

// root is where the machine's root lies in the holder's mount namespace.
func (m *Machine) root() string { return filepath.Join(m.dir, "root") }

// startHold makes the namespaces and waits until the root is mounted.
func (m *Machine) startHold() {
	m.t.Helper()
	m.hold = exec.Command("sh", "-c", holdScript, "hold", m.dir, m.group)
	m.hold.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	m.hold.Stderr = m.console
	stdin, err := m.hold.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	stdout, err := m.hold.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.hold.Start(); err != nil {
		m.t.Fatalf("make namespaces: %v", err)
	}
	m.t.Cleanup(func() {
		stdin.Close()
		_ = m.hold.Wait() // cat's end is the machine's end; there is no more to know
		removeGroup(m.group)
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		m.t.Fatalf("lay out machine: %v\n%s", err, m.console)
	}
}

// enter is a command in the holder's namespaces, beside the machine.
func (m *Machine) enter(argv ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--target", strconv.Itoa(m.hold.Process.Pid), "--mount", "--pid", "--"}, argv...)...)
}

func (m *Machine) inside(argv ...string) {
	m.t.Helper()
	if out, err := m.enter(argv...).CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

// Boot switches the machine on and waits until systemd has started everything.
func (m *Machine) Boot() {
	m.t.Helper()
	m.PowerOn()
	m.awaitBoot()
}

// PowerOn switches the machine on and waits until commands can be run in it.
func (m *Machine) PowerOn() {
	m.t.Helper()
	if m.leader != 0 {
		m.t.Fatal("boot: the machine is running")
	}
	m.nspawn = m.enter("sh", "-c", `echo 0 > "/sys/fs/cgroup/$0/cgroup.procs" && exec env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 "$@"`, m.group,
		"systemd-nspawn", "--directory="+m.root(), "--boot", "--register=no", "--keep-unit",
		"--private-network", "--console=pipe", "--hostname=hostler-test")
	m.nspawn.Stdout, m.nspawn.Stderr = m.console, m.console
	m.nspawn.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := m.nspawn.Start(); err != nil {
		m.t.Fatalf("boot: %v", err)
	}
	exited := make(chan struct{})
	m.exited = exited
	go func(cmd *exec.Cmd) {
		_ = cmd.Wait() // 133 is a reboot, 0 a power-off, others a crash: the tests know what they asked for
		close(exited)
	}(m.nspawn)
	m.Eventually("power on", func() bool {
		m.leader = m.findLeader()
		return m.leader != 0
	})
}

func (m *Machine) awaitBoot() {
	m.t.Helper()
	state := ""
	m.Eventually("boot", func() bool {
		state = strings.TrimSpace(m.Run("systemctl", "is-system-running").Stdout)
		return state == "running" || state == "degraded"
	})
	if state == "degraded" {
		m.t.Logf("the machine is degraded:\n%s", m.Run("systemctl", "--failed", "--no-legend").Stdout)
	}
}

// findLeader follows nsenter → systemd-nspawn → the machine's PID 1.
func (m *Machine) findLeader() int {
	nspawn := firstChild(m.nspawn.Process.Pid)
	if nspawn == 0 {
		return 0
	}
	leader := firstChild(nspawn)
	if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", leader)); strings.TrimSpace(string(name)) != "systemd" {
		return 0 // still nspawn's own set-up
	}
	return leader
}

func firstChild(pid int) int {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(list), " ")
	child, _ := strconv.Atoi(first)
	return child
}

// PowerOff shuts the machine down in good order.
func (m *Machine) PowerOff() {
	m.t.Helper()
	m.Run("systemctl", "poweroff")
	m.AwaitOff()
}

// Reboot restarts the machine in good order.
func (m *Machine) Reboot() {
	m.t.Helper()
	m.Run("systemctl", "reboot")
	m.AwaitOff()
	m.Boot()
}

// Cut takes the power away: nothing in the machine gets a chance to react.
func (m *Machine) Cut() {
	m.t.Helper()
	if err := syscall.Kill(m.leader, syscall.SIGKILL); err != nil {
		m.t.Fatalf("cut power: %v", err)
	}
	m.AwaitOff()
}

// AwaitOff waits until the machine has gone down, whoever asked for it.
func (m *Machine) AwaitOff() {
	m.t.Helper()
	select {
	case <-m.exited:
		m.leader = 0
	case <-time.After(Patience):
		m.t.Fatalf("the machine did not go down within %v", Patience)
	}
}

// discard ends a machine that still runs and shows what it said if the test failed.
func (m *Machine) discard() {
	if m.t.Failed() {
		m.report()
	}
	if m.leader != 0 {
		_ = syscall.Kill(m.leader, syscall.SIGKILL)
		select {
		case <-m.exited:
		case <-time.After(Patience):
			m.t.Errorf("the machine did not end within %v", Patience)
		}
	}
}

// removeGroup removes the emptied control groups of a machine that is gone.
func removeGroup(name string) {
	for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var groups []string
		_ = filepath.WalkDir(filepath.Join(mount, name), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				groups = append(groups, path)
			}
			return nil
		})
		for _, group := range slices.Backward(groups) {
			_ = os.Remove(group) // an empty group that stays costs nothing
		}
	}
}

func (m *Machine) report() {
	if m.leader != 0 {
		journal := m.Run("journalctl", "--no-pager", "--output=short-precise", "--lines=200").Stdout
		m.t.Logf("end of the machine's journal:\n%s", journal)
	}
	m.t.Logf("console:\n%s", m.console)
}

// Eventually polls until ok says so; the test fails when it does not within [Patience].
func (m *Machine) Eventually(what string, ok func() bool) {
	m.t.Helper()
	deadline := time.After(Patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			m.t.Fatalf("%s: not within %v", what, Patience)
		}
	}
}

// transcript collects output of several writers.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

var _ io.Writer = (*transcript)(nil)

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
