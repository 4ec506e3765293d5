package refstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/key"
)

// Read reads the datastore in a folder: the one that has the link current, or
// the link itself. The error is [ErrNone] if there is none.
func Read(dir string) (*Store, error) {
	if filepath.Base(dir) == current {
		dir = filepath.Dir(dir)
	}
	s, err := read(dir)
	if err != nil {
		return nil, fmt.Errorf("read datastore in %s: %w", dir, err)
	}
	return s, nil
}

func read(dir string) (*Store, error) {
	root, err := os.OpenRoot(dir + "/.") // with the dot, a FIFO in its place is refused, else waited for
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	r := &reader{}
	if r.store.Version, r.store.Folder, err = follow(root); err != nil {
		return nil, err
	}
	data, err := openFolder(root, r.store.Folder)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	return &r.store, r.all(data)
}

// ReadFolder reads the folder of that name alone, which needs no chain of links:
// the store has no version.
func ReadFolder(in *os.Root, name string) (*Store, error) {
	r := &reader{store: Store{Folder: name}}
	data, err := openFolder(in, name)
	if err != nil {
		return nil, fmt.Errorf("read datastore %s: %w", name, err)
	}
	defer data.Close()
	if err := r.all(data); err != nil {
		return nil, fmt.Errorf("read datastore %s: %w", name, err)
	}
	return &r.store, nil
}

// reader adds up what it reads, over all parts.
type reader struct {
	store Store
	count int
	bytes int
}

func (r *reader) all(data *os.Root) error {
	live, err := openFolder(data, "live")
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("its folder live is missing")
	}
	if err != nil {
		return err
	}
	if r.store.Live, err = r.part(live, "live"); err != nil {
		return err
	}
	if err := r.pending(data); err != nil {
		return err
	}
	slices.Sort(r.store.Ignored)
	return nil
}

func (r *reader) pending(data *os.Root) error {
	r.store.Pending = map[string]Part{}
	pending, err := openFolder(data, "pending")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer pending.Close()
	return r.each(pending, "pending", func(e fs.DirEntry, at string) error {
		name, err := decode(e.Name())
		if err != nil || !e.IsDir() {
			r.store.Ignored = append(r.store.Ignored, at)
			return nil
		}
		if len(r.store.Pending) == maxTx {
			return fmt.Errorf("more than %d transactions are pending", maxTx)
		}
		folder, err := openFolder(pending, e.Name())
		if err != nil {
			return err
		}
		r.store.Pending[name], err = r.part(folder, at)
		return err
	})
}

// part reads all below a folder, which it closes.
func (r *reader) part(folder *os.Root, at string) (Part, error) {
	var p Part
	if err := r.walk(folder, at, "", &p); err != nil {
		return Part{}, err
	}
	p.sort()
	return p, nil
}

// walk reads a folder at a path below a part. It closes the folder.
func (r *reader) walk(folder *os.Root, part, below string, p *Part) error {
	defer folder.Close()
	return r.each(folder, path.Join(part, below), func(e fs.DirEntry, at string) error {
		below := path.Join(below, e.Name())
		if !e.IsDir() {
			return r.file(folder, e, at, below, p)
		}
		sub, err := openFolder(folder, e.Name())
		if err != nil {
			return err
		}
		return r.walk(sub, part, below, p)
	})
}

// each calls fn for everything in a folder; at is the path for messages.
func (r *reader) each(folder *os.Root, at string, fn func(e fs.DirEntry, at string) error) error {
	if strings.Count(at, "/") > maxDepth {
		return fmt.Errorf("%s: folders are nested more than %d deep", at, maxDepth)
	}
	f, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(1000)
		for _, e := range entries {
			if r.count++; r.count > MaxFiles {
				return fmt.Errorf("there are more than %d files and folders", MaxFiles)
			}
			if err := fn(e, path.Join(at, e.Name())); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
}

// file reads one file into the part.
func (r *reader) file(folder *os.Root, e fs.DirEntry, at, below string, p *Part) error {
	if !e.Type().IsRegular() {
		return fmt.Errorf("%s is neither a file nor a folder (%s); a datastore has nothing else", at, e.Type())
	}
	where, err := parsePath(below)
	if err != nil {
		r.store.Ignored = append(r.store.Ignored, at)
		return nil
	}
	text, err := readFile(folder, e.Name())
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if r.bytes += len(text); r.bytes > MaxBytes {
		return fmt.Errorf("the files have more than %d bytes", MaxBytes)
	}
	if !json.Valid(text) {
		return fmt.Errorf("%s: the value is not JSON", at)
	}
	if where.metadata != "" {
		p.Metadata = append(p.Metadata, Metadata{where.key, where.metadata, text})
		return nil
	}
	p.Data = append(p.Data, key.Pair{Key: where.key, Value: text})
	return nil
}

// readFile reads a file that is not a link.
func readFile(folder *os.Root, name string) ([]byte, error) {
	f, err := folder.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := unswapped(folder, name, f); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(text) > MaxFile {
		err = fmt.Errorf("it has more than %d bytes", MaxFile)
	}
	return text, err
}

// openFolder opens a folder that is not a link.
func openFolder(in *os.Root, name string) (*os.Root, error) {
	folder, err := in.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	f, err := folder.Open(".")
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	defer f.Close()
	if err := unswapped(in, name, f); err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	return folder, nil
}

// unswapped tells that what was opened is what the folder holds under the name,
// and not what a link of that name leads to.
func unswapped(folder *os.Root, name string, f *os.File) error {
	listed, err := folder.Lstat(name)
	if err != nil {
		return err
	}
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(listed, opened) {
		return fmt.Errorf("%s is a link; in a datastore only the chain of versions has links", name)
	}
	return nil
}
