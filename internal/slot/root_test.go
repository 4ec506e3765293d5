package slot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/paths"
)

func TestDiskOfARoot(t *testing.T) {
	root := paths.Root(t.TempDir())
	if _, err := Of(root); !errors.Is(err, ErrNoDisk) {
		t.Errorf("without a disk: %v", err)
	}
	path := filepath.Join(t.TempDir(), "os.img")
	if err := CreateImage(path, MinSize, 512); err != nil {
		t.Fatal(err)
	}
	if err := Assign(root, path, B); err != nil {
		t.Fatal(err)
	}
	d, err := Of(root)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := d.Sets(t.Context()); err != nil || s.Active != B {
		t.Errorf("%v, active %v", err, s.Active)
	}
	for text, want := range map[string]string{
		"disk = ":                              "read " + root.Disk(),
		"disk = 'os.img'\nactive = 'C'":        "no set 'C'",
		"disk = 'no/such/image'\nactive = 'A'": root.Join("no/such/image"),
	} {
		if err := os.WriteFile(root.Disk(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Of(root); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
