package gpt

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf16"
)

// Partition is a used entry of a table.
type Partition struct {
	Number     int    // from 1: the entry's place in the table
	Type       GUID   // what it is for
	ID         GUID   // of this one alone: PARTUUID
	First      uint64 // sector
	Last       uint64 // sector, inclusive
	Attributes uint64 // bit 0 is the least significant
	Name       string // at most 36 UTF-16 code units
}

// Sectors is the partition's size.
func (p Partition) Sectors() uint64 { return p.Last - p.First + 1 }

const (
	nameAt  = 56
	nameEnd = 128
	maxName = (nameEnd - nameAt) / 2
)

// decodeEntry reads entry number of a table; an unused one has a zero type.
func decodeEntry(number int, raw []byte) Partition {
	return Partition{
		Number:     number,
		Type:       GUID(raw[0:16]),
		ID:         GUID(raw[16:32]),
		First:      binary.LittleEndian.Uint64(raw[32:]),
		Last:       binary.LittleEndian.Uint64(raw[40:]),
		Attributes: binary.LittleEndian.Uint64(raw[48:]),
		Name:       decodeName(raw[nameAt:nameEnd]),
	}
}

func decodeName(raw []byte) string {
	var units []uint16
	for at := 0; at < len(raw); at += 2 {
		unit := binary.LittleEndian.Uint16(raw[at:])
		if unit == 0 {
			break
		}
		units = append(units, unit)
	}
	return string(utf16.Decode(units))
}

// encode lays p over raw, an entry's bytes. A name that did not change keeps
// its bytes, whatever they are.
func (p Partition) encode(raw []byte) {
	copy(raw[0:], p.Type[:])
	copy(raw[16:], p.ID[:])
	binary.LittleEndian.PutUint64(raw[32:], p.First)
	binary.LittleEndian.PutUint64(raw[40:], p.Last)
	binary.LittleEndian.PutUint64(raw[48:], p.Attributes)
	if decodeName(raw[nameAt:nameEnd]) == p.Name {
		return
	}
	clear(raw[nameAt:nameEnd])
	for i, unit := range utf16.Encode([]rune(p.Name)) {
		binary.LittleEndian.PutUint16(raw[nameAt+2*i:], unit)
	}
}

// decodeEntries reads the used entries, in the table's order.
func decodeEntries(array []byte, size int) []Partition {
	var partitions []Partition
	for i := range len(array) / size {
		if p := decodeEntry(i+1, array[i*size:]); !p.Type.IsZero() {
			partitions = append(partitions, p)
		}
	}
	return partitions
}

// checkPartitions refuses partitions that a table with h cannot have.
func checkPartitions(partitions []Partition, h header) error {
	numbers, ids := map[int]bool{}, map[GUID]int{}
	for _, p := range partitions {
		if err := checkPartition(p, h); err != nil {
			return fmt.Errorf("partition %d: %w", p.Number, err)
		}
		if numbers[p.Number] {
			return fmt.Errorf("partition %d: there are two of this number", p.Number)
		}
		if other, ok := ids[p.ID]; ok {
			return fmt.Errorf("partition %d: its unique GUID %s is that of partition %d too; sgdisk --partition-guid=%d:R gives it another", p.Number, p.ID, other, p.Number)
		}
		numbers[p.Number], ids[p.ID] = true, p.Number
	}
	return checkOverlaps(partitions)
}

func checkPartition(p Partition, h header) error {
	switch {
	case p.Number < 1 || p.Number > int(h.Count):
		return fmt.Errorf("the table has entries 1 to %d", h.Count)
	case p.Type.IsZero() || p.ID.IsZero():
		return fmt.Errorf("type GUID is %s and unique GUID %s; neither may be zero; sgdisk --partition-guid=%d:R gives it one", p.Type, p.ID, p.Number)
	case p.First > p.Last || p.First < h.FirstUsable || p.Last > h.LastUsable:
		return fmt.Errorf("sectors are %d to %d, usable are %d to %d", p.First, p.Last, h.FirstUsable, h.LastUsable)
	case len(utf16.Encode([]rune(p.Name))) > maxName:
		return fmt.Errorf("name %q is longer than %d UTF-16 code units", p.Name, maxName)
	}
	return nil
}

func checkOverlaps(partitions []Partition) error {
	sorted := slices.SortedFunc(slices.Values(partitions), func(a, b Partition) int { return cmp.Compare(a.First, b.First) })
	for i := 1; i < len(sorted); i++ {
		if before, p := sorted[i-1], sorted[i]; p.First <= before.Last {
			return fmt.Errorf("partition %d: sectors %d to %d overlap partition %d, %d to %d",
				p.Number, p.First, p.Last, before.Number, before.First, before.Last)
		}
	}
	return nil
}
