package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/durable"
)

func attributes(mode fs.FileMode) durable.Attributes {
	return durable.Attributes{Mode: mode, UID: durable.Keep, GID: durable.Keep}
}

func TestWriteFileReplacesWithModeAndLeavesNothingElse(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "folder", "motd")
	for _, want := range []string{"first", "", "third\n"} {
		if err := durable.WriteFile(durable.OS{}, path, []byte(want), attributes(0o644)); err != nil {
			t.Fatal(err)
		}
		got, err := durable.ReadFile(path, 10)
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode(), fs.FileMode(0o644); got != want {
		t.Errorf("got mode %v, want %v", got, want)
	}
	if diff := cmp.Diff(names(t, filepath.Dir(path)), []string{"motd"}); diff != "" {
		t.Error(diff)
	}
}

func TestWriteFileSetsSpecialBitsAndOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tool")
	a := durable.Attributes{Mode: 0o755 | fs.ModeSetgid, UID: os.Getuid(), GID: os.Getgid()}
	if err := durable.WriteFile(durable.OS{}, path, []byte("x"), a); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != a.Mode {
		t.Errorf("got %v, want %v", info.Mode(), a.Mode)
	}
}

func TestWriteFileReplacesALinkNotItsTarget(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(durable.OS{}, link, []byte("new"), attributes(0o600)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || !info.Mode().IsRegular() {
		t.Errorf("got %v, %v; want a file in place of the link", info, err)
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "mine" {
		t.Errorf("target of the link: got %q, %v", got, err)
	}
}

func TestWriteFileKeepsWhatCannotBeReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"folder", "file/below"} {
		if err := durable.WriteFile(durable.OS{}, filepath.Join(dir, path), nil, attributes(0o600)); err == nil {
			t.Errorf("%s was written", path)
		}
	}
	if diff := cmp.Diff(names(t, dir), []string{"file", "folder"}); diff != "" {
		t.Error(diff)
	}
}

func TestReclaim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	put := func() error { return durable.Reclaim(durable.OS{}, path, []byte("text"), attributes(0o600)) }
	folder := func() {
		if err := errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Join(path, "mine"), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	folder()
	for range 2 {
		if got, err := os.ReadFile(path); put() != nil && string(got) != "text" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := os.Stat(path + ".folder/mine"); err != nil {
		t.Error(err)
	}
	folder()
	if err := put(); err == nil || !strings.Contains(err.Error(), "a folder is in its place") {
		t.Errorf("with one that was moved before: %v", err)
	}
}

func TestWriteFileTakesTheLongestName(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("n", 255))
	if err := durable.WriteFile(durable.OS{}, path, nil, attributes(0o600)); err != nil {
		t.Error(err)
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, path, filepath.Join(dir, "no", "folder")} {
		if err := durable.Remove(durable.OS{}, path); err != nil {
			t.Error(err)
		}
	}
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("left %v", got)
	}
}

func TestCleanRemovesOnlyTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	stop := errors.New("power off")
	stopped := stoppingFS{err: stop}
	if err := durable.WriteFile(stopped, filepath.Join(dir, "motd"), []byte("x"), attributes(0o600)); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if err := durable.Symlink(stopped, "elsewhere", filepath.Join(dir, "motd")); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if got := names(t, dir); len(got) != 2 {
		t.Fatalf("crashes left %v, want a file and a link", got)
	}
	keep := []string{".hidden", ".motd.hostler-tips", ".other.hostler-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "motd"}
	for _, name := range keep {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.Clean(durable.OS{}, filepath.Join(dir, "motd")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(t, dir), keep); diff != "" {
		t.Error(diff)
	}
	if err := durable.Clean(durable.OS{}, filepath.Join(dir, "missing", "motd")); err != nil {
		t.Error(err)
	}
}

// stoppingFS fails every rename and removal, as if the process had ended before.
type stoppingFS struct {
	durable.OS
	err error
}

func (f stoppingFS) Rename(string, string) error { return f.err }
func (f stoppingFS) Remove(string) error         { return f.err }

func TestReadFileRefuses(t *testing.T) {
	dir := t.TempDir()
	large, fifo := filepath.Join(dir, "large"), filepath.Join(dir, "fifo")
	if err := os.WriteFile(large, make([]byte, 11), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := durable.ReadFile(large, 10); !errors.Is(err, durable.ErrTooLarge) {
		t.Errorf("large file: got %v", err)
	}
	for _, path := range []string{fifo, dir} {
		if _, err := durable.ReadFile(path, 10); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAppend(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("one "), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := durable.OS{}.Append(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write([]byte("two"))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one two" {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.Symlink(path, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "none"} {
		if _, err := (durable.OS{}).Append(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
}

func TestCleanDir(t *testing.T) {
	dir := t.TempDir()
	random := strings.Repeat("A", 26)
	for _, name := range []string{".a.hostler-" + random, ".b.c.hostler-" + random, ".d.hostler-short", "e.hostler-" + random, "f"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.CleanDir(durable.OS{}, dir); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{".d.hostler-short", "e.hostler-" + random, "f"}; !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
	if err := durable.CleanDir(durable.OS{}, filepath.Join(dir, "none")); err != nil {
		t.Error(err)
	}
}

// A link replaces what was there in one step, or leaves it.
func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "current")
	for _, target := range []string{"one", "two"} {
		if err := durable.Symlink(durable.OS{}, target, path); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(path); got != target || err != nil {
			t.Errorf("it leads to %q, %v; want %q", got, err, target)
		}
	}
	// A folder cannot be replaced, nor by a file system without links.
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := durable.Symlink(durable.OS{}, "one", filepath.Join(dir, "folder")); err == nil {
		t.Error("a folder was replaced")
	}
	if err := durable.Symlink(struct{ durable.FS }{durable.OS{}}, "one", path); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without links: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
