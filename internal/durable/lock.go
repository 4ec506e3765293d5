package durable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Lock makes this process the only one that holds the lock file at path, until
// unlock is called or it dies: the kernel keeps the lock, not the file, so none
// is ever left behind. It waits that long; the error then is busy, and names the
// process that holds it.
func Lock(ctx context.Context, path string, patience time.Duration, busy error) (unlock func(), err error) {
	if err := MkdirAll(OS{}, filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := OpenLock(path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, busy)
	defer cancel()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			sign(f)
			// The kernel unlocks what is closed.
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("lock %s: %w%s", path, context.Cause(ctx), holder(f)), f.Close())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// sign leaves this process's number in the file, for people. It does not matter
// if it cannot be written: the lock holds.
func sign(f *os.File) {
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
}

// holder says who holds a lock.
func holder(f *os.File) string {
	var text [20]byte
	n, _ := f.ReadAt(text[:], 0)
	pid, err := strconv.Atoi(string(text[:n]))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}
