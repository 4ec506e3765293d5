package gpt

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/hostler-os/hostler/internal/durable/durabletest"
)

// memory is a disk in memory that logs what is done to it.
type memory struct {
	data []byte
	base []byte
	ops  []durabletest.Op
	fail func(op durabletest.Op) error // nil: nothing fails
}

const diskPath = "disk"

func newMemory(data []byte) *memory {
	return &memory{data: bytes.Clone(data), base: bytes.Clone(data)}
}

func (m *memory) ReadAt(data []byte, offset int64) (int, error) {
	return bytes.NewReader(m.data).ReadAt(data, offset)
}

func (m *memory) WriteAt(data []byte, offset int64) (int, error) {
	op := durabletest.Op{Kind: durabletest.Write, Path: diskPath, Offset: offset, Data: bytes.Clone(data)}
	if err := m.log(op); err != nil {
		return 0, err
	}
	if offset+int64(len(data)) > int64(len(m.data)) {
		return 0, io.ErrShortWrite
	}
	return copy(m.data[offset:], data), nil
}

func (m *memory) Sync() error {
	return m.log(durabletest.Op{Kind: durabletest.Sync, Path: diskPath})
}

func (m *memory) log(op durabletest.Op) error {
	if m.fail != nil {
		if err := m.fail(op); err != nil {
			return err
		}
	}
	m.ops = append(m.ops, op)
	return nil
}

func (m *memory) mark(text string) {
	m.ops = append(m.ops, durabletest.Op{Kind: durabletest.Mark, Mark: text})
}

func (m *memory) history() durabletest.Log {
	return durabletest.Log{Base: durabletest.Tree{diskPath: {Data: m.base}}, Ops: m.ops}
}

func (m *memory) geometry(sectorSize int) Geometry {
	return Geometry{Size: int64(len(m.data)), SectorSize: sectorSize}
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
	return newMemory(m.data)
}

var errBroken = errors.New("broken")
