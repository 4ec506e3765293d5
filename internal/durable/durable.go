// Package durable writes files that survive power loss, and is the seam at
// which tests crash the disk below them.
//
// Start with [WriteFile]. When it returns nil, the new file is on the disk under
// its name; whenever the power goes before that, the name shows the old file or
// the new one, whole, with its mode and owner, never a mix. The sequence is
//
//	openat(".NAME.hostler-RANDOM", O_CREAT|O_EXCL)  in the same folder
//	write… , fchown, fchmod
//	fsync(file)     the content and the attributes, before any name shows them
//	close
//	rename(temporary, NAME)
//	fsync(folder)   the name
//
// Without the first fsync a file system may put the name on disk before the
// content, and an empty file is found after a crash; without the second the
// rename itself may be lost after success was reported.
//
// What a crash leaves behind has a name that [Clean] recognises. The package
// does not lock: of two writers of the same name one wins, whole. It takes
// folders that exist to be on disk. It is not for files that are changed in
// place: the datastore has bbolt for that.
//
// Reading is a side of it only in [ReadFile], [Open] and [OpenLock], which trust
// neither the kind nor the size of what they find under a name.
package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// FS is what is done to a file system. [OS] is the real one; those of tests
// are in durable/durabletest. Reading is not part of it: a crash is about what
// was written.
type FS interface {
	Create(path string) (File, error) // a new file to write, mode 0600; it must not exist, not even as a link
	Mkdir(path string) error          // mode 0755 before the umask
	Rename(from, to string) error     // replaces to, itself if it is a link
	Link(from, to string) error       // a second name for a file
	Remove(path string) error         // of a file, a link or an empty folder
	SyncDir(path string) error        // puts the names in a folder on disk
}

// Appender is a file system that can also go on writing at the end of a file
// that exists, such as a download that was interrupted. Nobody who needs the
// file's old content to survive may use it. [OS] is one.
type Appender interface {
	Append(path string) (File, error) // a link in the last place is refused
}

// Symlinker is a file system that can also make symbolic links. [OS] is one.
type Symlinker interface {
	Symlink(target, path string) error // path must not exist
}

// File is a file being written.
type File interface {
	io.Writer
	Chown(uid, gid int) error
	Chmod(mode fs.FileMode) error
	Sync() error // puts content and attributes on disk
	Close() error
}

// Attributes are those that a file has from the first moment on that its name shows it.
type Attributes struct {
	Mode fs.FileMode // also fs.ModeSetuid, ModeSetgid and ModeSticky; the umask does not apply
	UID  int         // Keep: that of the process
	GID  int         // Keep: that of the process
}

// Keep stands for the process's own user or group in [Attributes].
const Keep = -1

// WriteFile replaces or creates the file at path with data. Missing folders are
// made, as durably. If path is a link, the link itself is replaced. After an
// error path shows the old file, or, if only the folder could not be synced,
// perhaps the new one; nothing else is left behind.
func WriteFile(fsys FS, path string, data []byte, a Attributes) error {
	return WriteTo(fsys, path, a, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Reclaim is [WriteFile] for a place that is the program's alone: see [MakeWay].
func Reclaim(fsys FS, path string, data []byte, a Attributes) error {
	if err := MakeWay(fsys, path); err != nil {
		return err
	}
	return WriteFile(fsys, path, data, a)
}

// MakeWay moves a folder, which somebody has left by mistake in the place of a
// file, out of the way, to PATH.folder.
func MakeWay(fsys FS, path string) error {
	if info, err := os.Lstat(path); err != nil || !info.IsDir() {
		return nil
	}
	if err := Rename(fsys, path, path+".folder"); err != nil {
		return fmt.Errorf("make way for file %s: a folder is in its place: %w", path, err)
	}
	return nil
}

// WriteTo is [WriteFile] for content that fill writes bit by bit.
func WriteTo(fsys FS, path string, a Attributes, fill func(io.Writer) error) error {
	return WriteChecked(fsys, path, a, fill, func(string) error { return nil })
}

// WriteChecked is WriteTo for content that must pass check before path shows
// it; check is given the temporary file's path.
func WriteChecked(fsys FS, path string, a Attributes, fill func(io.Writer) error, check func(temp string) error) error {
	dir := filepath.Dir(path)
	if err := MkdirAll(fsys, dir); err != nil {
		return err
	}
	temp := tempName(path)
	if err := writeTemp(fsys, temp, a, fill); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, discard(fsys, temp)))
	}
	if err := check(temp); err != nil {
		return fmt.Errorf("check new %s: %w", path, errors.Join(err, discard(fsys, temp)))
	}
	if err := fsys.Rename(temp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, discard(fsys, temp)))
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// writeTemp writes and syncs a file that nobody knows yet.
func writeTemp(fsys FS, temp string, a Attributes, fill func(io.Writer) error) error {
	f, err := fsys.Create(temp)
	if err != nil {
		return err
	}
	return errors.Join(fillFile(f, a, fill), f.Close())
}

func fillFile(f File, a Attributes, fill func(io.Writer) error) error {
	if err := fill(f); err != nil {
		return err
	}
	if a.UID != Keep || a.GID != Keep {
		if err := f.Chown(a.UID, a.GID); err != nil {
			return err
		}
	}
	// After chown, which clears the setuid and setgid bits.
	if err := f.Chmod(a.Mode); err != nil {
		return err
	}
	return f.Sync()
}

