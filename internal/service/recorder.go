package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Recorder appends each command as one JSON line to the file records instead
// of running it. The file faults ([ReadFaults]) is read at each run, so that a
// person can change it while a server runs; a fault with [Fault.Once] is taken
// out of it when it has struck. A command that hangs does so until deadline, or
// until its fault is gone.
func Recorder(records, faults string, deadline time.Duration) Manager {
	return recorder{records: records, faults: faults, deadline: deadline}
}

type recorder struct {
	records, faults string
	deadline        time.Duration
}

// Record is one line of a recorder's file of records.
type Record struct {
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	Command string    `json:"command"`
	Changed []string  `json:"changed-settings,omitempty"`
	Result  string    `json:"result"` // done, failed or timeout
}

func (r recorder) Close() error { return nil }

func (r recorder) DaemonReload(ctx context.Context) error {
	_, err := r.Run(ctx, Command{Line: ReloadLine})
	return err
}

func (r recorder) Run(ctx context.Context, c Command) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("run '%s': %w", c.Line, context.Cause(ctx))
	}
	result, failure := "done", error(nil)
	fault, err := r.fault(c.Line)
	if err != nil {
		return "", err
	}
	switch fault {
	case Fail:
		result, failure = "failed", fmt.Errorf("run '%s': exited with status 1", c.Line)
	case Hang:
		if err := r.hang(ctx, c.Line); err != nil {
			result, failure = "timeout", fmt.Errorf("run '%s': %w", c.Line, err)
		}
	}
	record := Record{time.Now().UTC(), c.Service, c.Line, c.Changed, result}
	return "", errors.Join(failure, r.append(record))
}

// healPoll is how often a command that hangs looks whether it was healed.
const healPoll = 200 * time.Millisecond

// hang returns nil when the command is healed.
func (r recorder) hang(ctx context.Context, line string) error {
	ctx, cancel := withDeadline(ctx, r.deadline)
	defer cancel()
	poll := time.NewTicker(healPoll)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
			if faults, err := ReadFaults(r.faults); err == nil && faults[line] != Hang && faults[line] != hanging {
				return nil
			}
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), r.unhang(line))
		}
	}
}

// unhang takes out a hang that was for once.
func (r recorder) unhang(line string) error {
	faults, err := ReadFaults(r.faults)
	if err != nil || faults[line] != hanging {
		return err
	}
	delete(faults, line)
	return WriteFaults(r.faults, faults)
}

// fault is what the command shall do, "" if nothing.
func (r recorder) fault(line string) (Fault, error) {
	faults, err := ReadFaults(r.faults)
	if err != nil {
		return "", err
	}
	fault, once := faults[line].verb()
	switch {
	case once && fault == Hang:
		faults[line] = hanging
		err = WriteFaults(r.faults, faults)
	case once:
		delete(faults, line)
		err = WriteFaults(r.faults, faults)
	case fault == hanging: // until the server was killed
		return "", r.unhang(line)
	}
	switch fault {
	case "", Fail, Hang:
		return fault, err
	}
	return "", fmt.Errorf("read faults: %s: '%s' is neither fail nor hang", r.faults, fault)
}

// append writes the line in one call, so that lines of several writers do not mix.
func (r recorder) append(record Record) error {
	line, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("record command: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(r.records), 0o755); err != nil {
		return fmt.Errorf("record command: %w", err)
	}
	// Neither is a FIFO waited for, nor is anything made where a link leads.
	f, err := os.OpenFile(r.records, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return fmt.Errorf("record command: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("record command: %w", err)
	}
	return nil
}
