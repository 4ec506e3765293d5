package refstore

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/durable"
)

// mode is that of the reference's files.
const mode = 0o644

// Write writes a datastore into a folder, which is made if it is missing, and
// makes the chain of links lead to it. Until the first link changes, what was
// there before stays in effect; before it changes, everything new is on disk.
// Folders of other data are left alone. If s names no folder, its name follows
// from the content, so that writing the same twice changes nothing.
func Write(fsys durable.FS, dir string, s *Store) error {
	if err := write(fsys, dir, s); err != nil {
		return fmt.Errorf("write datastore to %s: %w", dir, err)
	}
	return nil
}

// WriteFolder writes the data of s alone into the folder dir, which it makes: no
// chain of links.
func WriteFolder(fsys durable.FS, dir string, s *Store) error {
	files, err := s.files()
	if err == nil {
		err = writeTree(fsys, dir, files)
	}
	if err != nil {
		return fmt.Errorf("write datastore %s: %w", dir, err)
	}
	return nil
}

func write(fsys durable.FS, dir string, s *Store) error {
	if !version().MatchString(s.Version) {
		return fmt.Errorf("%q is no version such as 1.2.3", s.Version)
	}
	files, err := s.files()
	if err != nil {
		return err
	}
	folder := s.Folder
	if folder == "" {
		folder = "v" + s.Version + "_" + suffix(files)
	}
	if !folderName().MatchString(folder) {
		return fmt.Errorf("%q is no name of a folder with data", folder)
	}
	if err := durable.MkdirAll(fsys, dir); err != nil {
		return err
	}
	if err := writeFolder(fsys, filepath.Join(dir, folder), files, s.Folder != ""); err != nil {
		return err
	}
	return link(fsys, dir, s.Version, folder)
}

// files are the contents by their paths; a path that ends with a slash is an empty folder.
func (s *Store) files() (map[string]json.RawMessage, error) {
	files := map[string]json.RawMessage{"live/": nil, "pending/": nil}
	if err := s.Live.files(files, "live"); err != nil {
		return nil, err
	}
	for name, part := range s.Pending {
		if name == "" {
			return nil, errors.New("a transaction without a name cannot be written: the reference would take it for all of them")
		}
		folder := path.Join("pending", encode(name))
		files[folder+"/"] = nil
		if err := part.files(files, folder); err != nil {
			return nil, err
		}
	}
	return files, checkFiles(files)
}

func (p Part) files(files map[string]json.RawMessage, folder string) error {
	add := func(at place, value json.RawMessage) error {
		name := path.Join(folder, at.path())
		if _, ok := files[name]; ok {
			return fmt.Errorf("%s is there twice", name)
		}
		if len(value) > MaxFile || !json.Valid(value) {
			return fmt.Errorf("%s: the value is not JSON of at most %d bytes", name, MaxFile)
		}
		files[name] = value
		return nil
	}
	for _, d := range p.Data {
		if err := add(place{key: d.Key}, d.Value); err != nil {
			return err
		}
	}
	for _, m := range p.Metadata {
		if err := checkMetadataName(m.Name); err != nil {
			return err
		}
		if err := add(place{m.Key, m.Name}, m.Value); err != nil {
			return err
		}
	}
	return nil
}

// checkFiles refuses what the file system cannot hold: a key that has a value
// and is the parent of others, and names that are too long.
func checkFiles(files map[string]json.RawMessage) error {
	size := 0
	for name, value := range files {
		size += len(value)
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if files[dir] != nil {
				return fmt.Errorf("%s has a value, and so has %s below it; one of them must go", dir, name)
			}
			if len(path.Base(dir)) > longestName {
				return fmt.Errorf("%s: a part of the name has more than %d bytes when it is encoded", dir, longestName)
			}
		}
		if len(path.Base(name)) > longestName {
			return fmt.Errorf("%s: a part of the name has more than %d bytes when it is encoded", name, longestName)
		}
	}
	if len(files) > MaxFiles || size > MaxBytes {
		return fmt.Errorf("%d files with %d bytes are more than %d files or %d bytes", len(files), size, MaxFiles, MaxBytes)
	}
	return nil
}

// longestName is what Linux file systems take, in bytes.
const longestName = 255

// suffix is the part of a folder's name that the reference makes at random:
// here it follows from the content.
func suffix(files map[string]json.RawMessage) string {
	digest := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(digest, "%d %s %d %s\n", len(name), name, len(files[name]), files[name])
	}
	text := new(big.Int).SetBytes(digest.Sum(nil)).Text(62)
	return strings.Repeat("0", max(0, 16-len(text))) + text[max(0, len(text)-16):]
}

// writeFolder writes the tree under another name first, so that a folder of
// that name, if there is one, is whole.
func writeFolder(fsys durable.FS, folder string, files map[string]json.RawMessage, new bool) error {
	switch _, err := os.Lstat(folder); {
	case err == nil && new:
		return &fs.PathError{Op: "write", Path: folder, Err: fs.ErrExist}
	case err == nil:
		return nil // its name says what is in it
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	temp := folder + ".new"
	if err := removeAll(fsys, temp); err != nil {
		return fmt.Errorf("remove what a crash left: %w", err)
	}
	if err := writeTree(fsys, temp, files); err != nil {
		return errors.Join(err, removeAll(fsys, temp))
	}
	return durable.Rename(fsys, temp, folder)
}

func writeTree(fsys durable.FS, dir string, files map[string]json.RawMessage) error {
	folders := map[string]bool{".": true}
	for name := range files {
		for folder := path.Dir(name); !folders[folder]; folder = path.Dir(folder) {
			folders[folder] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(folders)) // parents come first
	for _, folder := range sorted {
		if err := fsys.Mkdir(filepath.Join(dir, folder)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, "/") {
			continue
		}
		if err := writeFile(fsys, filepath.Join(dir, name), files[name]); err != nil {
			return err
		}
	}
	for _, folder := range slices.Backward(sorted) {
		if err := fsys.SyncDir(filepath.Join(dir, folder)); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes and syncs a file; its name is synced with its folder.
func writeFile(fsys durable.FS, name string, text []byte) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	return errors.Join(err, f.Close())
}

// removeAll removes a tree; one that is not there is no error.
func removeAll(fsys durable.FS, dir string) error {
	var paths []string
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		paths = append(paths, name)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range slices.Backward(paths) {
		err = errors.Join(err, fsys.Remove(name))
	}
	return err
}