// discard removes a temporary file after an error, which it must not hide.
func discard(fsys FS, temp string) error {
	if err := fsys.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Remove removes the file at path durably. One that does not exist is no error.
func Remove(fsys FS, path string) error {
	if err := fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// A file that is gone already may have been removed without a sync. If its
	// folder is gone as well, so is the name.
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

// Rename gives a file, whose content is on disk, another name in the same folder, durably.
func Rename(fsys FS, from, to string) error {
	if filepath.Dir(from) != filepath.Dir(to) {
		return fmt.Errorf("rename %s: %s is in another folder", from, to)
	}
	if err := fsys.Rename(from, to); err != nil {
		return err
	}
	if err := fsys.SyncDir(filepath.Dir(to)); err != nil {
		return fmt.Errorf("rename %s: %w", from, err)
	}
	return nil
}

// Link gives a file, whose content is on disk, a second name, durably.
func Link(fsys FS, from, to string) error {
	if err := fsys.Link(from, to); err != nil {
		return err
	}
	if err := fsys.SyncDir(filepath.Dir(to)); err != nil {
		return fmt.Errorf("link %s: %w", from, err)
	}
	return nil
}

// Symlink makes path a symbolic link to target, durably. If path exists already
// it is replaced in one step. The file system must be a [Symlinker].
func Symlink(fsys FS, target, path string) error {
	links, ok := fsys.(Symlinker)
	if !ok {
		return fmt.Errorf("link %s to %s: %w", path, target, errors.ErrUnsupported)
	}
	temp := tempName(path)
	if err := links.Symlink(target, temp); err != nil {
		return err
	}
	if err := fsys.Rename(temp, path); err != nil {
		return fmt.Errorf("link %s to %s: %w", path, target, errors.Join(err, discard(fsys, temp)))
	}
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("link %s to %s: %w", path, target, err)
	}
	return nil
}

// MkdirAll makes a folder and its missing parents, durably.
func MkdirAll(fsys FS, dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("a file is in its place")}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if err := MkdirAll(fsys, parent); err != nil {
		return err
	}
	if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := fsys.SyncDir(parent); err != nil {
		// It must not be there when this is tried again: folders that exist
		// are taken to be on disk.
		return fmt.Errorf("make folder %s: %w", dir, errors.Join(err, discard(fsys, dir)))
	}
	return nil
}

// tempMark is in the name of every temporary file, between a dot and the name of
// the file that it was to become, and random letters. Programs that read whole
// folders (systemd, sysctl.d) pass over names that begin with a dot.
const tempMark = ".hostler-"

// longestName is what Linux file systems take, in bytes.
const longestName = 255

func tempName(path string) string { return tempPrefix(path) + rand.Text() }

// tempPrefix is what all temporary files of a path begin with.
func tempPrefix(path string) string {
	dir, name := filepath.Split(path)
	if most := longestName - len(".") - len(tempMark) - len(rand.Text()); len(name) > most {
		name = name[:most]
	}
	return filepath.Join(dir, "."+name+tempMark)
}

// Clean removes the temporary files and links that crashes left of writing what
// is at path. Nobody may be writing it meanwhile. If its folder does not exist, there
// are none.
func Clean(fsys FS, path string) error {
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clean %s: %w", dir, err)
	}
	for _, e := range entries {
		temp := filepath.Join(dir, e.Name())
		random, ok := strings.CutPrefix(temp, tempPrefix(path))
		if !ok || len(random) != len(rand.Text()) || !isTemporary(e) {
			continue
		}
		// Not synced: at worst it is removed again.
		if err := discard(fsys, temp); err != nil {
			return fmt.Errorf("clean %s: %w", dir, err)
		}
	}
	return nil
}

// isTemporary tells whether an entry is of a kind that is written under another name first.
func isTemporary(e fs.DirEntry) bool { return e.Type()&^fs.ModeSymlink == 0 }

// CleanDir is Clean for all files of a folder.
func CleanDir(fsys FS, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clean %s: %w", dir, err)
	}
	for _, e := range entries {
		i := strings.LastIndex(e.Name(), tempMark)
		if i < 1 || e.Name()[0] != '.' || len(e.Name())-i-len(tempMark) != len(rand.Text()) || !isTemporary(e) {
			continue
		}
		if err := discard(fsys, filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("clean %s: %w", dir, err)
		}
	}
	return nil
}

// ErrTooLarge is returned by ReadFile for a file that is larger than its caller expects.
var ErrTooLarge = errors.New("file is too large")

// ErrNotRegular is returned by Open, OpenLock and ReadFile for a folder, a FIFO,
// a device: what else there may be under a file's name.
var ErrNotRegular = errors.New("not a regular file")

// Open opens a regular file to be read.
func Open(path string) (*os.File, error) {
	// Opening a FIFO would wait for a writer.
	return openRegular(path, os.O_RDONLY|unix.O_NONBLOCK)
}

// OpenLock opens the file at path to be locked, and makes it if there is none.
// A link in its place is refused: what is behind it is not ours to make or change.
func OpenLock(path string) (*os.File, error) {
	return openRegular(path, os.O_RDWR|os.O_CREATE|unix.O_NONBLOCK|unix.O_NOFOLLOW)
}

func openRegular(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ReadFile reads a regular file of at most limit bytes.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)}
	}
	return data, nil
}
