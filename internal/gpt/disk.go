package gpt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Disk is a block device or an image file.
type Disk struct {
	Geometry
	file    *os.File
	block   bool    // a block device, which has a kernel to be told
	written []block // since the last sync
}

// Access is what a disk is opened for.
type Access int

// The ways of access.
const (
	ReadOnly  = Access(os.O_RDONLY)
	ReadWrite = Access(os.O_RDWR)
)

// Open opens a disk. The sector size of an image file is not known before its table is read.
func Open(path string, access Access) (*Disk, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	device := info.Mode().Type() == fs.ModeDevice
	if !device && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("neither a block device nor an image file")}
	}
	file, err := os.OpenFile(path, int(access), 0)
	if err != nil {
		return nil, err
	}
	g, err := measure(file, device)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("measure %s: %w", path, err), file.Close())
	}
	return &Disk{Geometry: g, file: file, block: device}, nil
}

func measure(file *os.File, device bool) (g Geometry, err error) {
	if g.Size, err = file.Seek(0, io.SeekEnd); err != nil || !device {
		return g, err
	}
	size, err := unix.IoctlGetUint32(int(file.Fd()), unix.BLKSSZGET)
	g.SectorSize = int(size)
	return g, err
}

// Read reads the disk's table. One that seems damaged may be one that is just
// being written: it is read again with the disk locked.
func (d *Disk) Read(ctx context.Context) (*Table, error) {
	t, err := Read(d, d.Geometry)
	if err == nil && t.Damage() == nil {
		return t, nil
	}
	if d.lock(ctx, unix.LOCK_SH) != nil {
		return t, err // what can be told without
	}
	t, err = Read(d, d.Geometry)
	return t, errors.Join(err, d.unlock())
}

// lockPatience is how long it takes at most to have the disk's lock. udev holds it
// while it looks at a disk; other programs while they change the table.
const lockPatience = 30 * time.Second

// Update is [Update] with the disk locked by flock, which udev, sfdisk and
// systemd-repart respect. The error is [ErrLocked] when the lock cannot be had in 30 s.
func (d *Disk) Update(ctx context.Context, change func(*Table) error) (written bool, err error) {
	if err := d.lock(ctx, unix.LOCK_EX); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, d.unlock()) }()
	return Update(d.device(), d.Geometry, change)
}

// Mend makes both copies of the table count, by the one that does, and makes the
// kernel know all partitions: one that has met a torn primary copy knows none,
// unless its parameter gpt lets it trust the backup copy. It tells whether anything had to be
// written. Partitions are told also where that fails.
func (d *Disk) Mend(ctx context.Context) (written bool, err error) {
	if err := d.lock(ctx, unix.LOCK_EX); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, d.unlock()) }()
	t, err := Read(d, d.Geometry)
	if err != nil {
		return false, err
	}
	written, err = Write(d.device(), t)
	return written, errors.Join(err, introduce(d.device(), t))
}

func (d *Disk) unlock() error { return unix.Flock(int(d.file.Fd()), unix.LOCK_UN) }

func (d *Disk) lock(ctx context.Context, how int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lockPatience, ErrLocked)
	defer cancel()
	for {
		err := unix.Flock(int(d.file.Fd()), how|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("lock %s: %w", d.file.Name(), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock %s: %w", d.file.Name(), context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// device is what Write is given.
func (d *Disk) device() Device {
	if d.block {
		return blockDevice{d}
	}
	return d
}

// ReadAt is that of io.ReaderAt.
func (d *Disk) ReadAt(data []byte, offset int64) (int, error) { return d.file.ReadAt(data, offset) }

// WriteAt is that of io.WriterAt.
func (d *Disk) WriteAt(data []byte, offset int64) (int, error) {
	d.written = append(d.written, block{offset: offset, data: data})
	return d.file.WriteAt(data, offset)
}

// Sync puts on the disk what was written, and drops it from the kernel's cache,
// so that reading it back reads the disk.
func (d *Disk) Sync() error {
	if err := d.file.Sync(); err != nil {
		return err
	}
	page := int64(os.Getpagesize())
	for _, b := range d.written {
		begin := b.offset / page * page
		end := (b.offset + int64(len(b.data)) + page - 1) / page * page
		// Only advice: a kernel that does not take it reads from its cache.
		_ = unix.Fadvise(int(d.file.Fd()), begin, end-begin, unix.FADV_DONTNEED)
	}
	d.written = nil
	return nil
}

// Close closes the disk; without a Sync before, what was written may be lost.
func (d *Disk) Close() error { return d.file.Close() }

// blockDevice tells the kernel of partitions.
type blockDevice struct{ *Disk }

var _ Kernel = blockDevice{}

func (d blockDevice) AddPartition(number int, offset, size int64) error {
	return d.blkpg(unix.BLKPG_ADD_PARTITION, number, offset, size)
}

func (d blockDevice) DeletePartition(number int) error {
	err := d.blkpg(unix.BLKPG_DEL_PARTITION, number, 0, 0)
	if errors.Is(err, unix.ENXIO) {
		return nil // it does not know it
	}
	return err
}

func (d blockDevice) ResizePartition(number int, offset, size int64) error {
	err := d.blkpg(unix.BLKPG_RESIZE_PARTITION, number, offset, size)
	if errors.Is(err, unix.ENXIO) {
		return d.AddPartition(number, offset, size)
	}
	return err
}

func (d blockDevice) blkpg(op int32, number int, offset, size int64) error {
	p := unix.BlkpgPartition{Start: offset, Length: size, Pno: int32(number)}
	arg := unix.BlkpgIoctlArg{Op: op, Datalen: int32(unsafe.Sizeof(p)), Data: (*byte)(unsafe.Pointer(&p))}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, d.file.Fd(), unix.BLKPG, uintptr(unsafe.Pointer(&arg)))
	if errno != 0 {
		return errno
	}
	return nil
}
