//go:build vm

package vm_test

import (
	"errors"
	"testing"

	"github.com/hostler-os/hostler/internal/gpt"
	"github.com/hostler-os/hostler/internal/slot"
)

// tearUpgrade makes slot B the next to boot once more, on a disk of which the
// power goes when one copy of the table is written, and half of the other.
func tearUpgrade(t testing.TB, path string) {
	t.Helper()
	d, err := gpt.Open(path, gpt.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	change := func(change slot.Change) func(*gpt.Table) error {
		return func(t *gpt.Table) error { return slot.Apply(t, slot.A, change) }
	}
	if _, err := d.Update(t.Context(), change(slot.CancelUpgrade)); err != nil {
		t.Fatal(err)
	}
	table, err := d.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gpt.Update(&dying{Disk: d, writes: 3}, table.Geometry, change(slot.UpgradeToInactive)); !errors.Is(err, errPower) {
		t.Fatalf("the power did not go: %v", err)
	}
	if torn, err := d.Read(t.Context()); err != nil || torn.Damage() == nil {
		t.Errorf("both copies of the table are whole: %v", err)
	}
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
}

// dying is a disk that loses its power.
type dying struct {
	*gpt.Disk
	writes int // that succeed
}

var errPower = errors.New("no power")

// WriteAt is that of [gpt.Device].
func (d *dying) WriteAt(data []byte, offset int64) (int, error) {
	if d.writes--; d.writes < 0 {
		return 0, errPower
	}
	return d.Disk.WriteAt(data, offset)
}
