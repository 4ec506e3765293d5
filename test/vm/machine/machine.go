//go:build vm

// Package machine is a virtual machine under test: QEMU without hardware
// virtualisation, a disk that outlives power cuts, a console that is kept, and an
// agent inside that runs commands.
//
// [New] describes one, [Machine.PowerOn] starts it, [Machine.Boot] tells which
// boot of it answers, [Machine.Run] runs a command in it. It may reboot as it
// likes; [Machine.Cut] takes its power away. Nothing of it outlives the test
// process. It knows nothing of images and slots.
package machine

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hostler-os/hostler/test/vm/agent/wire"
)

// Patience is how long a machine may take for anything that it should do soon.
// Without hardware virtualisation a boot takes half a minute, and many times as long on a busy machine.
const Patience = 15 * time.Minute

// Config is what a machine is made of.
type Config struct {
	Kernel, Initrd string
	Parameters     string // of the kernel
	Disk           string // image file
}

// Outside is the address at which a machine finds what listens on this host's loopback.
const Outside = "10.0.2.2"

// Machine is one machine.
type Machine struct {
	Config
	t      testing.TB
	dir    string
	agents net.Listener
	gone   chan struct{} // closed when a machine whose power was cut is off

	mu      sync.Mutex
	qemu    *exec.Cmd     // nil while it is off
	used    time.Duration // CPU time, of when it was on before
	console bytes.Buffer
	boot    string   // the kernel's id of the boot that last greeted
	line    net.Conn // nil where no agent can listen
	last    int
	waiting map[int]chan wire.Answer
}

// New is a machine, switched off.
func New(t testing.TB, c Config) *Machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "vm-") // short: sockets' paths are
	if err != nil {
		t.Fatal(err)
	}
	m := &Machine{Config: c, t: t, dir: dir, waiting: map[int]chan wire.Answer{}}
	if m.agents, err = net.Listen("unix", m.socket()); err != nil {
		t.Fatal(err)
	}
	go m.accept()
	t.Cleanup(func() {
		m.Cut()
		_ = m.agents.Close()
		if t.Failed() {
			t.Logf("console:\n%s", m.Console())
		}
		_ = os.RemoveAll(dir)
	})
	return m
}

func (m *Machine) socket() string { return filepath.Join(m.dir, "agent") }

// PowerOn switches the machine on.
func (m *Machine) PowerOn() {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.start(); err != nil {
		m.t.Fatalf("start the machine: %v", err)
	}
	m.gone = make(chan struct{})
	go m.stayOn(m.qemu)
}

// start begins with the firmware. m.mu is held.
//
// Where the machine resets itself, the emulator ends, and [Machine.stayOn] starts
// another: in place, one reset of some dozens never gets as far as the firmware,
// for which no program in the machine is to blame.
func (m *Machine) start() error {
	args := []string{
		"-no-reboot",
		"-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max", "-smp", "2", "-m", "1024", "-M", "q35",
		"-nodefaults", "-display", "none", "-serial", "stdio",
		"-netdev", "user,id=net,ipv6=off", "-device", "virtio-net-pci,netdev=net,romfile=",
		"-chardev", "socket,id=agent,path=" + m.socket(), "-serial", "chardev:agent",
		"-kernel", m.Kernel, "-initrd", m.Initrd, "-append", m.Parameters,
		"-drive", "if=none,id=disk,format=raw,cache=writeback,file=" + m.Disk, "-device", "virtio-blk-pci,drive=disk",
	}
	qemu := exec.Command("qemu-system-x86_64", args...)
	qemu.Stdout, qemu.Stderr = console{m}, console{m}
	qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := qemu.Start(); err != nil {
		return err
	}
	m.qemu = qemu
	return nil
}

// stayOn starts a machine that has reset itself until its power is cut.
func (m *Machine) stayOn(qemu *exec.Cmd) {
	defer close(m.gone)
	for {
		err := qemu.Wait()
		m.mu.Lock()
		m.used += qemu.ProcessState.UserTime() + qemu.ProcessState.SystemTime()
		cut := m.qemu == nil
		if !cut && err == nil {
			err = m.start()
			qemu = m.qemu
		}
		m.mu.Unlock()
		if cut {
			return
		}
		if err != nil {
			m.t.Errorf("the machine went off: %v", err)
			return
		}
	}
}

