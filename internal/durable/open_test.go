package durable_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/durable"
)

// TestOpenOfOtherThings: nothing hangs, and nothing is made where a link leads.
func TestOpenOfOtherThings(t *testing.T) {
	dir := t.TempDir()
	fifo, folder, beyond := filepath.Join(dir, "fifo"), filepath.Join(dir, "folder"), filepath.Join(t.TempDir(), "beyond")
	dangling, device := filepath.Join(dir, "dangling"), filepath.Join(dir, "device")
	for _, err := range []error{
		unix.Mkfifo(fifo, 0o600), os.Mkdir(folder, 0o700), os.Symlink(beyond, dangling), os.Symlink("/dev/zero", device),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{fifo, folder, device} {
		if f, err := durable.Open(path); !errors.Is(err, durable.ErrNotRegular) {
			t.Errorf("Open(%s): %v, %v", path, f, err)
		}
	}
	for _, path := range []string{fifo, folder, device, dangling} {
		if f, err := durable.OpenLock(path); err == nil {
			t.Errorf("OpenLock(%s) opened %s", path, f.Name())
		}
	}
	if _, err := os.Lstat(beyond); err == nil {
		t.Error("a file was made where a link leads")
	}
}
