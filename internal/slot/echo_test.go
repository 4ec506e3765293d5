package slot

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// faked is a disk that has fewer bytes than it says: addresses begin anew.
type faked []byte

func (f faked) ReadAt(data []byte, at int64) (int, error) {
	return copy(data, f[at%int64(len(f)):]), nil
}

func (f faked) WriteAt(data []byte, at int64) (int, error) {
	return copy(f[at%int64(len(f)):], data), nil
}

// A disk that echoes is found, from either side, and nothing on it is changed.
func TestEcho(t *testing.T) {
	const says = 8 << 20
	for _, test := range []struct {
		has, at int64
		echoes  bool
	}{
		{8 << 20, 5 << 20, false},
		{4 << 20, 5 << 20, true},
		{4 << 20, 3 << 20, true},
		{4 << 20, 8<<20 - echoSize, true},
		{2 << 20, 5 << 20, true},
		{1 << 20, 5 << 20, true},
	} {
		disk := make(faked, test.has)
		r := rand.NewChaCha8([32]byte{1})
		_, _ = r.Read(disk) // it never fails
		before := bytes.Clone(disk)
		if err := echo(disk, says, test.at); errors.Is(err, ErrEcho) != test.echoes {
			t.Errorf("%+v: %v", test, err)
		}
		if !bytes.Equal(disk, before) {
			t.Errorf("%+v: the disk was changed", test)
		}
	}
}

// An image is as large as it says, and stays as it was.
func TestEchoOfAnImage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	if err := CreateImage(path, MinSize, 512); err != nil {
		t.Fatal(err)
	}
	for _, active := range []Name{A, B} {
		d, err := At(path, active)
		if err != nil {
			t.Fatal(err)
		}
		sets, err := d.Sets(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		last := sets.Extents[active.Other()][HashPartition]
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		want, got := bytes.Repeat([]byte("what was there. "), 1024), make([]byte, 16384)
		_, wrote := f.WriteAt(want, last.Offset+last.Size-16384)
		echoed := d.Echo(t.Context())
		_, read := f.ReadAt(got, last.Offset+last.Size-16384)
		if err := errors.Join(wrote, echoed, read, f.Close()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s runs: %v, the image has changed: %t", active, err, !bytes.Equal(got, want))
		}
	}
}

// The block lies within a partition of the spare set, however small that is.
func TestProbed(t *testing.T) {
	for _, test := range []struct {
		sectors uint64
		room    bool
	}{{7, false}, {8, false}, {15, true}, {16, true}} { // of 512 bytes; it ends between two blocks
		table, err := NewTable(MinSize, 512)
		if err != nil {
			t.Fatal(err)
		}
		d := &Disk{Path: "disk", active: A}
		whole, _, err := d.probed(table)
		if err != nil {
			t.Fatal(err)
		}
		p := table.Partition(whole)
		p.Last -= 3
		p.First = p.Last - test.sectors + 1
		number, at, err := d.probed(table)
		begin, size := table.Extent(*p)
		switch {
		case err != nil:
			t.Fatal(err)
		case (number == whole) != test.room:
			t.Errorf("%d sectors: partition %d", test.sectors, number)
		case test.room && (at < begin || at+echoSize > begin+size || at%echoSize != 0):
			t.Errorf("%d sectors at %d: a block at %d", test.sectors, begin, at)
		}
	}
}
