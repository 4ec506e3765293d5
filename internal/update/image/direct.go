package image

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// pastCache opens a file once more, to be used past the kernel's cache; nil where
// that cannot be.
func pastCache(f *os.File, flags int) *os.File {
	direct, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), flags|unix.O_DIRECT, 0)
	if err != nil {
		return nil
	}
	return direct
}

// errNotDirect is returned where the kernel's cache cannot be passed by: by this file system or
// disk, or with a place or memory that does not begin and end where sectors and pages do.
var errNotDirect = errors.New("the cache cannot be passed by")

// transfer calls read or write of the system for the same file without its cache.
func (p *Partition) transfer(call func(int, []byte, int64) (int, error), data []byte, at int64) (n int, err error) {
	if p.direct == nil {
		return 0, errNotDirect
	}
	for {
		switch n, err = call(int(p.direct.Fd()), data, p.offset+at); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EINVAL):
			return 0, errNotDirect
		default:
			return n, err
		}
	}
}

// WriteThrough is WriteAt that returns when the disk has the data, where that
// can be: nothing that others use is pushed out of the kernel's cache then. It may yet be lost
// without a Sync.
func (p *Partition) WriteThrough(data []byte, at int64) error {
	if at < 0 || int64(len(data)) > p.size-at {
		return io.ErrShortWrite
	}
	n, err := p.transfer(unix.Pwrite, data, at)
	if errors.Is(err, errNotDirect) || err == nil && n < len(data) {
		_, err = p.WriteAt(data, at)
	}
	return err
}

// sector is of how many bytes disks give at least one; those of larger sectors
// are read through the cache.
const sector = 4096

// ReadBack reads what the disk has. Where the cache cannot be passed by, that
// is so after a Sync. Disks give whole sectors: the last of them is read into the
// room that data has behind its end.
func (p *Partition) ReadBack(data []byte, at int64) error {
	err := p.readDirect(data, at)
	if errors.Is(err, errNotDirect) {
		_, err = p.ReadAt(data, at)
	}
	return err
}

// readDirect is ReadBack where the cache can be passed by. What is in the cache
// and not yet on the disk is waited for.
func (p *Partition) readDirect(data []byte, at int64) error {
	sectors := (len(data) + sector - 1) / sector
	n, err := p.transfer(unix.Pread, data[:min(sectors*sector, cap(data))], at)
	if err == nil && n < len(data) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
