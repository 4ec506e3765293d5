package tharbeupdates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/service"
	"github.com/hostler-os/hostler/internal/update"
	"github.com/hostler-os/hostler/internal/updater"
)

// Run is a cli.Program.
func Run(ctx context.Context, args []string, s cli.Streams) int {
	now, err := cli.Clock(ctx)
	if err != nil {
		return cli.Report(s.Err, name, err)
	}
	a, err := parse(args[min(1, len(args)):])
	switch {
	case errors.Is(err, errHelp):
		fmt.Fprint(s.Out, usage)
		return cli.ExitOK
	case errors.Is(err, errVersion):
		cli.PrintVersion(s.Out, name)
		return cli.ExitOK
	case err != nil:
		return cli.Report(s.Err, name, wrongUsage(err))
	}
	p := newProgram(a, s, now)
	if a.worker {
		return p.asWorker(ctx)
	}
	if a.command == automatic {
		return cli.Report(s.Err, name, p.automatic(ctx))
	}
	return cli.Report(s.Err, "", p.told(p.start(ctx)))
}

// wrongUsage is an error of the command line, with what to do about it.
func wrongUsage(err error) error {
	if _, ok := errors.AsType[*api.Error](err); !ok {
		err = &api.Error{Code: api.CodeInvalid, Message: err.Error(), Hint: name + " --help shows how it is used"}
	}
	return &cli.ExitError{Code: cli.ExitUsage, Err: err}
}

// program is one run.
type program struct {
	arguments
	cli.Streams
	now func() time.Time
	log *slog.Logger
	*updater.Updater
}

func newProgram(a arguments, s cli.Streams, now func() time.Time) *program {
	log := cli.NewLog(s.Err, a.level.Level())
	return &program{a, s, now, log, &updater.Updater{Root: a.root, Now: now, Log: log}}
}

// told is why a command could not begin, for people, and as JSON for a program
// that asked for it. A refusal has an exit code of its own, and no hint: its text is
// the reference's.
func (p *program) told(err error) error {
	if refusal, ok := errors.AsType[*updater.Refusal](err); ok {
		return &cli.ExitError{Code: refusal.Exit, Err: err}
	}
	if err == nil {
		return nil
	}
	told := &api.Error{Code: api.CodeInternal, Message: err.Error(), Hint: update.Hint(err)}
	if p.json {
		// Whoever asked and does not listen has the exit code.
		_ = json.NewEncoder(p.Out).Encode(told)
	}
	return told
}

// start begins the command. The work is done by another process, which goes on
// when this one has answered.
func (p *program) start(ctx context.Context) error {
	lock, err := p.Lock()
	if errors.Is(err, updater.ErrLocked) {
		return &updater.Refusal{
			Exit: updater.ExitLocked,
			Text: fmt.Sprintf("Unable to obtain lock on lockfile '%s': %v", updater.LockPath(p.root), err),
		}
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := p.Begin(ctx, p.command); err != nil {
		return err
	}
	if p.wait {
		return p.work(ctx)
	}
	if err := p.spawn(lock); err != nil {
		return errors.Join(err, p.End(ctx, updater.Ending{Command: p.command, Stderr: err.Error() + "\n", Err: err}))
	}
	return nil
}

// spawn starts the process that does the work. It inherits the lock, and is no
// longer of this session, so that nobody's Ctrl-C ends it.
func (p *program) spawn(lock *os.File) error {
	self, err := os.Executable()
	if err != nil {
		return fixed("Failed to start updog: %w", err)
	}
	c := &exec.Cmd{
		Path: self, Args: p.line(), Dir: "/", Stderr: os.Stderr, ExtraFiles: []*os.File{lock},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := c.Start(); err != nil {
		return fixed("Failed to start updog: %w", err)
	}
	return c.Process.Release()
}

// inherited is the lock's file descriptor in the process that does the work.
const inherited = 3

// asWorker is that process. What it has to say is in the log and the status.
func (p *program) asWorker(ctx context.Context) int {
	unix.CloseOnExec(inherited)
	p.leave(ctx)
	if err := unix.Flock(inherited, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return cli.Report(p.Err, name, fmt.Errorf("--worker is for processes that this program starts: %w", err))
	}
	if p.work(ctx) != nil {
		return cli.ExitFailed
	}
	return cli.ExitOK
}

// leave leaves the service that has asked for the command, so that the work goes
// on when that is stopped. Where systemd does not run there is nothing to leave.
func (p *program) leave(ctx context.Context) {
	if !p.root.IsHost() {
		return
	}
	pid := os.Getpid()
	unit := fmt.Sprintf("hostler-update-%d.scope", pid)
	if err := service.Scope(ctx, unit, "Update of the operating system: "+p.command, pid); err != nil {
		p.log.Debug("the work ends when the service does that asked for it", "err", err)
	}
}

// fixed is fmt.Errorf for the texts that the reference's users know, which
// begin with a capital letter.
func fixed(format string, args ...any) error { return fmt.Errorf(format, args...) }
