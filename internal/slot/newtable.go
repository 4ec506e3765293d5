package slot

import (
	"fmt"

	"github.com/hostler-os/hostler/internal/gpt"
)

const mib = 1 << 20

// MinSize is that of the smallest disk that [NewTable] lays out, in bytes.
const MinSize = 512 * mib

// The unique GUIDs of data partitions. The one of a MiB on the disk of the
// operating system is what is left to a host without the preferred one, which
// is on a disk of its own, or behind everything else.
const (
	fallbackData  = "69040874-417d-4e26-a764-7885f22007ea"
	preferredData = "5b94e8df-28b8-485c-9d19-362263b5944c"
)

// Plan is what a new disk shall be.
type Plan struct {
	Size       int64 // in bytes, a multiple of 1 MiB and MinSize at least; without Data
	Data       int64 // in bytes, of a data partition behind it; 0: a MiB, for the host has another disk
	SectorSize int   // 512 or 4096
}

// planned is a partition of a new disk.
type planned struct {
	kind   Kind
	suffix string
	size   int64 // in MiB
}

// layout is that of a disk of size MiB with two sets and a data partition.
// Sizes grow with the disk; the private partition takes what is left, the tables
// a MiB at each end.
func layout(size, data int64) []planned {
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
	return append(parts, planned{PrivatePartition, "", left}, planned{DataPartition, "", max(1, data)})
}

// NewTable is the table of a new disk with two sets, of which A boots: it is
// marked as successful, as in a fresh image. All partitions begin at a MiB;
// their GUIDs are random, but that of the data partition.
func NewTable(size int64, sectorSize int) (*gpt.Table, error) {
	return Plan{Size: size, SectorSize: sectorSize}.Table()
}

// Table is [NewTable] of the plan.
func (p Plan) Table() (*gpt.Table, error) {
	if p.Size < MinSize || p.Size%mib != 0 {
		return nil, fmt.Errorf("lay out a disk of %d bytes: want a multiple of 1 MiB and %d MiB at least", p.Size, MinSize/mib)
	}
	if p.Data < 0 || p.Data%mib != 0 {
		return nil, fmt.Errorf("lay out a data partition of %d bytes: want a multiple of 1 MiB", p.Data)
	}
	t, err := gpt.New(gpt.Geometry{Size: p.Size + p.Data, SectorSize: p.SectorSize}, gpt.NewGUID())
	if err != nil {
		return nil, err
	}
	sectors, at := uint64(mib/p.SectorSize), uint64(1) // per MiB; the next partition's place, in MiB
	for i, part := range layout(p.Size/mib, p.Data/mib) {
		t.Partitions = append(t.Partitions, gpt.Partition{
			Number: i + 1, Type: part.kind.Type(), ID: gpt.NewGUID(), Name: part.kind.String() + part.suffix,
			First: at * sectors, Last: (at+uint64(part.size))*sectors - 1,
		})
		at += uint64(part.size)
	}
	data := &t.Partitions[len(t.Partitions)-1]
	data.Name, data.ID = "", gpt.MustParseGUID(fallbackData) // the first boot names it
	if p.Data > 0 {
		data.ID = gpt.MustParseGUID(preferredData)
	}
	l, err := LayoutOf(t)
	if err != nil {
		return nil, err
	}
	t.Partition(l.Sets[A][BootPartition]).Attributes = uint64(Word(0).withPriority(1).withSuccessful(true))
	return t, nil
}
