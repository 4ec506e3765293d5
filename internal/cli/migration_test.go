package cli_test

import (
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
)

// Reports are kept as indented JSON; a line for people stays one.
func TestMigrationsDiffIsOneLineAKey(t *testing.T) {
	var out strings.Builder
	cli.PrintMigration(&out, api.Migration{Diff: []api.Edit{{Key: "settings.a", Layer: "user", After: []byte("[\n  \"x\"\n]")}}})
	if want := "  settings.a (user): not set -> [\"x\"]\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %s", out.String())
	}
}
