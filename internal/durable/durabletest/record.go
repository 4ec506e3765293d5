package durabletest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/hostler-os/hostler/internal/durable"
)

// Recorder is a file system that logs what is done below a folder, and does it.
type Recorder struct {
	fs   durable.FS
	root string

	mu  sync.Mutex
	log Log
}

// NewRecorder records what is done through it below root, beginning with what
// root holds now.
func NewRecorder(below durable.FS, root string) (*Recorder, error) {
	base, err := ReadTree(root)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", root, err)
	}
	return &Recorder{fs: below, root: root, log: Log{Base: base}}, nil
}

// Log is what was recorded so far.
func (r *Recorder) Log() Log {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Log{r.log.Base, r.log.Ops[:len(r.log.Ops):len(r.log.Ops)]}
}

// Mark notes in the log that the world was told something.
func (r *Recorder) Mark(text string) { r.add(Op{Kind: Mark, Mark: text}, nil) }

// add logs an operation that had this result, and returns it.
func (r *Recorder) add(o Op, err error) error {
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log.Ops = append(r.log.Ops, o)
	return nil
}

func (r *Recorder) rel(path string) string {
	rel, err := filepath.Rel(r.root, path)
	if err != nil || !filepath.IsLocal(rel) {
		panic(fmt.Sprintf("durabletest: %s is not below %s", path, r.root))
	}
	return filepath.ToSlash(rel)
}

// Create implements durable.FS, like the methods after it.
func (r *Recorder) Create(path string) (durable.File, error) {
	f, err := r.fs.Create(path)
	if err := r.add(Op{Kind: Create, Path: r.rel(path), Mode: 0o600}, err); err != nil {
		return nil, err
	}
	return &recordedFile{r: r, file: f, path: r.rel(path)}, nil
}

// Append implements durable.Appender, if the file system below does.
func (r *Recorder) Append(path string) (durable.File, error) {
	below, ok := r.fs.(durable.Appender)
	if !ok {
		return nil, &fs.PathError{Op: "append", Path: path, Err: errors.ErrUnsupported}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	f, err := below.Append(path)
	if err != nil {
		return nil, err
	}
	return &recordedFile{r: r, file: f, path: r.rel(path), offset: info.Size()}, nil
}

func (r *Recorder) Mkdir(path string) error {
	return r.add(Op{Kind: Mkdir, Path: r.rel(path)}, r.fs.Mkdir(path))
}

func (r *Recorder) Rename(from, to string) error {
	return r.add(Op{Kind: Rename, Path: r.rel(from), To: r.rel(to)}, r.fs.Rename(from, to))
}

func (r *Recorder) Link(from, to string) error {
	return r.add(Op{Kind: Link, Path: r.rel(from), To: r.rel(to)}, r.fs.Link(from, to))
}

func (r *Recorder) Remove(path string) error {
	return r.add(Op{Kind: Remove, Path: r.rel(path)}, r.fs.Remove(path))
}

func (r *Recorder) SyncDir(path string) error {
	return r.add(Op{Kind: SyncDir, Path: r.rel(path)}, r.fs.SyncDir(path))
}

type recordedFile struct {
	r      *Recorder
	file   durable.File
	path   string
	offset int64
}

func (f *recordedFile) Write(data []byte) (int, error) {
	n, err := f.file.Write(data)
	kept := append([]byte{}, data[:n]...)
	_ = f.r.add(Op{Kind: Write, Path: f.path, Offset: f.offset, Data: kept}, nil)
	f.offset += int64(n)
	return n, err
}

func (f *recordedFile) Chmod(mode fs.FileMode) error {
	return f.r.add(Op{Kind: Chmod, Path: f.path, Mode: mode}, f.file.Chmod(mode))
}

func (f *recordedFile) Sync() error {
	return f.r.add(Op{Kind: Sync, Path: f.path}, f.file.Sync())
}

// Owners are not part of a Tree.
func (f *recordedFile) Chown(uid, gid int) error { return f.file.Chown(uid, gid) }
func (f *recordedFile) Close() error             { return f.file.Close() }
