package gpt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Device is what a table is written to. Sync returns when all that was written
// is on the disk. If it also is a [Kernel], changed partitions are told to it.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
}

// Update reads the table of dev, lets change change it, and writes it back. It
// tells whether anything was written: a table that is on the disk already, in
// two copies that count, is not. The caller makes sure that nobody else writes
// meanwhile; see [Disk.Update].
func Update(dev Device, g Geometry, change func(*Table) error) (written bool, err error) {
	t, err := Read(dev, g)
	if err != nil {
		return false, err
	}
	if err := change(t); err != nil {
		return false, err
	}
	return Write(dev, t)
}

// Write puts t on dev, from which it was read, as the package comment says, and
// reads it back. It tells whether anything was written, which is so when t or
// one of the copies on the disk differs. The error is [ErrChanged] when the
// table on the disk is not the one that t was read from.
func Write(dev Device, t *Table) (written bool, err error) {
	if err := t.check(); err != nil {
		return false, fmt.Errorf("refuse partition table: %w", err)
	}
	now, err := Read(dev, t.Geometry)
	if err != nil {
		return false, err
	}
	if !now.sameBytes(t) {
		return false, ErrChanged
	}
	written, err = writeCopies(dev, t, now.order())
	if err != nil || !written {
		return written, err
	}
	if err := verify(dev, t); err != nil {
		return true, err
	}
	return true, tellKernel(dev, t.SectorSize, now.Partitions, t.Partitions)
}

// Format makes a disk that holds nothing of worth show t: it writes the
// protective MBR too. Power loss may leave no table.
func Format(dev Device, t *Table) error {
	if err := t.check(); err != nil {
		return fmt.Errorf("refuse partition table: %w", err)
	}
	if err := write(dev, block{"protective MBR", 0, protectiveMBR(t.Geometry)}); err != nil {
		return err
	}
	if _, err := writeCopies(dev, t, [2]int{backup, primary}); err != nil {
		return err
	}
	return verify(dev, t)
}

// order is that in which the copies are to be written: first the one that is
// not the table.
func (t *Table) order() [2]int {
	if t.Primary != nil {
		return [2]int{primary, backup}
	}
	return [2]int{backup, primary}
}

func writeCopies(dev Device, t *Table, order [2]int) (written bool, err error) {
	array := t.encodeArray()
	for _, which := range order {
		blocks, err := differing(dev, t.encodeCopy(which, array))
		if err != nil {
			return written, err
		}
		if len(blocks) == 0 {
			continue
		}
		if !written {
			// A writer that was killed may have left the copy that is to
			// stand meanwhile in the cache alone.
			if err := sync(dev, "what was written before"); err != nil {
				return false, err
			}
		}
		written = true
		if err := writeCopy(dev, copyNames[which], blocks); err != nil {
			return true, err
		}
	}
	return written, nil
}

func writeCopy(dev Device, name string, blocks []block) error {
	for _, b := range blocks {
		if err := write(dev, b); err != nil {
			return err
		}
	}
	return sync(dev, name+" copy")
}

// differing are those blocks that are not on the disk already. One that cannot
// be read differs: writing may mend the sector.
func differing(dev Device, blocks []block) ([]block, error) {
	var differ []block
	for _, b := range blocks {
		on := make([]byte, len(b.data))
		_, err := readFull(dev, on, b.offset)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("write %s: %w", b.what, err)
		}
		if err != nil || !bytes.Equal(on, b.data) {
			differ = append(differ, b)
		}
	}
	return differ, nil
}

func write(dev Device, b block) error {
	if _, err := dev.WriteAt(b.data, b.offset); err != nil {
		return fmt.Errorf("write %s: %w", b.what, err)
	}
	return nil
}

func sync(dev Device, what string) error {
	if err := dev.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", what, err)
	}
	return nil
}

// verify reads what was written.
func verify(dev Device, want *Table) error {
	got, err := Read(dev, want.Geometry)
	if err == nil {
		err = got.Damage()
	}
	if err == nil {
		err = Compare(got, want)
	}
	if err != nil {
		return fmt.Errorf("read back partition table: %w", err)
	}
	return nil
}
