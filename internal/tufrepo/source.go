package tufrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hostler-os/hostler/internal/durable"
	"golang.org/x/sys/unix"
)

// Source is where a repository's files come from. Nothing that it answers is
// believed. [Remote], [Dir] and [OpenBundle] make sources.
type Source interface {
	// Metadata reads the file name, of at most limit bytes, such as
	// 3.root.json. If the source says that it has no such file, the error is
	// ErrNotFound; if it is larger, ErrLength.
	Metadata(ctx context.Context, name string, limit int64) ([]byte, error)
	// Target opens the file of a target.
	Target(ctx context.Context, want Fetch) (*Body, error)
}

// locator is a source that can show where a metadata file is.
type locator interface{ Where(name string) string }

// Fetch asks a source for a target's file.
type Fetch struct {
	Name      string // below the targets' address; slashes divide folders
	Length    int64  // what the whole file has
	Offset    int64  // bytes that are here already
	End       int64  // where to stop; 0: at the end. Otherwise just that part may come, or ErrRange
	Validator string // of the body they came from; empty if unknown

	// Known reads the first n bytes of a body, and fails if they are not those
	// that the caller has got by then. It is called when a connection broke and a
	// source begins again; nil if it could not: of a part that is never sent.
	Known func(body io.Reader, n int64) error
}

// Body is what a source sends of a target's file.
type Body struct {
	io.ReadCloser
	Offset    int64  // where it begins: as asked, or 0 if the source begins again; it may go on beyond the end that was asked for
	Validator string // to resume with; empty if the source gives none
	Where     string // it comes from, to be shown
}

// Dir is a source in two folders, of metadata and of targets: a local
// repository, or what [Repository.Cache] kept.
func Dir(metadata, targets string) Source { return dir{metadata, targets} }

type dir struct{ metadata, targets string }

// Metadata implements Source.
func (d dir) Metadata(ctx context.Context, name string, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path := d.Where(name)
	data, err := durable.ReadFile(path, limit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, notFound(path, err)
	case errors.Is(err, durable.ErrTooLarge):
		return nil, tooLong(path, limit)
	case err != nil:
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	return data, nil
}

// Where is the path of a metadata file.
func (d dir) Where(name string) string { return filepath.Join(d.metadata, filepath.Base(name)) }

// Target implements Source.
func (d dir) Target(ctx context.Context, want Fetch) (*Body, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(d.targets + "/.") // with the dot, a FIFO in its place is refused, else waited for
	if err != nil {
		return nil, fmt.Errorf("open targets: %w", err)
	}
	defer root.Close()
	// A FIFO in its place must not make us wait.
	f, err := root.OpenFile(filepath.FromSlash(want.Name), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound(filepath.Join(d.targets, want.Name), err)
	}
	if err != nil {
		return nil, fmt.Errorf("open target: %w", err)
	}
	if err := seekRegular(f, want.Offset); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Body{ReadCloser: f, Offset: want.Offset, Where: filepath.Join(d.targets, want.Name)}, nil
}

func seekRegular(f *os.File, offset int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "open target", Path: f.Name(), Err: errors.New("not a regular file")}
	}
	_, err = f.Seek(offset, io.SeekStart)
	return err
}

func notFound(what string, cause error) error {
	return &Error{
		Kind: ErrNotFound, What: what, Text: "not found", Err: quiet(cause),
		Hint: "check the repository's address; if it is right, the publisher has not uploaded this file",
	}
}

// quiet drops a cause that says no more than the error around it.
func quiet(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func tooLong(what string, limit int64) error {
	return &Error{
		Kind: ErrLength, What: what, Text: fmt.Sprintf("more than %d bytes", limit),
		Hint: "somebody may be trying to fill this host; tell the publisher",
	}
}
