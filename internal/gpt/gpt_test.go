package gpt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/durable/durabletest"
)

func eachSectorSize(t *testing.T, test func(t *testing.T, sectorSize int)) {
	t.Helper()
	for _, size := range sectorSizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) { test(t, size) })
	}
}

func TestFormatThenRead(t *testing.T) {
	eachSectorSize(t, func(t *testing.T, size int) {
		m, want := formatted(t, size), sample(t, size)
		for _, known := range []int{0, size} {
			got, err := Read(m, m.geometry(known))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(Compare(got, want), got.Damage()); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(got.Partitions, want.Partitions); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func TestNothingIsWrittenWhenNothingChanges(t *testing.T) {
	m := formatted(t, 512)
	written, err := Update(m, m.geometry(512), func(*Table) error { return nil })
	if err != nil || written || len(m.Ops) > 0 {
		t.Errorf("written %v, %d operations, %v", written, len(m.Ops), err)
	}
}

func TestUpdateTouchesOnlyBothCopies(t *testing.T) {
	eachSectorSize(t, func(t *testing.T, size int) {
		m := formatted(t, size)
		written, err := Update(m, m.geometry(size), func(table *Table) error {
			table.Partition(1).Attributes = 42
			return nil
		})
		if err != nil || !written {
			t.Fatal(written, err)
		}
		table, err := Read(m, m.geometry(size))
		if err != nil {
			t.Fatal(err)
		}
		if err := table.Damage(); err != nil || table.Partition(1).Attributes != 42 {
			t.Error(err, table.Partition(1))
		}
		first, last := int64(table.FirstUsable)*int64(size), int64(table.LastUsable+1)*int64(size)
		if !bytes.Equal(m.Data[:size], m.Base[:size]) || !bytes.Equal(m.Data[first:last], m.Base[first:last]) {
			t.Error("the protective MBR or partitions were touched")
		}
	})
}

func TestWhatWeDoNotKnowStays(t *testing.T) {
	m := formatted(t, 512)
	table, err := Read(m, m.geometry(512))
	if err != nil {
		t.Fatal(err)
	}
	// A header with reserved bytes and a longer size, junk in an unused entry, a name that is no UTF-16.
	table.header.Reserved = 7
	table.rawHeader = append(table.rawHeader, "future"...)
	copy(table.array[100*entrySize+40:], "junk")
	binary.LittleEndian.PutUint16(table.array[4*entrySize+nameAt:], 0xd800)
	table.Partitions[2].Name = decodeName(table.array[4*entrySize+nameAt : 4*entrySize+nameEnd])
	if err := Format(m, table); err != nil {
		t.Fatal(err)
	}
	if _, err := Update(m, m.geometry(512), func(t *Table) error { t.Partition(5).Attributes = 1; return nil }); err != nil {
		t.Fatal(err)
	}
	got, err := Read(m, m.geometry(512))
	if err != nil {
		t.Fatal(err)
	}
	if got.header.Reserved != 7 || !bytes.HasSuffix(got.rawHeader, []byte("future")) || string(got.array[100*entrySize+40:][:4]) != "junk" {
		t.Error("something was lost")
	}
	if unit := binary.LittleEndian.Uint16(got.array[4*entrySize+nameAt:]); unit != 0xd800 {
		t.Errorf("name begins with %#x", unit)
	}
}

func TestRepair(t *testing.T) {
	tests := []struct {
		name   string
		damage func(m *memory, t *Table)
		want   string
	}{
		{"primary signature", func(m *memory, _ *Table) { clear(m.Data[512:520]) }, "primary copy: sector 1 does not begin with"},
		{"primary header", func(m *memory, _ *Table) { m.Data[512+72]++ }, "primary copy: header CRC"},
		{"primary entries", func(m *memory, _ *Table) { m.Data[1024+48]++ }, "primary copy: CRC of the entries"},
		{"primary wiped", func(m *memory, _ *Table) { clear(m.Data[512 : 34*512]) }, "primary copy: sector 1 does not begin with"},
		{"backup header", func(m *memory, _ *Table) { m.Data[len(m.Data)-512+20]++ }, "backup copy: header CRC"},
		{"backup entries", func(m *memory, _ *Table) { m.Data[len(m.Data)-33*512]++ }, "backup copy: CRC of the entries"},
		{"backup wiped", func(m *memory, _ *Table) { clear(m.Data[len(m.Data)-33*512:]) }, "backup copy: sector 127 does not begin with"},
		{"primary in another place", func(m *memory, t *Table) {
			h := t.copyHeader(primary, t.array)
			h.Self = 3
			copy(m.Data[512:], h.encode(t.rawHeader))
		}, "primary copy: header says that it lies in sector 3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := formatted(t, 512)
			whole := bytes.Clone(m.Data)
			table, _ := Read(m, m.geometry(512))
			test.damage(m, table)
			table, err := Read(m, m.geometry(0))
			if err != nil {
				t.Fatal(err)
			}
			if err := table.Damage(); err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("damage: %v, want %s", err, test.want)
			}
			if written, err := Update(m, m.geometry(0), func(*Table) error { return nil }); err != nil || !written {
				t.Fatal(written, err)
			}
			if !bytes.Equal(m.Data, whole) {
				t.Error("not as before")
			}
		})
	}
}

// Both copies count and differ: power went between them. The primary one is the table.
func TestBackupAhead(t *testing.T) {
	m := formatted(t, 512)
	ahead := formatted(t, 512)
	if _, err := Update(ahead, ahead.geometry(512), func(t *Table) error { t.Partition(1).Attributes = 99; return nil }); err != nil {
		t.Fatal(err)
	}
	whole := bytes.Clone(m.Data)
	copy(m.Data[len(m.Data)-33*512:], ahead.Data[len(m.Data)-33*512:])
	table, err := Read(m, m.geometry(512))
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Partition(1).Attributes; got != 1<<56|1<<48 {
		t.Errorf("attributes are %#x", got)
	}
	if written, err := Write(m, table); err != nil || !written || !bytes.Equal(m.Data, whole) {
		t.Error("the backup copy was not made like the primary one", written, err)
	}
}

func TestDiskGivenAway(t *testing.T) {
	m := formatted(t, 512)
	clear(m.Data[:1024])
	if _, err := Read(m, m.geometry(512)); !errors.Is(err, ErrNoTable) || !strings.Contains(err.Error(), "protective MBR") {
		t.Errorf("a backup copy without protective MBR: %v", err)
	}
}

// An image that was copied to a larger disk has its backup copy in the middle.
func TestGrownDisk(t *testing.T) {
	m := formatted(t, 512)
	m.Data = append(m.Data, make([]byte, 1<<20)...)
	g := m.geometry(512)
	written, err := Update(m, g, func(t *Table) error { t.Partition(1).Attributes = 5; return nil })
	if err != nil || !written {
		t.Fatal(written, err)
	}
	table, err := Read(m, g)
	if err != nil || table.Damage() != nil || table.Partition(1).Attributes != 5 {
		t.Error(err, table.Damage())
	}
	whole := bytes.Clone(m.Data)
	for _, torn := range []struct{ from, to int }{{512, 604}, {520, 600}, {1024, 1030}, {127 * 512, 127*512 + 92}} {
		copy(m.Data[torn.from:torn.to], bytes.Repeat([]byte{0xa5}, torn.to-torn.from))
		if written, err := Update(m, g, func(*Table) error { return nil }); err != nil || !written || !bytes.Equal(m.Data, whole) {
			t.Errorf("%v: the table was not made whole again: %t, %v", torn, written, err)
		}
	}
}

// Of a disk that was grown and whose backup copy was moved to its end, the older
// copy in the middle counts no more, also if both others are torn.
func TestGrownDiskWithAnOlderCopy(t *testing.T) {
	small, g := formatted(t, 512), Geometry{Size: 256 * 512, SectorSize: 512}
	table, err := New(g, GUID{7})
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory(append(bytes.Clone(small.Data), make([]byte, g.Size-int64(len(small.Data)))...))
	if _, err := writeCopies(m, table, [2]int{backup, primary}); err != nil {
		t.Fatal(err)
	}
	clear(m.Data[600:1024])
	if got, err := Read(m, g); err != nil || got.Disk != table.Disk {
		t.Errorf("the copy at the end was not taken: %v", err)
	}
	clear(m.Data[g.Size-500:])
	if _, err := Read(m, g); !errors.Is(err, ErrNoTable) {
		t.Errorf("an older copy was taken: %v", err)
	}
}

// What is wrong with a table is told, not what a disk is not, too.
func TestErrorsAreOfTheTableThatIsThere(t *testing.T) {
	m := formatted(t, 4096)
	m.Data[2*4096+entrySize] ^= 1
	m.Data[len(m.Data)-100] ^= 1
	clear(m.Data[len(m.Data)-4096:])
	_, err := Read(m, m.geometry(0))
	if !errors.Is(err, ErrNoTable) || !strings.Contains(err.Error(), "CRC of the entries") || strings.Contains(err.Error(), "512") {
		t.Errorf("got %v", err)
	}
	if _, err := Read(newMemory(make([]byte, 1<<20)), Geometry{Size: 1 << 20}); !strings.Contains(err.Error(), "512") || !strings.Contains(err.Error(), "4096") {
		t.Errorf("of an empty disk: %v", err)
	}
}

func TestChangedMeanwhile(t *testing.T) {
	m := formatted(t, 512)
	old, err := Read(m, m.geometry(512))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Update(m, m.geometry(512), func(t *Table) error { t.Partition(2).Attributes = 1; return nil }); err != nil {
		t.Fatal(err)
	}
	old.Partition(1).Attributes = 0
	if _, err := Write(m, old); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *Table)
		want   string
	}{
		{"number 0", func(t *Table) { t.Partitions[0].Number = 0 }, "entries 1 to 128"},
		{"number 129", func(t *Table) { t.Partitions[0].Number = 129 }, "entries 1 to 128"},
		{"number twice", func(t *Table) { t.Partitions[0].Number = 2 }, "two of this number"},
		{"no type", func(t *Table) { t.Partitions[0].Type = GUID{} }, "neither may be zero"},
		{"no unique GUID", func(t *Table) { t.Partitions[0].ID = GUID{} }, "neither may be zero"},
		{"unique GUID twice", func(t *Table) { t.Partitions[0].ID = t.Partitions[1].ID }, "that of partition"},
		{"backwards", func(t *Table) { t.Partitions[0].Last = t.Partitions[0].First - 1 }, "usable are"},
		{"in the primary copy", func(t *Table) { t.Partitions[0].First = 1 }, "usable are"},
		{"in the backup copy", func(t *Table) { t.Partitions[2].Last = t.LastUsable + 1 }, "usable are"},
		{"overlap", func(t *Table) { t.Partitions[0].Last++ }, "overlap"},
		{"name", func(t *Table) { t.Partitions[0].Name = strings.Repeat("🙂", 19) }, "longer than 36"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := formatted(t, 512)
			_, err := Update(m, m.geometry(512), func(t *Table) error { test.change(t); return nil })
			if err == nil || !strings.Contains(err.Error(), test.want) || len(m.Ops) > 0 {
				t.Errorf("got %v, want %s; %d operations", err, test.want, len(m.Ops))
			}
		})
	}
}

