package gpt

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"
)

// Geometry is the shape of a disk.
type Geometry struct {
	Size       int64 // in bytes
	SectorSize int   // 512 or 4096; 0: not known, as with an image file
}

func (g Geometry) sectors() uint64 { return uint64(g.Size) / uint64(g.SectorSize) }

// Table is a partition table. Its Partitions may be changed, added and removed,
// and [Write] puts it on the disk; the rest is as it was read.
type Table struct {
	Geometry
	Disk        GUID
	FirstUsable uint64      // sector that the first partition may begin at
	LastUsable  uint64      // sector that the last partition may end at
	Partitions  []Partition // in the order of the table

	// Primary and Backup tell why a copy did not count when the table was read; nil: it does.
	Primary, Backup error

	header    header // of the copy that was read; what is not of one copy alone
	rawHeader []byte // its bytes, with what we do not know
	array     []byte // the entries as they were read, with what we do not know
	entriesAt [2]uint64
}

// The two copies, as indices.
const (
	primary = iota
	backup
)

var copyNames = [2]string{"primary", "backup"}

// New is the table of an empty disk with room for 128 partitions. Its
// SectorSize must be known.
func New(g Geometry, disk GUID) (*Table, error) {
	if err := checkSectorSize(g.SectorSize); err != nil {
		return nil, fmt.Errorf("make partition table: %w", err)
	}
	const count = 128
	h := header{Revision: revision, Self: primaryLBA, Disk: disk, Entries: 2, Count: count, EntrySize: entrySize}
	copy(h.Signature[:], signature)
	blocks := h.blocks(g)
	if g.sectors() < 2*blocks+4 {
		return nil, fmt.Errorf("make partition table: a disk of %d bytes has no room for partitions", g.Size)
	}
	h.Alternate = g.sectors() - 1
	h.FirstUsable, h.LastUsable = 2+blocks, h.Alternate-blocks-1
	return newTable(g, h, make([]byte, headerSize), make([]byte, h.arraySize())), nil
}

func newTable(g Geometry, h header, rawHeader, array []byte) *Table {
	t := &Table{
		Geometry: g, Disk: h.Disk, FirstUsable: h.FirstUsable, LastUsable: h.LastUsable,
		Partitions: decodeEntries(array, int(h.EntrySize)),
		header:     h, rawHeader: rawHeader, array: array,
	}
	t.entriesAt[primary], t.entriesAt[backup] = 2, t.headerAt(backup)-h.blocks(g)
	return t
}

// Partition returns the partition of a number, or nil. What it points to may be changed.
func (t *Table) Partition(number int) *Partition {
	i := slices.IndexFunc(t.Partitions, func(p Partition) bool { return p.Number == number })
	if i < 0 {
		return nil
	}
	return &t.Partitions[i]
}

func byNumber(partitions []Partition) map[int]Partition {
	m := make(map[int]Partition, len(partitions))
	for _, p := range partitions {
		m[p.Number] = p
	}
	return m
}

// Extent is where a partition of this table lies, in bytes.
func (t *Table) Extent(p Partition) (offset, size int64) {
	return int64(p.First) * int64(t.SectorSize), int64(p.Sectors()) * int64(t.SectorSize)
}

// Damage says which copy does not count and why, or nil.
func (t *Table) Damage() error {
	switch {
	case t.Primary != nil:
		return fmt.Errorf("primary copy: %w", t.Primary)
	case t.Backup != nil:
		return fmt.Errorf("backup copy: %w", t.Backup)
	}
	return nil
}

func (t *Table) headerAt(which int) uint64 {
	if which == primary {
		return primaryLBA
	}
	if t.header.Self == primaryLBA {
		return t.header.Alternate
	}
	return t.header.Self
}

