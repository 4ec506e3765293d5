// Package gpttest is a disk in memory for tests of what writes partition
// tables: it logs every operation, for durable/durabletest to work out what
// power loss may leave, and makes operations fail.
//
// Start with [New]; [Disk.Log] is the log. It knows nothing of tables.
package gpttest

import (
	"bytes"
	"io"

	"github.com/hostler-os/hostler/internal/durable/durabletest"
)

// Path is the name of the disk in logs and trees.
const Path = "disk"

// Disk is a gpt.Device.
type Disk struct {
	Data []byte                     // as programs see it
	Base []byte                     // as it was at first, all of it on the disk
	Ops  []durabletest.Op           // what was done since
	Fail func(durabletest.Op) error // asked before each operation; nil: nothing fails
}

// New is a disk that holds a copy of data.
func New(data []byte) *Disk { return &Disk{Data: bytes.Clone(data), Base: bytes.Clone(data)} }

// Renew is the disk as it is, with all of it on the disk and an empty log.
func (d *Disk) Renew() *Disk { return New(d.Data) }

// ReadAt is that of io.ReaderAt.
func (d *Disk) ReadAt(data []byte, offset int64) (int, error) {
	return bytes.NewReader(d.Data).ReadAt(data, offset)
}

// WriteAt is that of io.WriterAt; a disk does not grow.
func (d *Disk) WriteAt(data []byte, offset int64) (int, error) {
	op := durabletest.Op{Kind: durabletest.Write, Path: Path, Offset: offset, Data: bytes.Clone(data)}
	if err := d.log(op); err != nil {
		return 0, err
	}
	if offset+int64(len(data)) > int64(len(d.Data)) {
		return 0, io.ErrShortWrite
	}
	return copy(d.Data[offset:], data), nil
}

// Sync puts on the disk what was written.
func (d *Disk) Sync() error { return d.log(durabletest.Op{Kind: durabletest.Sync, Path: Path}) }

// Mark notes that the world was told something.
func (d *Disk) Mark(text string) {
	d.Ops = append(d.Ops, durabletest.Op{Kind: durabletest.Mark, Mark: text})
}

// Log is what was done to the disk.
func (d *Disk) Log() durabletest.Log {
	return durabletest.Log{Base: durabletest.Tree{Path: {Data: d.Base}}, Ops: d.Ops}
}

func (d *Disk) log(op durabletest.Op) error {
	if d.Fail != nil {
		if err := d.Fail(op); err != nil {
			return err
		}
	}
	d.Ops = append(d.Ops, op)
	return nil
}
