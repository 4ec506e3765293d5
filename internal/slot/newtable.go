package slot

import (
	"fmt"

	"github.com/hostler-os/hostler/internal/gpt"
)

const mib = 1 << 20

// MinSize is that of the smallest disk that [NewTable] lays out, in bytes.
const MinSize = 512 * mib

// fallbackData is the unique GUID of the data partition on the disk of the
// operating system: a host prefers one on a disk of its own.
const fallbackData = "69040874-417d-4e26-a764-7885f22007ea"

// planned is a partition of a new disk.
type planned struct {
	kind   Kind
	suffix string
	size   int64 // in MiB
}

// plan is the layout of a disk of size MiB with two sets. Sizes grow with the
// disk; the private partition takes what is left, the tables a MiB at each end.
func plan(size int64) []planned {
	set := func(suffix string, efi Kind) []planned {
		return []planned{
			{efi, "", 5},
			{BootPartition, suffix, 20 * size / 1024},
			{RootPartition, suffix, 460 * size / 1024},
			{HashPartition, suffix, 5 * size / 1024},
			{ReservedPartition, suffix, 15*size/1024 - 5},
		}
	}
	parts := []planned{{BIOSPartition, "", 4}}
	parts = append(parts, set("-A", EFIPartition)...)
	parts = append(parts, set("-B", EFIBackupPartition)...)
	left := size - 2 - 1
	for _, p := range parts {
		left -= p.size
	}
	return append(parts, planned{PrivatePartition, "", left}, planned{DataPartition, "", 1})
}

// NewTable is the table of a new disk with two sets, of which A boots: it is
// marked as successful, as in a fresh image. The disk has size bytes, a multiple
// of 1 MiB and [MinSize] at least, in sectors of 512 or 4096 bytes. All
// partitions begin at a MiB; their GUIDs are random.
func NewTable(size int64, sectorSize int) (*gpt.Table, error) {
	if size < MinSize || size%mib != 0 {
		return nil, fmt.Errorf("lay out a disk of %d bytes: want a multiple of 1 MiB and %d MiB at least", size, MinSize/mib)
	}
	t, err := gpt.New(gpt.Geometry{Size: size, SectorSize: sectorSize}, gpt.NewGUID())
	if err != nil {
		return nil, err
	}
	sectors, at := uint64(mib/sectorSize), uint64(1) // per MiB; the next partition's place, in MiB
	for i, p := range plan(size / mib) {
		t.Partitions = append(t.Partitions, gpt.Partition{
			Number: i + 1, Type: p.kind.Type(), ID: gpt.NewGUID(), Name: p.kind.String() + p.suffix,
			First: at * sectors, Last: (at+uint64(p.size))*sectors - 1,
		})
		at += uint64(p.size)
	}
	data := &t.Partitions[len(t.Partitions)-1]
	data.Name, data.ID = "", gpt.MustParseGUID(fallbackData) // the first boot names it
	l, err := LayoutOf(t)
	if err != nil {
		return nil, err
	}
	t.Partition(l.Sets[A][BootPartition]).Attributes = uint64(Word(0).withPriority(1).withSuccessful(true))
	return t, nil
}
