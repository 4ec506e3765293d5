//go:build integration

package powerloss

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable/durabletest"
)

// scratch is a folder for the many stores that are opened, in memory if possible.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "hostler-powerloss-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func record(t *testing.T) durabletest.Log {
	t.Helper()
	root := t.TempDir()
	trace, err := run(t, storeVariable, root)
	if err != nil {
		t.Fatal(err)
	}
	log, err := parse(root, durabletest.Tree{}, trace)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// judge opens stores that power losses left, and knows what they may hold.
type judge struct {
	dir   string   // to open them in
	done  []string // the fingerprints of all commits, in order; the first is of the empty store
	tried int
}

func newJudge(t *testing.T, log durabletest.Log) *judge {
	t.Helper()
	j := &judge{dir: scratch(t)}
	for _, op := range log.Ops {
		if digest, ok := strings.CutPrefix(op.Mark, "done "); ok {
			j.done = append(j.done, digest)
		}
	}
	return j
}

// check says what is wrong with what a crash left.
func (j *judge) check(c durabletest.Crash) error {
	j.tried++
	dir := filepath.Join(j.dir, fmt.Sprint(j.tried))
	defer os.RemoveAll(dir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := c.Tree.Write(dir); err != nil {
		return err
	}
	may := j.may(c.Marks)
	path := filepath.Join(dir, "state", "datastore.db")
	if err := j.checkStore(path, may); err != nil {
		return fmt.Errorf("%v\n%w; may be %q", c, err, may)
	}
	if err := j.checkCopy(path, c.Marks); err != nil {
		return fmt.Errorf("%v\nlast good copy: %w", c, err)
	}
	return nil
}

// may lists what a store may hold after these marks: the last commit that was
// done, or, between begin and its result, the one that had begun.
func (j *judge) may(marks []string) []string {
	n, begun := 0, false
	for _, m := range marks {
		if strings.HasPrefix(m, "done ") {
			n++
		}
		begun = m == "begin"
	}
	may := j.done[max(n-1, 0):max(n, 1)]
	if begun && n > 0 && n < len(j.done) {
		may = append(may[:1:1], j.done[n])
	}
	return may
}

func (j *judge) checkStore(path string, may []string) error {
	got, err := read(path)
	if err != nil {
		return err
	}
	if slices.Contains(may, got) {
		return nil
	}
	return fmt.Errorf("store holds %q", got)
}

// read opens a store and returns its fingerprint.
func read(path string) (string, error) {
	o := options()
	o.Log, o.CopyAfter = slog.New(slog.DiscardHandler), -1
	s, err := datastore.Open(path, o)
	if err != nil {
		return "", err
	}
	defer s.Close()
	if r := s.Recovered(); r != nil {
		return "", fmt.Errorf("store was damaged: %s", r.Damage)
	}
	return fingerprint(s)
}

// checkCopy: where there is a copy it is sound, and there is one once the store is closed.
func (j *judge) checkCopy(path string, marks []string) error {
	alone := filepath.Join(filepath.Dir(path), "alone.db")
	err := os.Rename(path+".copy", alone)
	closed := len(marks) > 0 && marks[len(marks)-1] == "closed"
	if errors.Is(err, os.ErrNotExist) && !closed {
		return nil
	}
	if err != nil {
		return err
	}
	return j.checkStore(alone, j.done[len(j.done)-1:])
}

func TestEveryPowerLossLeavesWhatWasAnnounced(t *testing.T) {
	log := record(t)
	j := newJudge(t, log)
	if err := log.Crashes(j.check); err != nil {
		t.Error(err)
	}
	t.Logf("%d operations, %d commits, %d crashes", len(log.Ops), len(j.done), j.tried)
	if len(j.done) != len(workload())+1 || j.tried < 1000 {
		t.Errorf("only %d commits and %d crashes", len(j.done), j.tried)
	}
}

// The proof of the proof: a missing sync must not go unnoticed.
func TestEverySyncIsNeeded(t *testing.T) {
	log := record(t)
	j := newJudge(t, log)
	syncs := 0
	for i, op := range log.Ops {
		if !op.Syncs() || redundant(log, i) {
			continue
		}
		syncs++
		if err := log.Without(i).CrashesAfter(i, j.check); err == nil {
			t.Errorf("nobody noticed that %s of %s (operation %d) was missing", op.Kind, op.Path, i)
		}
	}
	t.Logf("%d syncs left out in turn, %d crashes", syncs, j.tried)
	if syncs < 2*len(workload()) {
		t.Errorf("only %d syncs", syncs)
	}
}

// redundant tells whether a sync is one that POSIX does not need: bbolt syncs
// a file after it has made it longer, and the commit's own fdatasync, later,
// would put the new size on disk too. bbolt does so because old kernels' ext3
// and ext4 forgot the size then; nothing is gained by turning it off.
func redundant(log durabletest.Log, i int) bool {
	return log.Ops[i].Kind == durabletest.Sync && log.Ops[i-1].Kind == durabletest.Truncate
}
