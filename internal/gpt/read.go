package gpt

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// Sector sizes that an image file may have, in the order of trying.
var sectorSizes = [...]int{512, 4096}

// Read reads the table of a disk of this geometry. If the sector size is not
// known, it takes the first that has a primary copy that counts, then the first
// with a backup copy that does. It returns an error with [ErrNoTable] when no
// copy counts.
func Read(r io.ReaderAt, g Geometry) (*Table, error) {
	sizes := sectorSizes[:]
	if g.SectorSize != 0 {
		if err := checkSectorSize(g.SectorSize); err != nil {
			return nil, fmt.Errorf("read partition table: %w", err)
		}
		sizes = []int{g.SectorSize}
	}
	var fallback *Table
	var errs, nothing []error
	for _, size := range sizes {
		t, err := readTable(r, Geometry{g.Size, size})
		switch {
		case isNothing(err):
			nothing = append(nothing, fmt.Errorf("with sectors of %d bytes: %w", size, err))
		case err != nil:
			errs = append(errs, fmt.Errorf("with sectors of %d bytes: %w", size, err))
		case t.Primary == nil:
			return t, nil
		case fallback == nil:
			fallback = t
		}
	}
	if fallback != nil {
		return fallback, nil
	}
	if len(errs) == 0 {
		errs = nothing
	}
	return nil, fmt.Errorf("%w: %w", ErrNoTable, errors.Join(errs...))
}

// isNothing tells whether there is nothing that begins like a copy, rather than one that is damaged.
func isNothing(err error) bool {
	_, ok := errors.AsType[nothingAt](err)
	return ok
}

func checkSectorSize(size int) error {
	if !slices.Contains(sectorSizes[:], size) {
		return fmt.Errorf("sectors of %d bytes, want 512 or 4096", size)
	}
	return nil
}

func readTable(r io.ReaderAt, g Geometry) (*Table, error) {
	if g.Size < 6*int64(g.SectorSize) {
		return nil, fmt.Errorf("a disk of %d bytes is too small", g.Size)
	}
	var copies [2]tableCopy
	copies[primary] = readCopy(r, g, primaryLBA)
	copies[backup] = readCopy(r, g, copies[primary].backupAt(g))
	if lba, ok := grownFrom(r, g); ok && !copies[primary].headerRight {
		copies[backup] = readCopy(r, g, lba)
	}
	first := primary
	if copies[primary].err != nil {
		first = backup
		if err := backupAlone(r, copies); err != nil {
			return nil, err
		}
	}
	c := copies[first]
	t := newTable(g, c.header, c.rawHeader, c.array)
	t.Primary, t.Backup = copies[primary].err, copies[backup].err
	for which, c := range copies {
		if c.headerRight && c.header.arraySize() == t.header.arraySize() {
			t.entriesAt[which] = c.header.Entries
		}
	}
	return t, nil
}

// grownFrom is where the last sector was of a disk that has grown since its table
// was made, which the protective MBR remembers: there the backup copy has stayed
// until somebody moves it to the end. What begins like a copy there is one, and an older one counts no more.
func grownFrom(r io.ReaderAt, g Geometry) (lba uint64, ok bool) {
	first, last := make([]byte, 512), make([]byte, len(signature))
	if _, err := readFull(r, first, 0); err != nil || checkProtective(first) != nil {
		return 0, false
	}
	end := g.sectors() - 1
	if _, err := readFull(r, last, int64(end)*int64(g.SectorSize)); err != nil || string(last) == signature {
		return 0, false
	}
	lba = protectedUpTo(first)
	return lba, lba > primaryLBA && lba < end
}

// backupAlone refuses the backup copy as the only one if it does not count, or
// the disk is no GPT disk any more.
func backupAlone(r io.ReaderAt, copies [2]tableCopy) error {
	err := copies[backup].err
	if err == nil {
		sector := make([]byte, 512)
		if _, err = readFull(r, sector, 0); err == nil {
			err = checkProtective(sector)
		}
	}
	switch {
	case err == nil:
		return nil
	case isNothing(copies[primary].err) && isNothing(err):
		return fmt.Errorf("primary copy: %w; backup copy: %w", copies[primary].err, err)
	}
	return fmt.Errorf("primary copy: %v; backup copy: %v", copies[primary].err, err)
}

// tableCopy is one of the two copies, as it was read.
type tableCopy struct {
	header      header
	rawHeader   []byte
	array       []byte
	headerRight bool
	err         error // why the copy does not count
}

// backupAt is where the other copy's header lies, given the primary copy.
func (c tableCopy) backupAt(g Geometry) uint64 {
	if c.headerRight {
		return c.header.Alternate
	}
	return g.sectors() - 1
}

func readCopy(r io.ReaderAt, g Geometry, lba uint64) (c tableCopy) {
	sector := make([]byte, g.SectorSize)
	if _, c.err = readFull(r, sector, int64(lba)*int64(g.SectorSize)); c.err != nil {
		return c
	}
	if c.header, c.rawHeader, c.err = decodeHeader(sector, g, lba); c.err != nil {
		return c
	}
	c.headerRight = true
	c.array = make([]byte, c.header.arraySize())
	if _, c.err = readFull(r, c.array, int64(c.header.Entries)*int64(g.SectorSize)); c.err != nil {
		return c
	}
	if sum := crc32.ChecksumIEEE(c.array); sum != c.header.EntriesCRC {
		c.err = fmt.Errorf("CRC of the entries is %08x, want %08x", sum, c.header.EntriesCRC)
		return c
	}
	c.err = checkPartitions(decodeEntries(c.array, int(c.header.EntrySize)), c.header)
	return c
}

// readFull reads all of data; a disk that ends before is an error.
func readFull(r io.ReaderAt, data []byte, offset int64) (int, error) {
	n, err := r.ReadAt(data, offset)
	if n == len(data) {
		return n, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, fmt.Errorf("read %d bytes at %d: %w", len(data), offset, err)
}
