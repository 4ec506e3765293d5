package gpt

import (
	"errors"
	"testing"

	"github.com/hostler-os/hostler/internal/gpt/gpttest"
)

// memory is a disk in memory that logs what is done to it.
type memory struct{ *gpttest.Disk }

func newMemory(data []byte) *memory { return &memory{gpttest.New(data)} }

func (m *memory) geometry(sectorSize int) Geometry {
	return Geometry{Size: int64(len(m.Data)), SectorSize: sectorSize}
}

var (
	typeA = MustParseGUID("6b636168-7420-6568-2070-6c616e657421")
	typeB = MustParseGUID("5526016a-1a97-4ea4-b39a-b7c8c6ca4502")
)

// sample is a table with three partitions.
func sample(t testing.TB, sectorSize int) *Table {
	t.Helper()
	table, err := New(Geometry{Size: 64 * int64(sectorSize) * 2, SectorSize: sectorSize}, MustParseGUID("0c5d99a5-d331-4147-baef-08e2b855bdc9"))
	if err != nil {
		t.Fatal(err)
	}
	first := table.FirstUsable
	table.Partitions = []Partition{
		{Number: 1, Type: typeA, ID: GUID{1}, First: first, Last: first + 3, Attributes: 1<<56 | 1<<48, Name: "BOOT-A"},
		{Number: 2, Type: typeB, ID: GUID{2}, First: first + 4, Last: first + 9, Name: "RÖÖT 🙂"},
		{Number: 5, Type: typeA, ID: GUID{3}, First: first + 12, Last: first + 12, Attributes: 1 << 63, Name: ""},
	}
	return table
}

// formatted is a disk with the sample.
func formatted(t testing.TB, sectorSize int) *memory {
	t.Helper()
	table := sample(t, sectorSize)
	m := newMemory(make([]byte, table.Size))
	if err := Format(m, table); err != nil {
		t.Fatal(err)
	}
	return newMemory(m.Data)
}

var errBroken = errors.New("broken")
