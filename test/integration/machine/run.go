//go:build integration

package machine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Result is what a command in the machine came to.
type Result struct {
	Code   int // exit code; -1 when it was killed
	Stdout string
	Stderr string
	Took   time.Duration
}

func (r Result) String() string {
	return fmt.Sprintf("exit code %d after %v\nstdout: %s\nstderr: %s", r.Code, r.Took.Round(time.Millisecond), r.Stdout, r.Stderr)
}

// command runs argv in the running machine with the environment of a login.
func (m *Machine) command(argv ...string) *exec.Cmd {
	enter := []string{
		"--target", strconv.Itoa(m.leader), "--all", "--",
		"env", "--ignore-environment", "--chdir=/", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root",
	}
	return exec.Command("nsenter", append(enter, argv...)...)
}

// Run runs a command in the machine as root and returns what came of it.
func (m *Machine) Run(argv ...string) Result {
	m.t.Helper()
	return m.finish(m.command(argv...))
}

// RunAs runs a command as a user of the machine, with the groups it has there.
func (m *Machine) RunAs(user string, argv ...string) Result {
	m.t.Helper()
	return m.Run(append([]string{"runuser", "--user", user, "--"}, argv...)...)
}

// Must runs a command that has to succeed and returns its standard output, trimmed.
func (m *Machine) Must(argv ...string) string {
	m.t.Helper()
	r := m.Run(argv...)
	if r.Code != 0 {
		m.t.Fatalf("%s: %v", strings.Join(argv, " "), r)
	}
	return strings.TrimSpace(r.Stdout)
}

// Start runs a command in the background; the channel delivers its result.
func (m *Machine) Start(argv ...string) <-chan Result {
	cmd, done := m.command(argv...), make(chan Result, 1)
	go func() { done <- m.finish(cmd) }()
	return done
}

func (m *Machine) finish(cmd *exec.Cmd) Result {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	r := Result{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String(), Took: time.Since(start)}
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		m.t.Errorf("run %s: %v", strings.Join(cmd.Args, " "), err)
	}
	return r
}

// Unit returns a property of a unit, as systemctl show prints it.
func (m *Machine) Unit(unit, property string) string {
	m.t.Helper()
	return m.Must("systemctl", "show", "--value", "--property="+property, unit)
}

// Path is where this host finds a file of the machine: of the running one, or of its disk when it is off.
func (m *Machine) Path(name string) string {
	if m.leader != 0 {
		return filepath.Join(fmt.Sprintf("/proc/%d/root", m.leader), name)
	}
	return filepath.Join(fmt.Sprintf("/proc/%d/root", m.hold.Process.Pid), m.root(), name)
}

// Read returns the contents of a file in the machine; "" if there is none.
func (m *Machine) Read(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(m.Path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.t.Fatal(err)
	}
	return string(text)
}

// Write creates a file in the machine, with its folders.
func (m *Machine) Write(name, text string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.Path(name)), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(m.Path(name), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}
