package datastore

import (
	"encoding/json"
	"fmt"

	"github.com/hostler-os/hostler/internal/durable"
)

// maxRecovery bounds the record of a recovery, in bytes.
const maxRecovery = 64 << 10

// Write keeps the recovery at path, for those who open the datastore after the
// program that found it damaged: see [Options.Earlier].
func (r Recovery) Write(path string) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = durable.WriteFile(durable.OS{}, path, append(text, '\n'), attributes())
	}
	if err != nil {
		return fmt.Errorf("keep that the datastore was damaged: %w", err)
	}
	return nil
}

// ReadRecovery reads what was kept at path.
func ReadRecovery(path string) (*Recovery, error) {
	text, err := durable.ReadFile(path, maxRecovery)
	if err != nil {
		return nil, err
	}
	var r Recovery
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &r, nil
}
