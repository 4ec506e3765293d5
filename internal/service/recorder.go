package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/durable"
)

// faultsLimit bounds the faults file, in bytes.
const faultsLimit = 1 << 20

// Recorder appends each command as one JSON line to the file records instead
// of running it. The file faults is read at each run, so that a person can
// change it while a server runs: a JSON object from a command line to "fail"
// or "hang", or the same with "-once" behind it, which is taken out of the file
// when it has struck. A command that hangs does so until deadline.
func Recorder(records, faults string, deadline time.Duration) Manager {
	return recorder{records: records, faults: faults, deadline: deadline}
}

type recorder struct {
	records, faults string
	deadline        time.Duration
}

// Record is one line of a recorder's file.
type Record struct {
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	Command string    `json:"command"`
	Changed []string  `json:"changed-settings,omitempty"`
	Result  string    `json:"result"` // done, failed or timeout
}

func (r recorder) Close() error { return nil }

func (r recorder) DaemonReload(ctx context.Context) error {
	_, err := r.Run(ctx, Command{Line: reloadLine})
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
	case "fail":
		result, failure = "failed", fmt.Errorf("run '%s': exited with status 1", c.Line)
	case "hang":
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
func (r recorder) fault(line string) (string, error) {
	faults, err := r.readFaults()
	if err != nil {
		return "", err
	}
	fault, once := strings.CutSuffix(faults[line], "-once")
	if once {
		delete(faults, line)
		err = r.writeFaults(faults)
	}
	switch fault {
	case "", "fail", "hang":
		return fault, err
	default:
		return "", fmt.Errorf("read faults: %s: '%s' is neither fail nor hang", r.faults, fault)
	}
}

func (r recorder) readFaults() (map[string]string, error) {
	text, err := durable.ReadFile(r.faults, faultsLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read faults: %w", err)
	}
	var faults map[string]string
	if err := json.Unmarshal(text, &faults); err != nil {
		return nil, fmt.Errorf("read faults: %s: %w", r.faults, err)
	}
	return faults, nil
}

func (r recorder) writeFaults(faults map[string]string) error {
	text, err := json.MarshalIndent(faults, "", "  ")
	if err == nil {
		attributes := durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep}
		err = durable.WriteFile(durable.OS{}, r.faults, append(text, '\n'), attributes)
	}
	if err != nil {
		return fmt.Errorf("write faults: %w", err)
	}
	return nil
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
