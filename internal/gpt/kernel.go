package gpt

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Kernel is told of partitions that come, go or change their size. Offsets and
// sizes are in bytes.
type Kernel interface {
	AddPartition(number int, offset, size int64) error
	DeletePartition(number int) error
	ResizePartition(number int, offset, size int64) error
}

// tellKernel tells dev, if it is a kernel's, what became of the partitions:
// first what goes, so that what comes finds its place. Attributes, names and
// GUIDs are nothing to it.
func tellKernel(dev Device, sectorSize int, before, after []Partition) error {
	k, ok := dev.(Kernel)
	if !ok {
		return nil
	}
	gone, added, resized := changes(before, after)
	for _, p := range gone {
		if err := k.DeletePartition(p.Number); err != nil {
			return fmt.Errorf("tell the kernel that partition %d is gone: %w", p.Number, err)
		}
	}
	for _, p := range resized {
		if err := k.ResizePartition(p.bytes(sectorSize)); err != nil {
			return fmt.Errorf("tell the kernel the size of partition %d: %w", p.Number, err)
		}
	}
	for _, p := range added {
		if err := k.AddPartition(p.bytes(sectorSize)); err != nil {
			return fmt.Errorf("tell the kernel of partition %d: %w", p.Number, err)
		}
	}
	return nil
}

// introduce tells dev, if it is a kernel's, of all partitions. Those that it knows
// it finds busy.
func introduce(dev Device, t *Table) error {
	k, ok := dev.(Kernel)
	if !ok {
		return nil
	}
	for _, p := range t.Partitions {
		if err := k.AddPartition(p.bytes(t.SectorSize)); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("tell the kernel of partition %d: %w", p.Number, err)
		}
	}
	return nil
}

func (p Partition) bytes(sectorSize int) (number int, offset, size int64) {
	return p.Number, int64(p.First) * int64(sectorSize), int64(p.Sectors()) * int64(sectorSize)
}

// changes are the partitions whose sectors changed. One that moved is gone and
// added; one that ends elsewhere is resized, which works while it is mounted.
// Those that shrink come first, so that others find room to grow.
func changes(before, after []Partition) (gone, added, resized []Partition) {
	old := byNumber(before)
	var grown []Partition
	for _, p := range after {
		was, ok := old[p.Number]
		delete(old, p.Number)
		switch {
		case !ok:
			added = append(added, p)
		case was.First != p.First:
			gone, added = append(gone, was), append(added, p)
		case p.Last < was.Last:
			resized = append(resized, p)
		case p.Last > was.Last:
			grown = append(grown, p)
		}
	}
	for _, p := range before {
		if _, ok := old[p.Number]; ok {
			gone = append(gone, p)
		}
	}
	return gone, added, append(resized, grown...)
}
