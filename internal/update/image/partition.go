package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Partition is a place to write an image to.
type Partition struct {
	file   *os.File
	direct *os.File // the same, past the kernel's cache; nil: it cannot be
	offset int64    // in the file
	size   int64    // in bytes
}

// Open opens the part of a block device or an image file that begins at offset
// and has size bytes. A block device that is mounted or used otherwise is
// refused with EBUSY.
func Open(path string, offset, size int64) (*Partition, error) {
	p, err := open(path, os.O_RDWR, unix.O_EXCL, offset, size)
	if err == nil {
		p.direct = pastCache(p.file, os.O_RDWR)
	}
	return p, err
}

// OpenRead is Open for what is only read, and may be mounted.
func OpenRead(path string, offset, size int64) (*Partition, error) {
	return open(path, os.O_RDONLY, 0, offset, size)
}

// OpenBack is OpenRead for what is read from the disk, whatever the kernel's cache has.
func OpenBack(path string, offset, size int64) (*Partition, error) {
	p, err := OpenRead(path, offset, size)
	if err == nil {
		p.direct = pastCache(p.file, os.O_RDONLY)
		p.Forget(0, size)
	}
	return p, err
}

// open takes further flags for a block device.
func open(path string, flags, device int, offset, size int64) (*Partition, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch info.Mode().Type() {
	case fs.ModeDevice:
		flags |= device
	case 0:
	default:
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("neither a block device nor an image file")}
	}
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, err
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err == nil && (offset < 0 || size <= 0 || offset > end-size) {
		err = fmt.Errorf("open %s: it has %d bytes, too few for %d from %d on", path, end, size, offset)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Partition{file: f, offset: offset, size: size}, nil
}

// Size is the partition's size in bytes.
func (p *Partition) Size() int64 { return p.size }

// ReadAt is that of io.ReaderAt, within the partition.
func (p *Partition) ReadAt(data []byte, at int64) (int, error) {
	return io.NewSectionReader(p.file, p.offset, p.size).ReadAt(data, at)
}

// WriteAt is that of io.WriterAt; it never writes behind the partition.
func (p *Partition) WriteAt(data []byte, at int64) (int, error) {
	if at < 0 || int64(len(data)) > p.size-at {
		return 0, io.ErrShortWrite
	}
	return p.file.WriteAt(data, p.offset+at)
}

// Flush makes the disk begin to write a range, so that Sync has less to wait for.
func (p *Partition) Flush(at, length int64) {
	// It changes when something is written, not whether: Sync tells of errors.
	_ = unix.SyncFileRange(int(p.file.Fd()), p.offset+at, length, unix.SYNC_FILE_RANGE_WRITE)
}

// Ahead makes the disk begin to read a range that is wanted soon.
func (p *Partition) Ahead(at, length int64) {
	if length = min(length, p.size-at); length <= 0 {
		return // none would mean all
	}
	// Only advice: a kernel that does not take it reads when it is asked to.
	_ = unix.Fadvise(int(p.file.Fd()), p.offset+at, length, unix.FADV_WILLNEED)
}

// Sync returns when all that was written is on the disk, and drops the
// partition from the kernel's cache, so that reading it back reads the disk.
func (p *Partition) Sync() error {
	if err := p.file.Sync(); err != nil {
		return err
	}
	p.Forget(0, p.size)
	return nil
}

// Forget drops a range from the kernel's cache, except for what is not yet on the disk.
func (p *Partition) Forget(at, length int64) {
	if length <= 0 {
		return // none would mean all
	}
	// Only advice: a kernel that does not take it keeps what it has.
	_ = unix.Fadvise(int(p.file.Fd()), p.offset+at, length, unix.FADV_DONTNEED)
}

// Close closes the partition; without a Sync before, what was written may be lost.
func (p *Partition) Close() error {
	if p.direct == nil {
		return p.file.Close()
	}
	return errors.Join(p.file.Close(), p.direct.Close())
}
