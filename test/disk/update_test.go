//go:build integration

package disk

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update/updatetest"
)

// asUpdog makes the test binary be updog, so that it can be killed.
const asUpdog = "HOSTLER_DISK_TEST_AS_UPDOG"

const imageSize = 1_500_000

// updating is a host whose disk is a device with partitions that the kernel knows.
type updating struct {
	*updatetest.Host
	t      *testing.T
	device string
	disk   *slot.Disk
}

func newUpdating(t *testing.T, device string) *updating {
	t.Helper()
	h := &updating{updatetest.New(t, paths.Root(t.TempDir()), "1.0.0"), t, device, nil}
	h.Offer("1.1.0", imageSize)
	var err error
	if h.disk, err = slot.At(device, slot.A); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *updating) updog(command string) *exec.Cmd {
	c := exec.CommandContext(h.t.Context(), os.Args[0], command, "--root", string(h.Root), "--disk", h.device, "--active", "A")
	c.Env = append(os.Environ(), asUpdog+"=1")
	return c
}

// next is the slot that boots next.
func (h *updating) next() slot.Name {
	h.t.Helper()
	sets, err := h.disk.Sets(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	next, ok := sets.Next()
	if !ok {
		h.t.Fatal("nothing boots")
	}
	return next
}

// whole tells whether slot B holds the release, as the kernel reads it from the
// nodes of its partitions.
func (h *updating) whole() bool {
	h.t.Helper()
	sets, err := h.disk.Sets(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	for i, kind := range []slot.Kind{slot.RootPartition, slot.BootPartition, slot.HashPartition} {
		want := updatetest.Image("1.1.0", i, imageSize)
		if got := h.readNode(sets.Extents[slot.B][kind].Path, len(want)); !bytes.Equal(got, want) {
			return false
		}
	}
	return true
}

// readNode reads what is on the disk, not what the kernel remembers of it.
func (h *updating) readNode(path string, size int) []byte {
	h.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	if err := unix.IoctlSetInt(int(f.Fd()), unix.BLKFLSBUF, 0); err != nil {
		h.t.Fatal(err)
	}
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil {
		h.t.Fatal(err)
	}
	return data
}

// An update of a disk with partitions of the kernel's, killed again and again:
// what boots next is what ran or the whole release, and it is finished at last.
func TestKilledUpdates(t *testing.T) {
	eachSectorSize(t, func(t *testing.T, device string) {
		h := newUpdating(t, device)
		kills := 0
		for wait := time.Millisecond; ; wait += 4 * time.Millisecond {
			c := h.updog("update")
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(wait, func() { _ = c.Process.Kill() })
			err := c.Wait()
			timer.Stop()
			if h.next() == slot.B && !h.whole() {
				t.Fatalf("killed after %v: slot B boots next, and holds half a release", wait)
			}
			if err == nil {
				break
			}
			kills++
		}
		t.Logf("killed %d times", kills)
		if h.next() != slot.B || !h.whole() {
			t.Error("the release is not there")
		}
		if out, err := h.updog("update-revert").CombinedOutput(); err != nil || h.next() != slot.A {
			t.Errorf("going back: %v\n%s", err, out)
		}
		if read(t, device).Damage() != nil {
			t.Error("the table is damaged")
		}
	})
}

// A partition that is in use is not written.
func TestUsedPartitionIsNotWritten(t *testing.T) {
	eachSectorSize(t, func(t *testing.T, device string) {
		h := newUpdating(t, device)
		sets, err := h.disk.Sets(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(sets.Extents[slot.B][slot.RootPartition].Path, os.O_RDONLY|unix.O_EXCL, 0) // as a mount does
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if out, err := h.updog("update").CombinedOutput(); err == nil || !bytes.Contains(out, []byte("Failed to open partition ")) {
			t.Errorf("%v\n%s", err, out)
		}
		if h.next() != slot.A {
			t.Error("the host does not boot what it ran")
		}
	})
}
