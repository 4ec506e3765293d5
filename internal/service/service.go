// Package service runs the restart commands of services.
//
// A [Manager] runs one command and waits for what came of it. There are three:
// [Systemd] hands systemctl commands to systemd over D-Bus, waits for the
// job's result and executes every other command; [Plain] executes everything;
// [Recorder] runs nothing, but writes down what a host would have run, and
// fails or hangs where it is told to: that is what sandboxes use.
//
// The package decides neither which commands run nor in which order (that is
// package apply's business), nor does it know settings, files or changes.
package service

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Command is one restart command.
type Command struct {
	Line    string   // as in the model
	Service string   // the model's name of the service
	Changed []string // changed keys, for CHANGED_SETTINGS; nil: unset

	// Undo says that the command shall bring back what an earlier one broke:
	// a unit that failed is started again, where try-restart would leave it down.
	Undo bool
}

// Manager runs commands. Run waits for the command's result, at most until the
// manager's deadline; output is the end of what the command printed.
type Manager interface {
	Run(ctx context.Context, c Command) (output string, err error)
	DaemonReload(ctx context.Context) error
	Close() error
}

// ErrDeadline is returned (wrapped) for a command that was ended because it
// had not finished within the manager's deadline.
var ErrDeadline = errors.New("not finished in time")

// ReloadLine is the command that a daemon-reload stands for.
const ReloadLine = "systemctl daemon-reload"

// withDeadline is ctx limited to the manager's deadline; none if it is zero.
func withDeadline(ctx context.Context, deadline time.Duration) (context.Context, context.CancelFunc) {
	if deadline <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, deadline, fmt.Errorf("%w: ended after %v", ErrDeadline, deadline))
}