// check refuses a table that must not be written.
func (t *Table) check() error {
	if err := checkPartitions(t.Partitions, t.header); err != nil {
		return err
	}
	for which := range copyNames {
		if err := t.copyHeader(which, t.array).check(t.Geometry, t.headerAt(which)); err != nil {
			return fmt.Errorf("%s copy: %w", copyNames[which], err)
		}
	}
	return nil
}

// encodeArray is the entries as they shall be. Unused entries keep what they hold.
func (t *Table) encodeArray() []byte {
	size := int(t.header.EntrySize)
	array := slices.Clone(t.array)
	kept := byNumber(t.Partitions)
	for _, old := range decodeEntries(array, size) {
		if _, ok := kept[old.Number]; !ok {
			clear(array[(old.Number-1)*size : old.Number*size])
		}
	}
	for _, p := range t.Partitions {
		p.encode(array[(p.Number-1)*size : p.Number*size])
	}
	return array
}

// copyHeader is the header of one copy with these entries.
func (t *Table) copyHeader(which int, array []byte) header {
	h := t.header
	h.Self, h.Alternate = t.headerAt(which), t.headerAt(1-which)
	h.Entries = t.entriesAt[which]
	h.EntriesCRC = crc32.ChecksumIEEE(array)
	return h
}

// block is bytes and where on the disk they belong.
type block struct {
	what   string
	offset int64
	data   []byte
}

// encodeCopy is what one copy shall be on the disk, in the order of writing:
// a header is only right once its entries are there.
func (t *Table) encodeCopy(which int, array []byte) []block {
	h := t.copyHeader(which, array)
	at := func(lba uint64) int64 { return int64(lba) * int64(t.SectorSize) }
	return []block{
		{copyNames[which] + " entries", at(h.Entries), array},
		{copyNames[which] + " header", at(h.Self), h.encode(t.rawHeader)},
	}
}

// Compare returns nil if got is the same table as want, and otherwise an error
// that names the first field that differs. Damage is not compared.
func Compare(got, want *Table) error {
	fields := []struct {
		name      string
		got, want any
	}{
		{"sector size", got.SectorSize, want.SectorSize},
		{"disk GUID", got.Disk, want.Disk},
		{"first usable sector", got.FirstUsable, want.FirstUsable},
		{"last usable sector", got.LastUsable, want.LastUsable},
		{"number of entries", got.header.Count, want.header.Count},
		{"number of partitions", len(got.Partitions), len(want.Partitions)},
	}
	for _, f := range fields {
		if f.got != f.want {
			return fmt.Errorf("%s is %v, want %v", f.name, f.got, f.want)
		}
	}
	found := byNumber(got.Partitions)
	for _, p := range want.Partitions {
		other, ok := found[p.Number]
		if !ok {
			return fmt.Errorf("partition %d is missing", p.Number)
		}
		if err := comparePartition(other, p); err != nil {
			return fmt.Errorf("partition %d: %w", p.Number, err)
		}
	}
	return nil
}

func comparePartition(got, want Partition) error {
	switch {
	case got.Type != want.Type:
		return fmt.Errorf("type is %s, want %s", got.Type, want.Type)
	case got.ID != want.ID:
		return fmt.Errorf("unique GUID is %s, want %s", got.ID, want.ID)
	case got.First != want.First || got.Last != want.Last:
		return fmt.Errorf("sectors are %d to %d, want %d to %d", got.First, got.Last, want.First, want.Last)
	case got.Attributes != want.Attributes:
		return fmt.Errorf("attributes are %#016x, want %#016x", got.Attributes, want.Attributes)
	case got.Name != want.Name:
		return fmt.Errorf("name is %q, want %q", got.Name, want.Name)
	}
	return nil
}

// sameBytes tells whether both were read from the same bytes.
func (t *Table) sameBytes(other *Table) bool {
	return bytes.Equal(t.array, other.array) && t.Disk == other.Disk && t.Geometry == other.Geometry &&
		t.FirstUsable == other.FirstUsable && t.LastUsable == other.LastUsable
}
