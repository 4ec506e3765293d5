package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Recorder appends each command as one JSON line to the file records instead
// of running it. The file faults ([ReadFaults]) is read at each run, so that a
// person can change it while a server runs; a fault with [Fault.Once] is taken
// out of it when it has struck. A command that hangs does so until deadline.
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
		result, failure = "timeout", fmt.Errorf("run '%s': %w", c.Line, r.hang(ctx))
	}
	record := Record{time.Now().UTC(), c.Service, c.Line, c.Changed, result}
	return "", errors.Join(failure, r.append(record))
}

func (r recorder) hang(ctx context.Context) error {
	ctx, cancel := withDeadline(ctx, r.deadline)
	defer cancel()
	<-ctx.Done()
	return context.Cause(ctx)
}

// fault is what the command shall do, "" if nothing.
func (r recorder) fault(line string) (Fault, error) {
	faults, err := ReadFaults(r.faults)
	if err != nil {
		return "", err
	}
	fault, once := faults[line].verb()
	if once {
		delete(faults, line)
		err = WriteFaults(r.faults, faults)
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
	f, err := os.OpenFile(r.records, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("record command: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("record command: %w", err)
	}
	return nil
}
