package sandbox

import (
	"errors"
	"fmt"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
)

// SetFault makes the command line fail or hang from its next run on.
func SetFault(root paths.Root, command string, fault service.Fault) error {
	faults, err := service.ReadFaults(root.Faults())
	if err != nil {
		return err
	}
	faults[command] = fault
	return service.WriteFaults(root.Faults(), faults)
}

// Heal lets the command line succeed again; "" heals all. It returns the healed ones.
func Heal(root paths.Root, command string) (map[string]service.Fault, error) {
	faults, err := service.ReadFaults(root.Faults())
	if err != nil || command == "" {
		return faults, errors.Join(err, service.WriteFaults(root.Faults(), map[string]service.Fault{}))
	}
	fault, ok := faults[command]
	if !ok {
		return nil, &api.Error{
			Code: api.CodeNotFound, Message: fmt.Sprintf("'%s' has no fault", command),
			Hint: "without a command, heal heals all",
		}
	}
	delete(faults, command)
	return map[string]service.Fault{command: fault}, service.WriteFaults(root.Faults(), faults)
}
