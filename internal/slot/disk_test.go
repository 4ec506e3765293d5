package slot

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/durable/durabletest"
	"github.com/hostler-os/hostler/internal/gpt"
	"github.com/hostler-os/hostler/internal/gpt/gpttest"
)

// The offsets that the reference's images of 2 GiB have, in MiB.
func TestNewTableOfTwoGigabytes(t *testing.T) {
	const want = `1 BIOS-BOOT 1+4
2 EFI-SYSTEM 5+5
3 BOTTLEROCKET-BOOT-A 10+40
4 BOTTLEROCKET-ROOT-A 50+920
5 BOTTLEROCKET-HASH-A 970+10
6 BOTTLEROCKET-RESERVED-A 980+25
7 EFI-BACKUP 1005+5
8 BOTTLEROCKET-BOOT-B 1010+40
9 BOTTLEROCKET-ROOT-B 1050+920
10 BOTTLEROCKET-HASH-B 1970+10
11 BOTTLEROCKET-RESERVED-B 1980+25
12 BOTTLEROCKET-PRIVATE 2005+41
13  2046+1
`
	for _, sectorSize := range []int{512, 4096} {
		table, err := NewTable(2<<30, sectorSize)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, p := range table.Partitions {
			offset, size := table.Extent(p)
			fmt.Fprintf(&got, "%d %s %d+%d\n", p.Number, p.Name, offset/mib, size/mib)
		}
		if diff := cmp.Diff(got.String(), want); diff != "" {
			t.Error(diff)
		}
		l, err := LayoutOf(table)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l, Layout{Sets: [2]Parts{{3, 4, 5}, {8, 9, 10}}, Private: 12}); diff != "" {
			t.Error(diff)
		}
		if got := l.state(table, A).Sets; got != [2]Word{0x0101000000000000, 0} {
			t.Errorf("flags %#x", got)
		}
	}
}

func TestNewTableSizes(t *testing.T) {
	for _, size := range []int64{0, -1, 512*mib - 1, 512*mib + 512} {
		if _, err := NewTable(size, 512); err == nil {
			t.Errorf("laid out %d bytes", size)
		}
	}
	for _, size := range []int64{MinSize, 513 * mib, 777 * mib, 1 << 30, 4 << 30, 100 << 30} {
		table, err := NewTable(size, 4096)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range table.Partitions {
			if p.Last < p.First || p.Last > table.LastUsable {
				t.Errorf("%d bytes: partition %d is %d to %d", size, p.Number, p.First, p.Last)
			}
		}
	}
}

// newImage is a disk image in a file.
func newImage(t *testing.T, sectorSize int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "os.img")
	if err := CreateImage(path, MinSize, sectorSize); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImage(t *testing.T) {
	for _, sectorSize := range []int{512, 4096} {
		path := newImage(t, sectorSize)
		d, err := At(path, A)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range []Change{ClearInactive, MarkInactiveValid, UpgradeToInactive, MarkSuccessfulBoot} {
			if _, err := d.Change(t.Context(), change); err != nil {
				t.Fatal(err)
			}
		}
		if written, err := d.Change(t.Context(), Keep); err != nil || written {
			t.Error("wrote what was there", err)
		}
		got, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		next := "B"
		want := Status{
			Disk: path, Active: "A", Next: &next, EverGood: true, SectorSize: sectorSize,
			Sets: []SetStatus{
				{"A", path + "p3", path + "p4", path + "p5", 1, 0, true},
				{"B", path + "p8", path + "p9", path + "p10", 2, 1, false},
			},
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Error(diff)
		}
		sets, err := d.Sets(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := sets.Extents[B][RootPartition], (Extent{path, 269 * mib, 230 * mib}); got != want || !sets.Good() {
			t.Errorf("root B is %v, want %v", got, want)
		}
	}
}

func TestImageIsSparse(t *testing.T) {
	info, err := os.Stat(newImage(t, 512))
	if err != nil {
		t.Fatal(err)
	}
	if blocks := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != MinSize || blocks > 1<<20 {
		t.Errorf("%d bytes, %d of them allocated", info.Size(), blocks)
	}
}

func TestCreateImageKeepsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "thesis")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CreateImage(path, MinSize, 512); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
	small := filepath.Join(t.TempDir(), "small")
	if err := CreateImage(small, 1, 512); err == nil {
		t.Error("made a disk of one byte")
	}
	if _, err := os.Stat(small); err == nil {
		t.Error("a file is left")
	}
}

func TestRefusalNamesTheDisk(t *testing.T) {
	path := newImage(t, 512)
	d, err := At(path, A)
	if err != nil {
		t.Fatal(err)
	}
	before := modified(t, path)
	_, err = d.Change(t.Context(), UpgradeToInactive)
	if want := "Inactive partition " + path + " has not been marked valid for upgrade"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if after := modified(t, path); after != before {
		t.Error("something was written")
	}
}

