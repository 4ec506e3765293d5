//go:build integration

package disk

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/gpt"
	"github.com/hostler-os/hostler/internal/slot"
)

const oddSize = 32 << 20

// sets has sgdisk make two sets, of which A boots, in what is free.
func sets() []string {
	var args []string
	kinds := []slot.Kind{
		slot.BootPartition, slot.RootPartition, slot.HashPartition,
		slot.BootPartition, slot.RootPartition, slot.HashPartition, slot.PrivatePartition,
	}
	for i, kind := range kinds {
		args = append(args, "--new=0:0:+2M", fmt.Sprintf("--typecode=%d:%s", i+1, kind.Type()))
	}
	return append(args, "--attributes=1:set:48", "--attributes=1:set:56")
}

// odd are ways to have sgdisk make a table that is not as ours are.
var odd = []struct {
	what          string
	before, after []string // options of sgdisk, before and after those that make two sets
	grow          int64    // by how many bytes the disk grows then
}{
	{"plain", nil, nil, 0},
	{"256 entries", []string{"--resize-table=256"}, nil, 0},
	{"32 entries", []string{"--resize-table=32"}, nil, 0},
	{"primary entries elsewhere", []string{"--move-main-table=200"}, nil, 0},
	{"partitions begin late", []string{"--move-main-table=2048", "--move-main-table=2"}, nil, 0},
	{"large gaps", []string{"--set-alignment=1024"}, nil, 0},
	{"out of order", nil, []string{"--transpose=2:3", "--transpose=4:5"}, 0},
	{"hybrid", nil, []string{"--hybrid=2:3"}, 0},
	{"hybrid, protected last", nil, []string{"--hybrid=2:3:EE"}, 0},
	{"grown", nil, nil, 8 << 20},
}

// eachOdd has sgdisk make tables in image files, of sectors of 512 bytes, and on
// loop devices of others.
func eachOdd(t *testing.T, test func(t *testing.T, disk string)) {
	t.Helper()
	for _, o := range odd {
		for _, size := range []int{512, 4096} {
			t.Run(fmt.Sprintf("%s, sectors of %d", o.what, size), func(t *testing.T) {
				image := newFile(t, "odd.img", oddSize)
				disk := image
				if size != 512 {
					disk = loop(t, image, size)
				}
				run(t, "", slices.Concat([]string{"sgdisk", "--clear"}, o.before, sets(), o.after, []string{disk})...)
				if err := os.Truncate(image, oddSize+o.grow); err != nil {
					t.Fatal(err)
				}
				if disk != image {
					run(t, "", "losetup", "--set-capacity", disk)
				}
				test(t, disk)
			})
		}
	}
}

// A table that sgdisk finds sound is read, changed and repaired, and nothing else
// of its disk is touched; the tools read it as we do.
func TestOddTables(t *testing.T) {
	eachOdd(t, func(t *testing.T, device string) {
		verdict, before, disk := sound(t, device), dump(t, device), content(t, device)
		for _, command := range []string{"mark-inactive-valid", "upgrade-to-inactive"} {
			if exit, _, stderr := signpostOn(t, device, "A", []string{command}); exit != 0 {
				t.Fatalf("%s: exit %d: %s", command, exit, stderr)
			}
		}
		table := read(t, device)
		if diff := cmp.Diff(dump(t, device), table.Partitions); diff != "" {
			t.Error(diff)
		}
		for i := range before {
			before[i].Attributes = table.Partitions[i].Attributes
		}
		if diff := cmp.Diff(table.Partitions, before); diff != "" {
			t.Error(diff)
		}
		sector := int64(table.SectorSize)
		for _, torn := range [][2]int64{{sector, 92}, {2*sector + 20, 300}, {table.Size - sector, 92}, {0, 0}} {
			tear(t, device, torn[0], torn[1])
			if exit, _, stderr := signpostOn(t, device, "A", []string{"rewrite-table"}); exit != 0 {
				t.Fatalf("torn at %d: exit %d: %s", torn, exit, stderr)
			}
			if err := gpt.Compare(read(t, device), table); err != nil {
				t.Errorf("torn at %d: %v", torn, err)
			}
			if got := sound(t, device); got != verdict {
				t.Errorf("torn at %d: sgdisk finds %q, before %q", torn, got, verdict)
			}
		}
		now := content(t, device)
		first, last := int64(table.FirstUsable)*sector, int64(table.LastUsable+1)*sector
		if !bytes.Equal(now[:sector], disk[:sector]) || !bytes.Equal(now[first:last], disk[first:last]) {
			t.Error("the protective MBR or partitions were touched")
		}
	})
}

// sound is what sgdisk finds wrong: nothing, or where the backup copy is.
func sound(t *testing.T, device string) string {
	t.Helper()
	out := run(t, "", "sgdisk", "--verify", device)
	for _, verdict := range []string{"No problems found", "secondary header's self-pointer indicates that it doesn't reside"} {
		if strings.Contains(out, verdict) {
			return verdict
		}
	}
	t.Errorf("sgdisk: %s", out)
	return ""
}

// content is what is on a disk.
func content(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What sgdisk takes and we do not is refused, with what to do, and stays as it is.
func TestRefusedTables(t *testing.T) {
	for _, refused := range []struct{ guid, want string }{
		{"6f6e6520-666f-7220-7477-6f2070617274", "sgdisk --partition-guid=3:R gives it another"},
		{"00000000-0000-0000-0000-000000000000", "sgdisk --partition-guid=2:R gives it one"},
	} {
		image := newFile(t, "os.img", oddSize)
		guids := []string{"--partition-guid=2:" + refused.guid, "--partition-guid=3:" + refused.guid, image}
		run(t, "", slices.Concat([]string{"sgdisk", "--clear"}, sets(), guids)...)
		sound(t, image)
		before := content(t, image)
		for _, command := range []string{"status", "mark-inactive-valid", "rewrite-table"} {
			if exit, _, stderr := signpostOn(t, image, "A", []string{command}); exit != 1 || !strings.Contains(stderr, refused.want) {
				t.Errorf("%s: exit %d: %s", command, exit, stderr)
			}
		}
		if !bytes.Equal(content(t, image), before) {
			t.Error("the disk was written")
		}
	}
}