// Cut takes the power away: what the machine had not told its disk to keep is gone.
func (m *Machine) Cut() {
	m.t.Helper()
	m.mu.Lock()
	if m.qemu == nil {
		m.mu.Unlock()
		return
	}
	_ = m.qemu.Process.Kill() // it may have ended by itself
	m.qemu = nil
	m.mu.Unlock()
	<-m.gone
}

// Used is how much CPU time the machine has taken. On a busy host it tells a
// slow machine from one that does much.
func (m *Machine) Used() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.qemu == nil {
		return m.used
	}
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.qemu.Process.Pid)) // gone: as if it had done nothing
	_, fields, _ := strings.Cut(string(stat), ") ")
	var ticks time.Duration
	for i, text := range strings.Fields(fields) {
		if n, err := strconv.Atoi(text); err == nil && (i == 11 || i == 12) { // utime, stime: proc(5)
			ticks += time.Duration(n)
		}
	}
	return m.used + ticks*time.Second/100
}

// lose ends requests that nobody will answer. m.mu is held.
func (m *Machine) lose() {
	for id, answer := range m.waiting {
		close(answer)
		delete(m.waiting, id)
	}
}

// accept has a line to the agent of each machine that starts.
func (m *Machine) accept() {
	for {
		conn, err := m.agents.Accept()
		if err != nil {
			return
		}
		m.mu.Lock()
		m.line = conn
		m.mu.Unlock()
		m.listen(conn)
	}
}

// listen takes what the agent says until the line ends.
func (m *Machine) listen(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			m.hangUp(conn)
			return
		}
		var a wire.Answer
		if json.Unmarshal(text, &a) == nil {
			m.take(a)
		}
	}
}

func (m *Machine) hangUp(conn net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = conn.Close()
	m.line = nil
	m.lose()
}

func (m *Machine) take(a wire.Answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.ID == 0 {
		if m.boot != a.Boot {
			m.boot = a.Boot
			m.lose()
		}
		return
	}
	if answer := m.waiting[a.ID]; answer != nil {
		delete(m.waiting, a.ID)
		answer <- a
	}
}

// Boot is the kernel's id of the boot that last answered; "" before the first.
func (m *Machine) Boot() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boot
}

// Start runs a command as root. The channel delivers its answer, or is closed
// when the machine reboots or loses its power before.
func (m *Machine) Start(args ...string) <-chan wire.Answer {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	answer := make(chan wire.Answer, 1)
	if m.line == nil {
		close(answer)
		return answer
	}
	m.waiting[m.last] = answer
	text, err := json.Marshal(wire.Request{ID: m.last, Args: args})
	if err != nil {
		m.t.Fatal(err)
	}
	_, _ = m.line.Write(append(text, '\n')) // if the line has ended, so does the wait for answers
	return answer
}

// Run runs a command and waits for it; ok is false if the machine went down.
func (m *Machine) Run(args ...string) (a wire.Answer, ok bool) {
	m.t.Helper()
	select {
	case a, ok = <-m.Start(args...):
		return a, ok
	case <-time.After(Patience):
		m.t.Fatalf("%s: no answer within %v", strings.Join(args, " "), Patience)
		return a, false
	}
}

// Must runs a command that has to succeed and returns its standard output, trimmed.
func (m *Machine) Must(args ...string) string {
	m.t.Helper()
	a, ok := m.Run(args...)
	if !ok || a.Code != 0 {
		m.t.Fatalf("%s: exit code %d, the machine is up: %t\n%s\n%s", strings.Join(args, " "), a.Code, ok, a.Stdout, a.Stderr)
	}
	return strings.TrimSpace(a.Stdout)
}

// Eventually polls until ok says so; the test fails when it does not within [Patience].
func (m *Machine) Eventually(what string, ok func() bool) {
	m.t.Helper()
	deadline := time.After(Patience)
	// Asking costs the machine time that it needs to boot.
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			m.t.Fatalf("%s: not within %v", what, Patience)
		}
	}
}

// Console is all that the machine has said.
func (m *Machine) Console() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.console.String()
}

// console is the machine's console as a writer.
type console struct{ m *Machine }

func (c console) Write(p []byte) (int, error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	return c.m.console.Write(p)
}
