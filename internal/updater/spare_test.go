package updater

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/hostler-os/hostler/internal/paths"
)

// A disk that takes nothing more does not keep a host from telling so: what is
// remembered stays in memory meanwhile, and goes to the disk when it can.
func TestRecordOnADiskThatIsFull(t *testing.T) {
	u := &Updater{Root: paths.Root(t.TempDir()), Log: slog.New(slog.DiscardHandler)}
	keep := func(available string) {
		t.Helper()
		r := u.loadOrNew()
		r.Available = []string{available}
		if err := u.save(r); err != nil {
			t.Fatal(err)
		}
		if r, err := u.load(); err != nil || r.Available[0] != available {
			t.Errorf("got %+v, %v; want %s", r, err, available)
		}
	}
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	keep("1.0.0")
	disk, full := filepath.Dir(u.Root.UpdateRecord()), u.Root.Join("/full")
	if err := errors.Join(os.Rename(disk, full), os.WriteFile(disk, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	keep("1.1.0")
	keep("1.2.0")
	if !exists(u.Root.UpdateSpareRecord()) {
		t.Error("nothing is in memory")
	}
	if err := errors.Join(os.Remove(disk), os.Rename(full, disk)); err != nil {
		t.Fatal(err)
	}
	if r, err := u.load(); err != nil || r.Available[0] != "1.2.0" {
		t.Errorf("got %+v, %v", r, err)
	}
	keep("1.3.0")
	if exists(u.Root.UpdateSpareRecord()) {
		t.Error("it is still in memory")
	}
	run := u.Root.Join("/run")
	if err := errors.Join(os.RemoveAll(disk), os.WriteFile(disk, nil, 0o600), os.RemoveAll(run), os.WriteFile(run, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := u.save(Record{}); err == nil {
		t.Error("it was kept nowhere")
	}
}
