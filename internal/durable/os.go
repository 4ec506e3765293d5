package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// OS is the file system of the host.
type OS struct{}

func (OS) Create(path string) (File, error) {
	// O_EXCL also refuses a link in the last place.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Append implements [Appender].
func (OS) Append(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Symlink implements [Symlinker].
func (OS) Symlink(target, path string) error { return os.Symlink(target, path) }

func (OS) Mkdir(path string) error      { return os.Mkdir(path, 0o755) }
func (OS) Rename(from, to string) error { return os.Rename(from, to) }
func (OS) Link(from, to string) error   { return os.Link(from, to) }
func (OS) Remove(path string) error     { return os.Remove(path) }

func (OS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
