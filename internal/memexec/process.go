package memexec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLimit is returned for a program that was killed because it took more than it may.
var ErrLimit = errors.New("limit exceeded")

// ExitError is returned for a program that ended with a status other than 0.
type ExitError struct {
	Name    string // of the program
	Status  string // such as "exit status 1" or "signal: killed"
	Code    int    // -1 if a signal ended it
	Message string // what it said on standard error
}

func (e *ExitError) Error() string { return e.Name + ": " + e.Status }

// Result is what a program left behind.
type Result struct {
	Output  []byte
	Message string // standard error
	Took    time.Duration
	CPU     time.Duration // of the stage, too
	Memory  int64         // the most that was resident, in bytes
}

// Process is a program that was started and waits for its document.
type Process struct {
	name    string
	cmd     *exec.Cmd
	limits  Limits
	missing []string

	in      *os.File
	out     *os.File
	spare   []byte
	err     *os.File
	kill    sync.Once
	exceeds error // which limit was exceeded; written before the kill
}

func newProcess(name string, cmd *exec.Cmd, limits Limits) *Process {
	return &Process{name: name, cmd: cmd, limits: limits}
}

// start makes the pipes itself: those of os/exec would be copied without a limit.
func (p *Process) start() (err error) {
	var ends [3]*os.File
	var ours [3]*os.File
	defer func() {
		for _, f := range ends {
			f.Close()
		}
		if err != nil {
			for _, f := range ours {
				f.Close()
			}
		}
	}()
	for i := range ends {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		widen(r)
		ends[i], ours[i] = w, r
		if i == 0 {
			ends[i], ours[i] = r, w
		}
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = ends[0], ends[1], ends[2]
	p.in, p.out, p.err = ours[0], ours[1], ours[2]
	return p.cmd.Start()
}

// pipeSize is what every user may have, in bytes (sysctl fs.pipe-max-size): a
// document goes over in a few pieces instead of dozens, each a change of process.
const pipeSize = 1 << 20

// widen asks for a larger pipe; a smaller one works as well.
func widen(f *os.File) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
}

// Missing names the restrictions that the kernel lacks, or does not let the caller use.
func (p *Process) Missing() []string { return p.missing }

// Kill ends a process that is not to run.
func (p *Process) Kill() {
	p.end(nil)
	_ = p.cmd.Wait() // it was killed: there is no more to know
	for _, f := range []*os.File{p.in, p.out, p.err} {
		_ = f.Close()
	}
}

// end kills the process group, once, and remembers why.
func (p *Process) end(why error) {
	p.kill.Do(func() {
		p.exceeds = why
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may be gone already
		_ = p.cmd.Process.Kill()
	})
}

// Reuse gives Run memory for the output that is not needed any more.
func (p *Process) Reuse(memory []byte) { p.spare = memory[:0] }

// Run hands the program its document, which may come in parts, and waits for its
// end. The error is an [*ExitError] if the program failed, or ErrLimit, or that
// of ctx. In any case nothing of it runs any more.
func (p *Process) Run(ctx context.Context, document ...[]byte) (Result, error) {
	began := time.Now()
	timer := time.AfterFunc(p.limits.Time, func() {
		p.end(fmt.Errorf("%w: %s ran longer than %v", ErrLimit, p.name, p.limits.Time))
	})
	defer timer.Stop()
	defer context.AfterFunc(ctx, func() { p.end(context.Cause(ctx)) })()
	var wg sync.WaitGroup
	wg.Go(func() { p.feed(document) })
	var message []byte
	wg.Go(func() { message = p.collect(p.err, nil, p.limits.Message, "on standard error") })
	output := p.collect(p.out, p.spare, p.limits.Output, "in its answer")
	wg.Wait()
	status := p.cmd.Wait()
	p.end(nil) // what is left of the group, if there could be anything
	r := Result{Output: output, Message: string(message), Took: time.Since(began)}
	r.measure(p.cmd.ProcessState)
	return r, p.judge(status, r)
}

// feed writes the document. A program that does not read all of it has its reasons.
func (p *Process) feed(document [][]byte) {
	for _, part := range document {
		if _, err := p.in.Write(part); err != nil {
			break
		}
	}
	_ = p.in.Close()
}

// collect reads what the program writes, and ends it when that is too much.
func (p *Process) collect(f *os.File, memory []byte, limit int64, what string) []byte {
	all := bytes.NewBuffer(memory)
	n, _ := all.ReadFrom(io.LimitReader(f, limit+1))
	if n > limit {
		p.end(fmt.Errorf("%w: %s wrote more than %d bytes %s", ErrLimit, p.name, limit, what))
		all.Truncate(int(limit))
	}
	_ = f.Close()
	return all.Bytes()
}

func (p *Process) judge(status error, r Result) error {
	if p.exceeds != nil {
		return p.exceeds
	}
	exit, ok := errors.AsType[*exec.ExitError](status)
	if !ok {
		return status
	}
	// The kernel kills what has used up its time on the processor, or the memory.
	if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() && s.Signal() == syscall.SIGKILL {
		return fmt.Errorf("%w: the kernel killed %s, which may take %v of the processor", ErrLimit, p.name, p.limits.CPU)
	}
	return &ExitError{p.name, exit.Error(), exit.ExitCode(), r.Message}
}

func (r *Result) measure(s *os.ProcessState) {
	if s == nil {
		return
	}
	r.CPU = s.UserTime() + s.SystemTime()
	if usage, ok := s.SysUsage().(*syscall.Rusage); ok {
		r.Memory = usage.Maxrss << 10
	}
}
