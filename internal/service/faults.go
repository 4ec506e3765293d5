package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hostler-os/hostler/internal/durable"
)

// Fault is what a recorded command does instead of succeeding.
type Fault string

// The faults.
const (
	Fail Fault = "fail" // exit with status 1
	Hang Fault = "hang" // run until healed, or until the deadline of commands

	// hanging is what becomes of a Hang for once while it lasts, so that it can be healed.
	hanging Fault = "hanging"
)

const onceSuffix = "-once"

// Once is the fault for the next run only.
func (f Fault) Once() Fault { return f + onceSuffix }

// verb is the fault without Once, and whether that was said.
func (f Fault) verb() (Fault, bool) {
	verb, once := strings.CutSuffix(string(f), onceSuffix)
	return Fault(verb), once
}

func (f Fault) String() string {
	if verb, once := f.verb(); once {
		return string(verb) + " at its next run"
	}
	if f == hanging {
		return string(Hang)
	}
	return string(f)
}

// faultsLimit bounds a file of faults, in bytes.
const faultsLimit = 1 << 20

// ReadFaults reads a file of faults: a JSON object from a command line to what
// it does. None are in a file that does not exist.
func ReadFaults(path string) (map[string]Fault, error) {
	faults := map[string]Fault{}
	text, err := durable.ReadFile(path, faultsLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return faults, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read faults: %w", err)
	}
	if err := json.Unmarshal(text, &faults); err != nil {
		return nil, fmt.Errorf("read faults: %s: %w", path, err)
	}
	return faults, nil
}

// WriteFaults replaces a file of faults, of which a recorder never reads half.
func WriteFaults(path string, faults map[string]Fault) error {
	text, err := json.MarshalIndent(faults, "", "  ")
	if err == nil {
		attributes := durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep}
		err = durable.WriteFile(durable.OS{}, path, append(text, '\n'), attributes)
	}
	if err != nil {
		return fmt.Errorf("write faults: %w", err)
	}
	return nil
}
