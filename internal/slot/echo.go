package slot

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/gpt"
)

// ErrEcho is returned for a disk that has less room than it says.
var ErrEcho = errors.New("the disk has less room than it says")

// echoSize is what is written to look for echoes, in bytes: a sector at least.
const echoSize = 4096

// Echo refuses a disk that has less room than it says, and keeps what is written
// behind its end somewhere before it: filling the spare set would destroy what
// runs, and reading it back would show nothing. It writes a block at the spare
// set's end, looks for it in other places, and writes back what was there, which
// mends such a place, too. Where the kernel's cache cannot be passed by, there is
// nothing to be seen.
func (d *Disk) Echo(ctx context.Context) (err error) {
	t, err := d.read(ctx)
	if err != nil {
		return err
	}
	number, at, err := d.probed(t)
	if err != nil || number == 0 {
		return err
	}
	if node, ok := d.nodes[number]; ok {
		alone, err := os.OpenFile(node, os.O_RDONLY|unix.O_EXCL, 0) // nobody else may write meanwhile
		if err != nil {
			return fmt.Errorf("look for echoes: %w", err)
		}
		defer alone.Close()
	}
	f, err := os.OpenFile(d.Path, os.O_RDWR|unix.O_DIRECT, 0)
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for echoes: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	err = echo(f, t.Size, at)
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// probed is the last of the spare set's partitions, and the place of the block to
// write in it, in bytes. Number is 0 if it has no room for one: nothing is written
// to what lies beside it.
func (d *Disk) probed(t *gpt.Table) (number int, at int64, err error) {
	l, err := LayoutOf(t)
	if err != nil {
		return 0, 0, err
	}
	active, err := d.activeIn(l)
	if err != nil {
		return 0, 0, err
	}
	if l.Single {
		return 0, 0, fmt.Errorf("look for echoes: %s has no set B", d.Path)
	}
	var begin, end int64
	for _, part := range l.Sets[active.Other()] {
		if offset, size := t.Extent(*t.Partition(part)); offset+size > end {
			number, begin, end = part, offset, offset+size
		}
	}
	if at = (end - echoSize) / echoSize * echoSize; at < begin {
		return 0, 0, nil
	}
	return number, at, nil
}

// nearest is how near an echo is at least, in bytes.
const nearest = 1 << 20

// echo looks whether what is written at a place of a disk of this size is seen in
// another one. Disks that echo drop bits of addresses, so it looks where one bit is another.
func echo(disk interface {
	io.ReaderAt
	io.WriterAt
}, size, at int64,
) (err error) {
	old, probe, seen := make([]byte, echoSize), make([]byte, echoSize), make([]byte, echoSize)
	if _, err := disk.ReadAt(old, at); err != nil {
		return nil // what cannot be read may be mended by writing, which is others' affair
	}
	_, _ = rand.Read(probe) // it never fails
	defer func() {
		if _, failed := disk.WriteAt(old, at); failed != nil {
			err = errors.Join(err, fmt.Errorf("look for echoes: %w", failed))
		}
	}()
	if _, err := disk.WriteAt(probe, at); err != nil {
		return fmt.Errorf("look for echoes: %w", err)
	}
	for far := int64(nearest); far < size; far *= 2 {
		for _, place := range []int64{at - far, at + far} {
			if place < 0 || place > size-echoSize {
				continue
			}
			if n, _ := disk.ReadAt(seen, place); n == echoSize && bytes.Equal(seen, probe) {
				return fmt.Errorf("%w: what is written at %d is seen at %d, too", ErrEcho, at, place)
			}
		}
	}
	return nil
}
