package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sandbox is a root with a running apiserver. The programs are those that a
// host gets: apiserver is the multi-call binary under that name.
type sandbox struct {
	root   string
	client string // apiclient's path
	server *exec.Cmd
}

const startLimit = 20 * time.Second

func startSandbox(ctx context.Context, b *bench, variant string) (*sandbox, error) {
	s, err := layOut(ctx, b, variant)
	if err != nil {
		return nil, err
	}
	return s, s.start(ctx)
}

// layOut makes a sandbox in which nothing runs yet.
func layOut(ctx context.Context, b *bench, variant string) (*sandbox, error) {
	dir, err := os.MkdirTemp(b.dir, "sandbox-")
	if err != nil {
		return nil, err
	}
	s := &sandbox{root: filepath.Join(dir, "root"), client: filepath.Join(b.bin, "apiclient")}
	if err := os.Symlink(filepath.Join(b.bin, "hostler"), filepath.Join(dir, "apiserver")); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, filepath.Join(b.bin, "hostler"), "sandbox", "new", s.root, "--variant", variant).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("lay out sandbox: %w\n%s", err, out)
	}
	s.server = exec.Command(filepath.Join(dir, "apiserver"), "--root", s.root)
	return s, nil
}

func (s *sandbox) start(ctx context.Context) error { return start(ctx, s.server, s.socket()) }

// remove removes a sandbox that has stopped. What is in the bench's scratch
// folder goes with that in any case.
func (s *sandbox) remove() { _ = os.RemoveAll(filepath.Dir(s.root)) }

func (s *sandbox) socket() string { return filepath.Join(s.root, "run/api.sock") }

// start runs a server and waits until its socket accepts.
func start(ctx context.Context, server *exec.Cmd, socket string) error {
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	if err := startAsUnit(server); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := net.Dial("unix", socket); err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			stop(server)
			return fmt.Errorf("%s does not serve %s:\n%s", filepath.Base(server.Path), socket, &log)
		case <-tick.C:
		}
	}
}

// timerSlack is what the units of apiserver and sundog have.
const timerSlack = 500 * time.Microsecond

// startAsUnit starts a program as its unit would.
func startAsUnit(program *exec.Cmd) error {
	runtime.LockOSThread() // a child gets the slack of the thread that makes it
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack.Nanoseconds()), 0, 0, 0); err != nil {
		return fmt.Errorf("set timer slack: %w", err)
	}
	err := program.Start()
	return errors.Join(err, unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)) // 0: this thread's own again
}

func stop(server *exec.Cmd) {
	_ = server.Process.Signal(syscall.SIGTERM)
	_ = server.Wait() // it was told to end; how it puts that does not matter
}

func (s *sandbox) stop() { stop(s.server) }

// run runs apiclient to its end.
func (s *sandbox) run(ctx context.Context, args ...string) error {
	args = append([]string{"--root", s.root}, args...)
	if out, err := exec.CommandContext(ctx, s.client, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("apiclient %v: %w\n%s", args, err, out)
	}
	return nil
}
