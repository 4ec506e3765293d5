package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
)

const (
	kept       = 20      // reports
	maxReports = 8 << 20 // bytes of all
)

// Reports are those of the last boots, the newest first. One boot has one, the
// last that was made of it. What cannot be read counts as nothing.
func Reports(root paths.Root) ([]Report, error) {
	text, err := durable.ReadFile(root.HealthReports(), maxReports)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read health reports: %w", err)
	}
	var list []Report
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read health reports: %s: %w", root.HealthReports(), err)
	}
	return list, nil
}

// Of is the report of a boot, if there is one.
func Of(root paths.Root, bootID string) (Report, bool) {
	list, err := Reports(root)
	if err != nil || len(list) == 0 || list[0].BootID != bootID {
		return Report{}, false
	}
	return list[0], true
}

// Keep adds a report to those that survive reboots, durably, and forgets the
// oldest: those beyond kept, and those that Reports would not read any more
// because checks have printed so much.
func Keep(root paths.Root, r Report) error {
	// Damaged reports are worth less than the new one.
	list, _ := Reports(root)
	if len(list) > 0 && list[0].BootID == r.BootID {
		list = list[1:]
	}
	list = append([]Report{r}, list[:min(len(list), kept-1)]...)
	text, err := encode(list)
	if err == nil {
		attributes := durable.Attributes{Mode: 0o600, UID: os.Getuid(), GID: os.Getgid()}
		err = durable.WriteFile(durable.OS{}, root.HealthReports(), text, attributes)
	}
	if err != nil {
		return fmt.Errorf("keep health report: %w", err)
	}
	return nil
}

// encode is the text of as many reports, from the first on, as have room.
func encode(list []Report) ([]byte, error) {
	for {
		text, err := json.MarshalIndent(list, "", "  ")
		if err != nil || len(text) < maxReports || len(list) == 1 {
			return append(text, '\n'), err
		}
		list = list[:(len(list)+1)/2]
	}
}
