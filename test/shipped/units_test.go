package shipped_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Locks lie in the folder of running programs. Were it removed with a service
// that is stopped, a second update could begin beside the one that goes on.
func TestNoServiceRemovesTheFolderOfLocks(t *testing.T) {
	units, err := filepath.Glob("../../packaging/systemd/*.service")
	if err != nil || len(units) == 0 {
		t.Fatalf("no units: %v", err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		if slices.Contains(lines, "RuntimeDirectory=hostler") && !slices.Contains(lines, "RuntimeDirectoryPreserve=yes") {
			t.Errorf("%s: RuntimeDirectoryPreserve is not yes", unit)
		}
	}
}
