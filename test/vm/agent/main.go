// Command agent runs inside a virtual machine under test: it takes commands
// from a serial line, runs them, and sends back what came of them. While nobody
// has asked anything it says each second that it is there, and in which boot.
//
// Messages are JSON, a line each. It is for tests alone: whoever is at the other
// end of the line is root.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/test/vm/agent/wire"
)

const line = "/dev/ttyS1"

func main() {
	fmt.Fprintln(os.Stderr, "agent:", run())
	os.Exit(1) // it is started again
}

// run takes commands until the line breaks.
func run() error {
	f, err := os.OpenFile(line, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	if err := raw(int(f.Fd())); err != nil {
		return err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	out := &sender{w: f}
	var asked atomic.Bool
	go func() {
		for !asked.Load() {
			out.send(wire.Answer{Boot: strings.TrimSpace(string(boot))})
			time.Sleep(time.Second)
		}
	}()
	in := bufio.NewReader(f)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return err
		}
		var r wire.Request
		if json.Unmarshal(text, &r) != nil {
			continue // noise on the line
		}
		asked.Store(true)
		go func() { out.send(do(r)) }()
	}
}

// raw makes the line pass bytes as they are.
func raw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8 | unix.CREAD | unix.CLOCAL
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// sender writes one message at a time.
type sender struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *sender) send(a wire.Answer) {
	text, err := json.Marshal(a)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Nobody is there to be told that the line is broken.
	_, _ = s.w.Write(append(append([]byte("\n"), text...), '\n'))
}

func do(r wire.Request) wire.Answer {
	var stdout, stderr bytes.Buffer
	c := exec.Command(r.Args[0], r.Args[1:]...)
	c.Stdin = strings.NewReader(r.Input)
	c.Stdout, c.Stderr = &stdout, &stderr
	c.Dir = "/"
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root"}
	err := c.Run()
	a := wire.Answer{ID: r.ID, Stdout: stdout.String(), Stderr: stderr.String()}
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		a.Code = exit.ExitCode()
	} else if err != nil {
		a.Code, a.Stderr = -1, err.Error()
	}
	return a
}