func modified(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

// A disk with one set has no inactive one.
func TestSingleSetDisk(t *testing.T) {
	path := newImage(t, 512)
	disk, err := gpt.Open(path, gpt.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	_, err = disk.Update(t.Context(), func(t *gpt.Table) error {
		t.Partitions = slices.DeleteFunc(t.Partitions, func(p gpt.Partition) bool { return p.Number >= 7 && p.Number <= 11 })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := At(path, A)
	if err != nil {
		t.Fatal(err)
	}
	status, err := d.Status(t.Context())
	if err != nil || len(status.Sets) != 1 || status.Next == nil || *status.Next != "A" {
		t.Errorf("%+v, %v", status, err)
	}
	_, err = d.Change(t.Context(), ClearInactive)
	if want := "Inactive partition " + path + " is not available"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := d.Change(t.Context(), MarkSuccessfulBoot); err != nil {
		t.Error(err)
	}
}

func TestNoSuchSets(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *gpt.Table)
		want   string
	}{
		{"no boot partition", func(t *gpt.Table) { t.Partition(3).Type, t.Partition(8).Type = gpt.GUID{1}, gpt.GUID{1} }, "find BOTTLEROCKET-BOOT partition of set A"},
		{"no root B", func(t *gpt.Table) { t.Partition(9).Type = gpt.GUID{1} }, "find BOTTLEROCKET-ROOT partition of set B"},
		{"no private", func(t *gpt.Table) { t.Partition(12).Type = gpt.GUID{1} }, "find BOTTLEROCKET-PRIVATE partition"},
		{"single, B active", func(t *gpt.Table) { t.Partition(8).Type = gpt.GUID{1} }, "has no set B"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := newImage(t, 512)
			disk, err := gpt.Open(path, gpt.ReadWrite)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := disk.Update(t.Context(), func(t *gpt.Table) error { test.change(t); return nil }); err != nil {
				t.Fatal(err)
			}
			if err := disk.Close(); err != nil {
				t.Fatal(err)
			}
			d, _ := At(path, B)
			if _, err := d.Status(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("status: %v, want %s", err, test.want)
			}
			if _, err := d.Change(t.Context(), Keep); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("change: %v, want %s", err, test.want)
			}
		})
	}
}

// Power goes at any moment of a change: the disk boots what it would have
// booted before, or what it shall boot afterwards.
func TestPowerLossBoots(t *testing.T) {
	table, err := gpt.New(gpt.Geometry{Size: 256 * 512, SectorSize: 512}, gpt.NewGUID())
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range []Kind{BIOSPartition, BootPartition, RootPartition, HashPartition, BootPartition, RootPartition, HashPartition, PrivatePartition} {
		at := table.FirstUsable + uint64(i)
		table.Partitions = append(table.Partitions, gpt.Partition{Number: i + 1, Type: kind.Type(), ID: gpt.NewGUID(), First: at, Last: at})
	}
	disk := gpttest.New(make([]byte, table.Size))
	if err := gpt.Format(disk, table); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		before [2]Word
		active Name
		change Change
	}{
		{[2]Word{w(1, 0, 1), w(0, 1, 0)}, A, UpgradeToInactive},
		{[2]Word{w(1, 0, 1), w(2, 1, 0)}, A, CancelUpgrade},
		{[2]Word{w(1, 0, 1), w(2, 0, 0)}, B, MarkSuccessfulBoot},
		{[2]Word{w(1, 0, 1), w(2, 0, 1)}, B, RollbackToInactive},
		{[2]Word{w(2, 0, 1), w(1, 0, 1)}, A, ClearInactive},
		{[2]Word{w(2, 0, 1), w(0, 0, 0)}, A, MarkInactiveValid},
	}
	for i, step := range steps {
		put := func(s State) (State, error) { s.Sets = step.before; return s, nil }
		before := words(t, disk, step.active, put)
		disk = disk.Renew()
		after := words(t, disk, step.active, step.change)
		err := disk.Log().Crashes(func(c durabletest.Crash) error {
			table, err := gpt.Read(bytes.NewReader(c.Tree[gpttest.Path].Data), gpt.Geometry{Size: int64(len(disk.Data))})
			if err != nil {
				return fmt.Errorf("%v: %w", c, err)
			}
			l, err := LayoutOf(table)
			if err != nil {
				return err
			}
			if got := l.state(table, step.active); got != before && got != after {
				return fmt.Errorf("%v: %#x", c, got.Sets)
			} else if _, ok := got.Next(); !ok {
				return fmt.Errorf("%v: nothing boots: %#x", c, got.Sets)
			}
			return nil
		})
		if err != nil {
			t.Errorf("step %d: %v", i, err)
		}
	}
}

// words makes a change on the disk and returns what it shows then.
func words(t *testing.T, disk *gpttest.Disk, active Name, change Change) State {
	t.Helper()
	g := gpt.Geometry{Size: int64(len(disk.Data)), SectorSize: 512}
	if _, err := gpt.Update(disk, g, func(t *gpt.Table) error { return Apply(t, active, change) }); err != nil {
		t.Fatal(err)
	}
	table, err := gpt.Read(disk, g)
	if err != nil {
		t.Fatal(err)
	}
	l, err := LayoutOf(table)
	if err != nil {
		t.Fatal(err)
	}
	return l.state(table, active)
}
