package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
)

// Fault is what a command of a sandbox does instead of succeeding.
type Fault string

// The faults.
const (
	Fail Fault = "fail" // exit with status 1
	Hang Fault = "hang" // run until the deadline of commands
)

// Once is the fault for the next run only.
func (f Fault) Once() Fault { return f + "-once" }

func (f Fault) String() string {
	if verb, once := strings.CutSuffix(string(f), "-once"); once {
		return verb + " at its next run"
	}
	return string(f)
}

// maxFaults is how much a file of faults may hold, in bytes.
const maxFaults = 1 << 20

// Faults reads which commands of the sandbox fail or hang: command line to fault.
func Faults(root paths.Root) (map[string]Fault, error) {
	text, err := durable.ReadFile(root.Faults(), maxFaults)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]Fault{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read faults: %w", err)
	}
	faults := map[string]Fault{}
	if err := json.Unmarshal(text, &faults); err != nil {
		return nil, fmt.Errorf("read faults: %s: %w", root.Faults(), err)
	}
	return faults, nil
}

// SetFault makes the command line fail or hang from its next run on.
func SetFault(root paths.Root, command string, fault Fault) error {
	faults, err := Faults(root)
	if err != nil {
		return err
	}
	faults[command] = fault
	return writeFaults(root, faults)
}

// Heal lets the command line succeed again; "" heals all. It returns the healed ones.
func Heal(root paths.Root, command string) (map[string]Fault, error) {
	faults, err := Faults(root)
	if err != nil || command == "" {
		return faults, errors.Join(err, writeFaults(root, map[string]Fault{}))
	}
	fault, ok := faults[command]
	if !ok {
		return nil, &api.Error{
			Code: api.CodeNotFound, Message: fmt.Sprintf("'%s' has no fault", command),
			Hint: "without a command, heal heals all",
		}
	}
	delete(faults, command)
	return map[string]Fault{command: fault}, writeFaults(root, faults)
}

// A server reads the file at each command it runs: it never sees half of it.
func writeFaults(root paths.Root, faults map[string]Fault) error {
	text, err := json.MarshalIndent(faults, "", "  ")
	if err == nil {
		err = durable.WriteFile(durable.OS{}, root.Faults(), append(text, '\n'), attributes)
	}
	if err != nil {
		return fmt.Errorf("write faults: %w", err)
	}
	return nil
}

var attributes = durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep}
