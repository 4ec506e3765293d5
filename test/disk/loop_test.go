//go:build integration

package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/gpt"
	"github.com/hostler-os/hostler/internal/slot"
)

// attach makes an image a loop device with its partitions known to the kernel.
func attach(t *testing.T, image string, sectorSize int) string {
	t.Helper()
	device := loop(t, image, sectorSize)
	run(t, "", "partx", "--update", device) // who used this loop device before may have left partitions behind
	return device
}

// loop makes an image a loop device.
func loop(t *testing.T, image string, sectorSize int) string {
	t.Helper()
	device := strings.TrimSpace(run(t, "", "losetup", "--find", "--show", "--sector-size", strconv.Itoa(sectorSize), image))
	t.Cleanup(func() {
		_ = exec.Command("partx", "--delete", device).Run()
		run(t, "", "losetup", "--detach", device)
	})
	return device
}

// known are the partitions that the kernel knows: number to "start+size" in units of 512 bytes.
func known(t *testing.T, device string) map[int]string {
	t.Helper()
	folders, err := filepath.Glob("/sys/block/" + filepath.Base(device) + "/*/partition")
	if err != nil {
		t.Fatal(err)
	}
	attribute := func(folder, name string) string {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	found := map[int]string{}
	for _, path := range folders {
		folder := filepath.Dir(path)
		number, err := strconv.Atoi(attribute(folder, "partition"))
		if err != nil {
			t.Fatal(err)
		}
		found[number] = attribute(folder, "start") + "+" + attribute(folder, "size")
	}
	return found
}

// written is the same of a table.
func written(table *gpt.Table) map[int]string {
	unit := uint64(table.SectorSize / 512)
	found := map[int]string{}
	for _, p := range table.Partitions {
		found[p.Number] = fmt.Sprintf("%d+%d", p.First*unit, p.Sectors()*unit)
	}
	return found
}

func eachSectorSize(t *testing.T, test func(t *testing.T, device string)) {
	t.Helper()
	for _, size := range []int{512, 4096} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "os.img")
			if err := slot.CreateImage(path, slot.MinSize, size); err != nil {
				t.Fatal(err)
			}
			test(t, attach(t, path, size))
		})
	}
}

// The kernel's partitions stay while flags change, and mounted ones mounted.
func TestFlagsOfALiveDisk(t *testing.T) {
	eachSectorSize(t, func(t *testing.T, device string) {
		run(t, "", "mke2fs", "-q", device+"p12")
		mounted := t.TempDir()
		run(t, "", "mount", device+"p12", mounted)
		t.Cleanup(func() { run(t, "", "umount", mounted) })
		before := known(t, device)
		if diff := cmp.Diff(before, written(read(t, device))); diff != "" || len(before) != 13 {
			t.Error(diff)
		}
		for _, command := range []string{"mark-successful-boot", "mark-inactive-valid", "upgrade-to-inactive", "simulate-boot"} {
			if exit, _, stderr := signpostOn(t, device, "A", []string{command}); exit != 0 {
				t.Fatalf("%s: exit %d: %s", command, exit, stderr)
			}
		}
		if diff := cmp.Diff(known(t, device), before); diff != "" {
			t.Error(diff)
		}
		_, status, _ := signpostOn(t, device, "B", []string{"status"})
		want := fmt.Sprintf(`OS disk: %[1]s
Set A:   boot=%[1]sp3 root=%[1]sp4 hash=%[1]sp5 priority=1 tries_left=0 successful=true
Set B:   boot=%[1]sp8 root=%[1]sp9 hash=%[1]sp10 priority=2 tries_left=0 successful=false
Active:  Set B
Next:    Set A
`, device)
		if diff := cmp.Diff(status, want); diff != "" {
			t.Error(diff)
		}
		if out := run(t, "", "sfdisk", "--verify", device); !strings.Contains(out, "No errors detected.") {
			t.Error(out)
		}
		if diff := cmp.Diff(dump(t, device), read(t, device).Partitions); diff != "" {
			t.Error(diff)
		}
	})
}

