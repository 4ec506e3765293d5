package bootlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
)

const (
	keptMigrations = 20
	maxMigrations  = 16 << 20 // bytes of all reports
)

// Migrations reads the reports of the last migrations, the oldest first; none if there is no file.
func Migrations(root paths.Root) ([]api.Migration, error) {
	text, err := durable.ReadFile(root.MigrationReports(), maxMigrations)
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

// AddMigration keeps a report. It survives both slots: after a fallback the old
// version tells what the new one could not do. Reports that cannot be read are
// replaced.
func AddMigration(root paths.Root, report api.Migration) error {
	all, err := Migrations(root)
	if err != nil {
		all = nil
	}
	all = append(all, report.Trimmed())
	text, err := encodeMigrations(all[max(0, len(all)-keptMigrations):])
	if err != nil {
		return err
	}
	if err := durable.WriteFile(durable.OS{}, root.MigrationReports(), text, durable.Attributes{Mode: 0o600, UID: durable.Keep, GID: durable.Keep}); err != nil {
		return fmt.Errorf("keep report of migration: %w", err)
	}
	return nil
}

// encodeMigrations is the text of as many reports, from the last on, as can be read again.
func encodeMigrations(all []api.Migration) ([]byte, error) {
	for {
		text, err := json.MarshalIndent(all, "", "  ")
		if err != nil || len(text) < maxMigrations || len(all) == 1 {
			return append(text, '\n'), err
		}
		all = all[len(all)/2:]
	}
}
