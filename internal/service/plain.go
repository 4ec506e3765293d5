package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/hostler-os/hostler/internal/excerpt"
)

const (
	// outputLimit is how much of the end of a command's output is kept.
	outputLimit = 4 << 10

	// pipeGrace is how long output is awaited from children that outlive
	// the command itself, such as a daemon that it started.
	pipeGrace = time.Second

	changedVariable = "CHANGED_SETTINGS"
)

// Plain executes every command, systemctl included. A command that runs longer
// than deadline is killed with all its children that stayed in its process
// group; a deadline of zero is none.
func Plain(log *slog.Logger, deadline time.Duration) Manager {
	return plain{log: log, deadline: deadline}
}

type plain struct {
	log      *slog.Logger
	deadline time.Duration
}

func (p plain) Close() error { return nil }

func (p plain) DaemonReload(ctx context.Context) error {
	_, err := p.Run(ctx, Command{Line: ReloadLine})
	return err
}

// Run splits the command at single spaces, without quoting and without a
// shell: two consecutive spaces make an empty argument.
func (p plain) Run(ctx context.Context, c Command) (string, error) {
	ctx, cancel := withDeadline(ctx, p.deadline)
	defer cancel()
	out := excerpt.Tail{Limit: outputLimit}
	cmd, err := build(ctx, c, &out)
	if err != nil {
		return "", fmt.Errorf("run '%s': %w", c.Line, err)
	}
	started := time.Now()
	err = cmd.Run()
	p.log.Debug("command ended", "service", c.Service, "command", c.Line, "took", time.Since(started))
	if err = explainExit(ctx, err); err != nil {
		return out.String(), fmt.Errorf("run '%s': %w", c.Line, err)
	}
	return out.String(), nil
}

func build(ctx context.Context, c Command, out *excerpt.Tail) (*exec.Cmd, error) {
	args := strings.Split(c.Line, " ")
	if args[0] == "" {
		return nil, errors.New("it does not begin with a program")
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	if cmd.Err != nil {
		return nil, cmd.Err
	}
	cmd.Dir = "/"
	cmd.Env = environment(c.Changed)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = pipeGrace
	return cmd, nil
}

// environment is this process's own with CHANGED_SETTINGS set as asked, and
// never one inherited from whoever started the suite.
func environment(changed []string) []string {
	env := make([]string, 0, 32)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, changedVariable+"=") {
			env = append(env, v)
		}
	}
	if changed == nil {
		return env
	}
	return append(env, changedVariable+"="+strings.Join(changed, " "))
}

// explainExit says how a command ended: a status, a signal, the deadline.
func explainExit(ctx context.Context, err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil:
		return nil // it ended well; only a child still holds its output
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.As(err, &exit):
		return err
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return fmt.Errorf("ended by signal %d (%v)", status.Signal(), status.Signal())
	}
	return fmt.Errorf("exited with status %d", exit.ExitCode())
}
