package durable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/durable/durabletest"
)

// content is long enough to be torn.
func content(name string) []byte { return []byte(strings.Repeat(name+"\n", 1000)) }

// step is one act of the program under test and what is true of a file once it
// is done. before is true until it has begun.
type step struct {
	path  string
	mode  fs.FileMode // 0: the file is gone
	data  []byte
	write func(fsys durable.FS, root string, s step) error
}

func replace(fsys durable.FS, root string, s step) error {
	return durable.WriteFile(fsys, filepath.Join(root, s.path), s.data, attributes(s.mode))
}

func remove(fsys durable.FS, root string, s step) error {
	return durable.Remove(fsys, filepath.Join(root, s.path))
}

func rename(fsys durable.FS, root string, s step) error {
	return durable.Rename(fsys, filepath.Join(root, "spare"), filepath.Join(root, s.path))
}

func link(fsys durable.FS, root string, s step) error {
	return durable.Link(fsys, filepath.Join(root, "motd"), filepath.Join(root, s.path))
}

func steps() []step {
	return []step{
		{"motd", 0o600, content("one"), replace},
		{"motd", 0o644, content("two"), replace},
		{"etc/new/file", 0o640, content("three"), replace},
		{"etc/new/file", 0o640, nil, replace},
		{"old", 0, nil, remove},
		{"motd", 0o600, content("spare"), rename},
		{"second", 0o600, content("spare"), link},
	}
}

func prepare(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"motd", "old", "spare"} {
		if err := os.WriteFile(filepath.Join(root, name), content(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// record runs all steps and marks each one done.
func record(t *testing.T) durabletest.Log {
	t.Helper()
	root := prepare(t)
	r, err := durabletest.NewRecorder(durable.OS{}, root)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range steps() {
		if err := s.write(r, root, s); err != nil {
			t.Fatal(err)
		}
		r.Mark(fmt.Sprint(i))
	}
	return r.Log()
}

// check says what is wrong with what a crash left, with done steps finished
// and perhaps one more begun.
func check(base, tree durabletest.Tree, done int) error {
	want := wanted(base, done)
	begun := want
	if done < len(steps()) {
		begun = wanted(base, done+1)
	}
	for path := range begun {
		got, a, b := tree[path], want[path], begun[path]
		if !same(got, a) && !same(got, b) {
			return fmt.Errorf("%s has mode %v and %d bytes: neither the old nor the new file", path, got.Mode, len(got.Data))
		}
	}
	return nil
}

func same(a, b durabletest.Node) bool {
	return a.Mode == b.Mode && string(a.Data) == string(b.Data)
}

// wanted is what the named files are after some steps; the zero Node is no file.
func wanted(base durabletest.Tree, done int) map[string]durabletest.Node {
	files := map[string]durabletest.Node{"motd": base["motd"], "old": base["old"], "etc/new/file": {}, "second": {}}
	for _, s := range steps()[:done] {
		files[s.path] = durabletest.Node{Mode: s.mode, Data: s.data}
	}
	return files
}

func TestPowerLossLeavesTheOldFileOrTheNew(t *testing.T) {
	log, crashes := record(t), 0
	err := log.Crashes(func(c durabletest.Crash) error {
		crashes++
		if err := check(log.Base, c.Tree, len(c.Marks)); err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if crashes < 50 {
		t.Errorf("only %d crashes were tried", crashes)
	}
}

// The proof of the proof: a missing sync must not go unnoticed.
func TestEachSyncIsNeeded(t *testing.T) {
	log, syncs := record(t), 0
	for i, op := range log.Ops {
		if !op.Syncs() {
			continue
		}
		syncs++
		short := log.Without(i)
		err := short.Crashes(func(c durabletest.Crash) error { return check(log.Base, c.Tree, len(c.Marks)) })
		if err == nil {
			t.Errorf("nobody noticed that %s of %s (operation %d) was missing", op.Kind, op.Path, i)
		}
	}
	if syncs < 10 {
		t.Errorf("only %d syncs were tried", syncs)
	}
}

func TestFailureAtEveryOperation(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO} {
		for _, lasting := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v lasting %v", errno, lasting), func(t *testing.T) {
				for n := int64(1); failAt(t, n, errno, lasting); n++ {
				}
			})
		}
	}
}

// failAt lets the n-th operation of the steps fail; false if there are fewer.
func failAt(t *testing.T, n int64, errno error, lasting bool) bool {
	t.Helper()
	root := prepare(t)
	base, err := durabletest.ReadTree(root)
	if err != nil {
		t.Fatal(err)
	}
	faults := &durabletest.Faults{FS: durable.OS{}, At: n, Lasting: lasting, Err: errno}
	for done, s := range steps() {
		err := s.write(faults, root, s)
		if (err != nil) != faults.Reached() {
			t.Fatalf("fault at operation %d: step %d returned %v", n, done, err)
		}
		if err == nil {
			continue
		}
		afterFault(t, root, base, done, lasting)
		if err := s.write(durable.OS{}, root, s); err != nil && !errors.Is(err, fs.ErrExist) && !renamed(root) {
			t.Errorf("fault at operation %d: with space again: %v", n, err)
		}
		return true
	}
	return false
}

// renamed tells whether a rename was reported as failed, because it could not
// be synced, but has happened.
func renamed(root string) bool {
	_, err := os.Stat(filepath.Join(root, "spare"))
	return err != nil
}

func afterFault(t *testing.T, root string, base durabletest.Tree, done int, lasting bool) {
	t.Helper()
	tree, err := durabletest.ReadTree(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(base, tree, done); err != nil {
		t.Error(err)
	}
	for path := range tree {
		if lasting && strings.Contains(path, ".hostler-") {
			t.Errorf("%s was left behind", path)
		}
	}
}
