package durabletest

import (
	"errors"
	"io/fs"
	"sync/atomic"

	"github.com/hostler-os/hostler/internal/durable"
)

// Faults is a file system on which an operation fails: the At-th, counted from
// 1, and, if Lasting, everything after it that needs space or the disk. A write
// that fails has written half.
type Faults struct {
	FS      durable.FS
	At      int64
	Lasting bool
	Err     error

	made atomic.Int64
}

// Reached tells whether an operation has failed.
func (f *Faults) Reached() bool { return f.At > 0 && f.made.Load() >= f.At }

func (f *Faults) step() error {
	n := f.made.Add(1)
	if n == f.At || f.Lasting && f.At > 0 && n > f.At {
		return f.Err
	}
	return nil
}

// Create implements durable.FS, like the methods after it.
func (f *Faults) Create(path string) (durable.File, error) {
	if err := f.step(); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	file, err := f.FS.Create(path)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, file, path}, nil
}

// Append implements durable.Appender, if the file system below does.
func (f *Faults) Append(path string) (durable.File, error) {
	below, ok := f.FS.(durable.Appender)
	if !ok {
		return nil, &fs.PathError{Op: "append", Path: path, Err: errors.ErrUnsupported}
	}
	if err := f.step(); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	file, err := below.Append(path)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, file, path}, nil
}

func (f *Faults) Mkdir(path string) error {
	return f.or("mkdir", path, func() error { return f.FS.Mkdir(path) })
}

func (f *Faults) Rename(from, to string) error {
	return f.or("rename", from, func() error { return f.FS.Rename(from, to) })
}

func (f *Faults) Link(from, to string) error {
	return f.or("link", from, func() error { return f.FS.Link(from, to) })
}

func (f *Faults) SyncDir(path string) error {
	return f.or("fsync", path, func() error { return f.FS.SyncDir(path) })
}

// Remove works on a disk that is full.
func (f *Faults) Remove(path string) error {
	if f.Lasting {
		return f.FS.Remove(path)
	}
	return f.or("unlink", path, func() error { return f.FS.Remove(path) })
}

func (f *Faults) or(op, path string, do func() error) error {
	if err := f.step(); err != nil {
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	return do()
}

type faultyFile struct {
	f    *Faults
	file durable.File
	path string
}

func (f *faultyFile) Write(data []byte) (int, error) {
	if err := f.f.step(); err != nil {
		n, _ := f.file.Write(data[:len(data)/2])
		return n, &fs.PathError{Op: "write", Path: f.path, Err: err}
	}
	return f.file.Write(data)
}

func (f *faultyFile) Chown(uid, gid int) error {
	return f.f.or("chown", f.path, func() error { return f.file.Chown(uid, gid) })
}

func (f *faultyFile) Chmod(mode fs.FileMode) error {
	return f.f.or("chmod", f.path, func() error { return f.file.Chmod(mode) })
}

func (f *faultyFile) Sync() error {
	return f.f.or("fsync", f.path, f.file.Sync)
}

// Close closes the file in any case, as the kernel does.
func (f *faultyFile) Close() error {
	err := f.file.Close()
	if fault := f.f.step(); fault != nil {
		return &fs.PathError{Op: "close", Path: f.path, Err: fault}
	}
	return err
}