// Partitions that change are told to the kernel, one by one.
func TestKernelIsTold(t *testing.T) {
	eachSectorSize(t, func(t *testing.T, device string) {
		changes := []struct {
			name   string
			change func(*gpt.Table)
		}{
			{"gone", func(t *gpt.Table) { t.Partitions = t.Partitions[:12] }},
			{"grown", func(t *gpt.Table) { t.Partition(12).Last = t.LastUsable }},
			{"shrunk", func(t *gpt.Table) { p := t.Partition(12); p.Last = p.First + 255 }},
			{"added", func(t *gpt.Table) {
				p := *t.Partition(12)
				p.Number, p.ID, p.First, p.Last = 20, gpt.NewGUID(), p.Last+1, p.Last+256
				t.Partitions = append(t.Partitions, p)
			}},
			{"moved", func(t *gpt.Table) { p := t.Partition(20); p.First, p.Last = p.First+256, p.Last+256 }},
		}
		for _, c := range changes {
			update(t, device, c.change)
			if diff := cmp.Diff(known(t, device), written(read(t, device))); diff != "" {
				t.Errorf("%s: %s", c.name, diff)
			}
		}
	})
}

// A kernel that has met half a table knows no partitions: of a table that is
// mended, it is told of them, and those that it knows stay as they are.
func TestMend(t *testing.T) {
	eachSectorSize(t, func(t *testing.T, device string) {
		want := read(t, device)
		for _, torn := range []struct {
			what           string
			offset, length int64
			forgets        bool // the kernel does
		}{
			{"primary header", int64(want.SectorSize), 512, true},
			{"half of the primary entries", int64(2*want.SectorSize) + 128, 512, true},
			{"backup header", want.Size - int64(want.SectorSize), 512, false},
			{"nothing", 0, 0, true},
			{"nothing, and the kernel knows", 0, 0, false},
		} {
			tear(t, device, torn.offset, torn.length)
			if torn.forgets {
				run(t, "", "partx", "--delete", device)
			}
			disk, err := slot.At(device, slot.A)
			if err != nil {
				t.Fatal(err)
			}
			mended, err := disk.Mend(t.Context())
			if err != nil || mended != (torn.length > 0) {
				t.Errorf("%s: mended %t, %v", torn.what, mended, err)
			}
			if diff := cmp.Diff(known(t, device), written(read(t, device))); diff != "" {
				t.Errorf("%s: %s", torn.what, diff)
			}
			if err := gpt.Compare(read(t, device), want); err != nil {
				t.Errorf("%s: %v", torn.what, err)
			}
			sets, err := disk.Sets(t.Context())
			if err != nil || sets.Extents[slot.B][slot.RootPartition].Path != device+"p9" {
				t.Errorf("%s: %+v, %v", torn.what, sets, err)
			}
		}
	})
}

// tear overwrites a part of a disk.
func tear(t *testing.T, path string, offset, length int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(strings.Repeat("\xa5", int(length))), offset)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// Where the partitions of a set lie on a device: in nodes of their own.
func TestExtents(t *testing.T) {
	eachSectorSize(t, func(t *testing.T, device string) {
		disk, err := slot.At(device, slot.A)
		if err != nil {
			t.Fatal(err)
		}
		sets, err := disk.Sets(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := sets.Extents[slot.B][slot.RootPartition], (slot.Extent{Path: device + "p9", Size: 230 << 20}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestLock(t *testing.T) {
	image := newImage(t)
	other, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	disk, err := slot.At(image, slot.A)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := disk.Change(ctx, slot.MarkSuccessfulBoot); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a locked disk was changed: %v", err)
	}
	if err := unix.Flock(int(other.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Change(t.Context(), slot.MarkSuccessfulBoot); err != nil {
		t.Error(err)
	}
}