// hostile changes a header of a sound disk and makes its CRC right again.
func hostile(t *testing.T, change func(h *header)) error {
	t.Helper()
	m := formatted(t, 512)
	table, err := Read(m, m.geometry(512))
	if err != nil {
		t.Fatal(err)
	}
	h := table.copyHeader(primary, table.array)
	change(&h)
	copy(m.Data[512:], h.encode(table.rawHeader))
	clear(m.Data[len(m.Data)-512:])
	_, err = Read(m, m.geometry(512))
	return err
}

func TestHostileHeaders(t *testing.T) {
	tests := []struct {
		name   string
		change func(h *header)
		want   string
	}{
		{"as it was", func(*header) {}, ""},
		{"itself elsewhere", func(h *header) { h.Self = 2 }, "lies in sector 2"},
		{"no entries", func(h *header) { h.Count = 0 }, "0 entries"},
		{"4 billion entries", func(h *header) { h.Count = 1<<32 - 1 }, "4294967295 entries"},
		{"huge entries", func(h *header) { h.EntrySize = 1 << 31 }, "at most 1048576 bytes"},
		{"product overflows", func(h *header) { h.EntrySize, h.Count = 1<<31, 1<<31 }, "at most 1048576 bytes"},
		{"small entries", func(h *header) { h.EntrySize = 64 }, "entry size is 64"},
		{"odd entries", func(h *header) { h.EntrySize = 192 }, "entry size is 192"},
		{"entries over the header", func(h *header) { h.Entries = 1 }, "entries take 32 sectors from 1"},
		{"entries over partitions", func(h *header) { h.Entries = 3 }, "entries take 32 sectors from 3"},
		{"entries beyond the disk", func(h *header) { h.Entries = 1<<64 - 1 }, "entries take"},
		{"usable beyond the disk", func(h *header) { h.LastUsable = 1 << 40 }, "usable sectors"},
		{"usable backwards", func(h *header) { h.FirstUsable, h.LastUsable = 60, 50 }, "usable sectors"},
		{"backup in front", func(h *header) { h.Alternate = 1 }, "backup header"},
		{"backup beyond the disk", func(h *header) { h.Alternate = 1<<64 - 1 }, "backup header"},
		{"entries do not match", func(h *header) { h.EntriesCRC++ }, "CRC of the entries"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := hostile(t, test.change)
			if test.want == "" && err == nil {
				return
			}
			// Its CRC is computed by copyHeader, so only the change itself is to blame.
			if !errors.Is(err, ErrNoTable) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestTooSmall(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 1024, 4096} {
		m := newMemory(make([]byte, size))
		if _, err := Read(m, m.geometry(0)); !errors.Is(err, ErrNoTable) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := New(Geometry{Size: 20 << 10, SectorSize: 512}, GUID{1}); err == nil {
		t.Error("made a table on 20 KiB")
	}
	if _, err := Read(newMemory(nil), Geometry{Size: 1 << 20, SectorSize: 520}); err == nil {
		t.Error("read sectors of 520 bytes")
	}
}

// Whichever operation fails, the table is the old or the new one afterwards.
func TestFailures(t *testing.T) {
	full := formatted(t, 512)
	raise := func(t *Table) error { t.Partition(1).Attributes = 77; return nil }
	if _, err := Update(full, full.geometry(512), raise); err != nil {
		t.Fatal(err)
	}
	for n := range full.Ops {
		m := formatted(t, 512)
		m.Fail = func(durabletest.Op) error {
			if len(m.Ops) == n {
				return errBroken
			}
			return nil
		}
		if _, err := Update(m, m.geometry(512), raise); !errors.Is(err, errBroken) {
			t.Errorf("operation %d failed: %v", n, err)
		}
		table, err := Read(m, m.geometry(512))
		if err != nil {
			t.Fatalf("operation %d failed: %v", n, err)
		}
		if got := table.Partition(1).Attributes; got != 77 && got != 1<<56|1<<48 {
			t.Errorf("operation %d failed: attributes %#x", n, got)
		}
	}
}

func TestGUIDText(t *testing.T) {
	// The type of a BIOS boot partition spells a text on the disk.
	g := MustParseGUID("21686148-6449-6E6F-744E-656564454649")
	if string(g[:]) != "Hah!IdontNeedEFI" {
		t.Errorf("on disk: %q", g[:])
	}
	if got, want := g.String(), "21686148-6449-6e6f-744e-656564454649"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, bad := range []string{"", "x", "21686148-6449-6E6F-744E-65656445464", "21686148-6449-6E6F-744E-65656445464g", "2168614886449-6E6F-744E-656564454649"} {
		if g, err := ParseGUID(bad); err == nil || !g.IsZero() {
			t.Errorf("%q: %s, %v", bad, g, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		g := GUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "guid"))
		if back, err := ParseGUID(g.String()); err != nil || back != g {
			t.Fatalf("%x became %x, %v", g, back, err)
		}
	})
	if a, b := NewGUID(), NewGUID(); a == b || a.String()[14] != '4' {
		t.Errorf("%s, %s", a, b)
	}
}

func TestHeaderLayout(t *testing.T) {
	if size := binary.Size(header{}); size != headerSize {
		t.Errorf("a header has %d bytes", size)
	}
	raw := header{Count: 0x01020304}.encode(make([]byte, headerSize))
	if raw[80] != 4 || raw[83] != 1 {
		t.Errorf("count is not at 80: %x", raw)
	}
	if sum := binary.LittleEndian.Uint32(raw[16:]); sum != headerCRC(raw) {
		t.Errorf("CRC %08x", sum)
	}
}

// The input is a header and entries, laid over the primary copy of a sound
// disk; with mend their sums are made right, so that fuzzing gets behind them.
func FuzzRead(f *testing.F) {
	sound := formatted(f, 512).Data
	table, err := Read(newMemory(sound), Geometry{Size: int64(len(sound)), SectorSize: 512})
	if err != nil {
		f.Fatal(err)
	}
	for _, mend := range []bool{false, true} {
		for _, wipe := range []bool{false, true} {
			f.Add(table.copyHeader(primary, table.array).encode(table.rawHeader), table.array[:6*entrySize], mend, wipe)
		}
	}
	f.Fuzz(func(t *testing.T, head, entries []byte, mend, wipe bool) {
		m := newMemory(sound)
		copy(m.Data[512:1024], head)
		copy(m.Data[1024:1024+16<<10], entries)
		if mend {
			mendCRCs(m.Data)
		}
		if wipe {
			clear(m.Data[len(m.Data)-512:])
		}
		fuzzDisk(t, m)
	})
}

// fuzzDisk: what can be read can be changed and written, and is then read as it was written.
func fuzzDisk(t *testing.T, m *memory) {
	table, err := Read(m, m.geometry(0))
	if err != nil {
		return
	}
	for i := range table.Partitions {
		table.Partitions[i].Attributes ^= 1 << 48
	}
	if _, err := Write(m, table); err != nil {
		t.Fatalf("what was read cannot be written: %v", err)
	}
	again, err := Read(m, table.Geometry)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Compare(again, table), again.Damage()); err != nil {
		t.Fatalf("what was written is not read: %v", err)
	}
}

// mendCRCs makes the sums of the primary copy right.
func mendCRCs(disk []byte) {
	var h header
	_, _ = binary.Decode(disk[512:], binary.LittleEndian, &h)
	begin, end := h.Entries*512, h.Entries*512+h.arraySize()
	if begin <= end && end <= uint64(len(disk)) {
		h.EntriesCRC = crc32.ChecksumIEEE(disk[begin:end])
	}
	if h.Size >= headerSize && h.Size <= 512 {
		copy(disk[512:], h.encode(disk[512:512+h.Size]))
	}
}
