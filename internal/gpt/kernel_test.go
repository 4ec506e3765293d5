package gpt

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kernel notes what it is told.
type kernel struct {
	*memory
	told []string
}

func (k *kernel) AddPartition(number int, offset, size int64) error {
	k.told = append(k.told, fmt.Sprintf("add %d %d+%d", number, offset, size))
	return nil
}

func (k *kernel) DeletePartition(number int) error {
	k.told = append(k.told, fmt.Sprintf("delete %d", number))
	return nil
}

func (k *kernel) ResizePartition(number int, offset, size int64) error {
	k.told = append(k.told, fmt.Sprintf("resize %d %d+%d", number, offset, size))
	return nil
}

func TestKernelIsToldOfPartitionsOnly(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *Table)
		want   []string
	}{
		{"nothing", func(*Table) {}, nil},
		{"attributes", func(t *Table) { t.Partitions[0].Attributes = 7 }, nil},
		{"name and GUIDs", func(t *Table) { p := t.Partition(1); p.Name, p.Type, p.ID = "x", typeB, GUID{9} }, nil},
		{"gone", func(t *Table) { t.Partitions = t.Partitions[1:] }, []string{"delete 1"}},
		{"added", func(t *Table) {
			t.Partitions = append(t.Partitions, Partition{Number: 9, Type: typeA, ID: GUID{9}, First: 60, Last: 61})
		}, []string{"add 9 30720+1024"}},
		{"grown", func(t *Table) { t.Partition(5).Last = 48 }, []string{"resize 5 23552+1536"}},
		{"moved", func(t *Table) { p := t.Partition(5); p.First, p.Last = 50, 50 }, []string{"delete 5", "add 5 25600+512"}},
		{"border moved", func(t *Table) { t.Partition(1).Last--; t.Partition(2).First-- }, []string{"delete 2", "resize 1 17408+1536", "add 2 18944+3584"}},
		{
			"numbers swapped", func(t *Table) { t.Partition(1).Number, t.Partition(2).Number = 2, 1 },
			[]string{"delete 2", "delete 1", "add 2 17408+2048", "add 1 19456+3072"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k := &kernel{memory: formatted(t, 512)}
			if _, err := Update(k, k.geometry(512), func(t *Table) error { test.change(t); return nil }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(k.told, test.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}
