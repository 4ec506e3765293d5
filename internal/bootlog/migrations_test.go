package bootlog

import (
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/paths"
)

// However long reports are, the last one can be read again.
func TestLongReportsOfMigrations(t *testing.T) {
	root := paths.Root(t.TempDir())
	m := api.Migration{State: api.MigrationFailed, Violations: make([]api.Misfit, 1000)}
	for i := range m.Violations {
		m.Violations[i].Message = strings.Repeat("m", 9000)
	}
	for _, to := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		m.To = to
		if err := AddMigration(root, m); err != nil {
			t.Fatal(err)
		}
		all, err := Migrations(root)
		if err != nil || all[len(all)-1].To != to {
			t.Errorf("%s: %v", to, err)
		}
	}
}
