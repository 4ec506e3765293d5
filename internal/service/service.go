// Package service runs the restart commands of services: through systemd, as plain commands, or recorded in a sandbox.
package service

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

var errStub = errors.New("stub")

// Command is one restart command.
type Command struct {
	Line    string   // as in the model
	Service string   // the model's name of the service
	Changed []string // changed keys, for CHANGED_SETTINGS; nil: unset
}

// Manager runs commands. Run waits for the command's result; its output is the end of what it printed.
type Manager interface {
	Run(ctx context.Context, c Command) (output string, err error)
	DaemonReload(ctx context.Context) error
	Close() error
}

// Systemd talks to systemd over D-Bus for systemctl commands and executes others.
func Systemd(log *slog.Logger, deadline time.Duration) (Manager, error) { return nil, errStub }

// Plain executes every command, systemctl included.
func Plain(log *slog.Logger, deadline time.Duration) Manager { return nil }

// Recorder appends each command as one JSON line to records instead of running it, and fails or hangs as told in the file faults.
func Recorder(records, faults string, deadline time.Duration) Manager { return nil }
