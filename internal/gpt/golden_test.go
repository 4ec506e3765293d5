package gpt

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// golden is a disk that sfdisk or sgdisk made; test/disk asks the tools themselves.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	disk, err := io.ReadAll(io.LimitReader(r, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

func TestGolden(t *testing.T) {
	tests := []struct {
		file        string
		sectorSize  int
		firstUsable uint64
	}{
		{"sfdisk-512.img.gz", 512, 34},
		{"sfdisk-4096.img.gz", 4096, 6},
		{"sgdisk-512.img.gz", 512, 34},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			m := newMemory(golden(t, test.file))
			got, err := Read(m, m.geometry(0))
			if err != nil {
				t.Fatal(err)
			}
			if got.SectorSize != test.sectorSize || got.FirstUsable != test.firstUsable || got.Damage() != nil {
				t.Errorf("sectors of %d, first usable %d, damage %v", got.SectorSize, got.FirstUsable, got.Damage())
			}
			if diff := cmp.Diff(got.Partitions, goldenPartitions(got.Partitions[0].First)); diff != "" {
				t.Error(diff)
			}
			if want := MustParseGUID("11111111-2222-4333-8444-555566667777"); got.Disk != want {
				t.Errorf("disk GUID is %s", got.Disk)
			}
			// What we make of the same partitions is the same, byte for byte.
			made, err := New(got.Geometry, got.Disk)
			if err != nil {
				t.Fatal(err)
			}
			made.Partitions = got.Partitions
			ours := newMemory(make([]byte, got.Size))
			if err := Format(ours, made); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(ours.Data[test.sectorSize:], m.Data[test.sectorSize:]) {
				t.Error("the tool's copies and ours differ")
			}
		})
	}
}

func goldenPartitions(first uint64) []Partition {
	id := func(n byte) GUID {
		g := MustParseGUID("aaaaaaaa-0000-4000-8000-000000000000")
		g[15] = n
		return g
	}
	return []Partition{
		{Number: 1, Type: typeA, ID: id(1), First: first, Last: first + 3, Attributes: 1<<56 | 1<<48, Name: "BOOT-A"},
		{Number: 2, Type: typeB, ID: id(2), First: first + 4, Last: first + 11, Name: "a root"},
		{Number: 3, Type: MustParseGUID("440408bb-eb0b-4328-a6e5-a29038fad706"), ID: id(3), First: first + 12, Last: first + 15, Attributes: 1<<57 | 1},
	}
}
