package updater

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/paths"
)

// Whoever may put a file into /run/lock must not keep commands from beginning.
func TestLockIsOutOfReach(t *testing.T) {
	root := paths.Root(t.TempDir())
	public := root.Join("/run/lock")
	if err := os.MkdirAll(public, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(public, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	theirs, err := os.OpenFile(filepath.Join(public, "thar-be-updates.lock"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if err := unix.Flock(int(theirs.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	u := &Updater{Root: root}
	if got, want := LockPath(paths.Root(t.TempDir())), "/run/lock/thar-be-updates.lock"; !strings.HasSuffix(got, want) {
		t.Errorf("elsewhere it is %s, want %s", got, want)
	}
	ours, err := u.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	for path, writers := range map[string]os.FileMode{ours.Name(): 0o077, filepath.Dir(ours.Name()): 0o022} {
		if info, err := os.Stat(path); err != nil || info.Mode()&writers != 0 {
			t.Errorf("%s: others may use it: %v, %v", path, info.Mode(), err)
		}
	}
}

// A command does not queue behind another: whoever comes second is told so at
// once. Those who merely look are waited for.
func TestLockIsNotWaitedFor(t *testing.T) {
	for _, test := range []struct {
		how  int
		want error
	}{{unix.LOCK_EX, ErrLocked}, {unix.LOCK_SH, nil}} {
		u := &Updater{Root: paths.Root(t.TempDir())}
		theirs, err := u.openLock()
		if err != nil {
			t.Fatal(err)
		}
		if err := flock(theirs, test.how); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(lockPatience/10, func() { _ = theirs.Close() })
		ours, err := u.Lock()
		if !errors.Is(err, test.want) {
			t.Errorf("how %d: got %v, want %v", test.how, err, test.want)
		}
		if ours != nil {
			ours.Close()
		}
	}
}
