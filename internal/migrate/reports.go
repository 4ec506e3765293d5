package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
)

const (
	maxReports    = 20
	maxReportSize = 16 << 20 // bytes of all
	maxDiffKept   = 200      // edits of one report
)

// Reports reads the reports of the last migrations, the oldest first; none if the file is missing.
func Reports(path string) ([]api.Migration, error) {
	text, err := durable.ReadFile(path, maxReportSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []api.Migration
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("read reports of migrations: %w", err)
	}
	return all, nil
}

// AddReport keeps a report. It survives both slots: after a fallback the old
// version tells what the new one could not do. Reports that cannot be read are
// replaced.
func AddReport(fsys durable.FS, path string, report api.Migration) error {
	all, err := Reports(path)
	if err != nil {
		all = nil
	}
	if len(report.Diff) > maxDiffKept {
		report.Warnings = append(report.Warnings, fmt.Sprintf("of %d changed settings, %d are listed", len(report.Diff), maxDiffKept))
		report.Diff = report.Diff[:maxDiffKept]
	}
	all = append(all, report)
	text, err := json.MarshalIndent(all[max(0, len(all)-maxReports):], "", "  ")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(fsys, path, append(text, '\n'), durable.Attributes{Mode: 0o600, UID: durable.Keep, GID: durable.Keep}); err != nil {
		return fmt.Errorf("keep report of migration: %w", err)
	}
	return nil
}
