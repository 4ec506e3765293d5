package updater

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
)

// ErrLocked is returned while a command is under way.
var ErrLocked = errors.New("another update command is under way")

// lockPatience is how long Lock waits for those who look, and are done in a moment.
const lockPatience = 250 * time.Millisecond

// Lock makes this process the one that runs a command, until the file is
// closed by it and by all processes that inherited it.
func (u *Updater) Lock() (*os.File, error) {
	f, err := u.openLock()
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(10 * time.Millisecond) {
		err := flock(f, unix.LOCK_EX)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, ErrLocked) || underWay(f) || time.Now().After(deadline) {
			return nil, errors.Join(err, f.Close())
		}
	}
}

// underWay tells a command that holds the lock from those who share it.
func underWay(f *os.File) bool {
	return flock(f, unix.LOCK_SH) != nil || unix.Flock(int(f.Fd()), unix.LOCK_UN) != nil
}

// Share keeps commands from beginning while somebody looks; the error is
// ErrLocked while one is under way, and an [OpenError] if there can be no lock.
func (u *Updater) Share() (unlock func(), err error) {
	f, err := u.openLock()
	if err != nil {
		return nil, &OpenError{err}
	}
	if err := flock(f, unix.LOCK_SH); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil // the kernel unlocks what is closed
}

// OpenError says that the lock file cannot be opened.
type OpenError struct{ Err error }

func (e *OpenError) Error() string { return e.Err.Error() }
func (e *OpenError) Unwrap() error { return e.Err }

// LockPath is where the reference has the lock of update commands, unless
// everybody may put files there, hold their locks, and so keep a host from updating.
func LockPath(root paths.Root) string {
	path := root.UpdaterLock()
	if info, err := os.Stat(filepath.Dir(path)); err == nil && info.Mode().Perm()&0o022 != 0 {
		return root.SafeUpdaterLock()
	}
	return path
}

func (u *Updater) openLock() (*os.File, error) {
	path := LockPath(u.Root)
	if err := durable.MkdirAll(durable.OS{}, filepath.Dir(path)); err != nil {
		return nil, err
	}
	return durable.OpenLock(path)
}

func flock(f *os.File, how int) error {
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	for errors.Is(err, unix.EINTR) {
		err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("lock %s: %w", f.Name(), ErrLocked)
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}
