//go:build integration

package powerloss

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hostler-os/hostler/internal/durable/durabletest"
)

// faulty are the calls by which bbolt, and the reverting of a failed commit, write.
var faulty = []string{"pwrite64", "fdatasync", "ftruncate", "fsync"}

// The program judges itself here: see commit. What it leaves must be sound, too.
func TestEveryCallMayFail(t *testing.T) {
	for _, name := range faulty {
		for _, fault := range []fault{{name, syscall.ENOSPC, 1}, {name, syscall.EIO, 1}, {name, syscall.EIO, 5}} {
			t.Run(fmt.Sprint(fault), func(t *testing.T) {
				t.Parallel()
				n := 0
				for failCall(t, fault, n+1) {
					n++
				}
				t.Logf("%d calls failed in turn", n)
				if n == 0 {
					t.Error("no call failed")
				}
			})
		}
	}
}

// fault is a call that fails some times in a row.
type fault struct {
	name  string
	errno syscall.Errno
	times int
}

// option is strace's option for the fault to begin with the n-th call.
func (f fault) option(n int) string {
	return fmt.Sprintf("inject=%s:error=%s:when=%d..%d", f.name, errnoName(f.errno), n, n+f.times-1)
}

// failCall lets the n-th call fail, and perhaps those after it; false if there are fewer.
func failCall(t *testing.T, f fault, n int) bool {
	t.Helper()
	root := filepath.Join(scratch(t), "root")
	trace, err := run(t, storeVariable, root, "-e", f.option(n))
	injected := strings.Contains(string(trace), "(INJECTED)")
	if err != nil {
		// Creating the store may fail, and the program with it.
		if !injected || strings.Contains(string(trace), hexOf("mark done")) {
			t.Errorf("%s: %v", f.option(n), err)
		}
		return injected
	}
	if _, err := read(filepath.Join(root, "state", "datastore.db")); err != nil {
		t.Errorf("%s: %v", f.option(n), err)
	}
	return injected
}

// A commit that was reported as failed must not come back by a power loss, even
// if its sync failed after all of it was written. The sync that makes sure of
// that is left out, too, to see that this is noticed.
func TestFailedCommitDoesNotComeBack(t *testing.T) {
	noticed, failures := 0, 0
	for n := 1; ; n++ {
		root := t.TempDir()
		trace, err := run(t, storeVariable, root, "-e", fault{"fdatasync", syscall.EIO, 1}.option(n))
		if err != nil && !strings.Contains(string(trace), hexOf("mark done")) {
			continue // it was not created
		}
		if err != nil {
			t.Fatal(err)
		}
		log, err := parse(root, durabletest.Tree{}, trace)
		if err != nil {
			t.Fatal(err)
		}
		failed := slices.IndexFunc(log.Ops, func(o durabletest.Op) bool { return strings.HasPrefix(o.Mark, "failed ") })
		if failed < 0 {
			break
		}
		failures++
		j := newJudge(t, log)
		if err := crashesAround(log, failed, j); err != nil {
			t.Error(err)
		}
		if short := withoutSyncBefore(log, failed); crashesAround(short, failed-1, j) != nil {
			noticed++
		}
	}
	t.Logf("%d commits failed in turn, the missing sync was noticed after %d", failures, noticed)
	if failures < 2*len(workload()) || noticed < len(workload()) {
		t.Error("that is too few")
	}
}

var errEnough = errors.New("enough")

// crashesAround checks the crashes before and after a mark.
func crashesAround(log durabletest.Log, mark int, j *judge) error {
	marks := 0
	for _, op := range log.Ops[:mark] {
		if op.Kind == durabletest.Mark {
			marks++
		}
	}
	err := log.CrashesAfter(mark, func(c durabletest.Crash) error {
		if len(c.Marks) > marks+1 {
			return errEnough
		}
		return j.check(c)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// withoutSyncBefore leaves out the last sync before a mark.
func withoutSyncBefore(log durabletest.Log, mark int) durabletest.Log {
	for i := mark; i >= 0; i-- {
		if log.Ops[i].Syncs() {
			return log.Without(i)
		}
	}
	return log
}

func errnoName(errno syscall.Errno) string {
	return map[syscall.Errno]string{syscall.ENOSPC: "ENOSPC", syscall.EIO: "EIO"}[errno]
}

// hexOf is text as strace prints it.
func hexOf(text string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		out.WriteString(fmt.Sprintf(`\x%02x`, b))
	}
	return out.String()
}
