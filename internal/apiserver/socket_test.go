package apiserver

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func bound(t *testing.T, path string, mode os.FileMode, gid int) *listener {
	t.Helper()
	l, err := bind(path, mode, gid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// answers tells whether somebody accepts at path, which may be too long to dial.
func answers(t *testing.T, path string) bool {
	t.Helper()
	dir, name, err := openDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c, err := net.Dial("unix", short(dir, name))
	if err == nil {
		c.Close()
	}
	return err == nil
}

func TestBind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "api.sock")
	l := bound(t, path, 0o620, os.Getgid())
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode(), os.ModeSocket|0o620; got != want {
		t.Errorf("mode %v, want %v", got, want)
	}
	if !answers(t, path) {
		t.Error("nobody answers")
	}
	if names := list(t, dir); len(names) != 1 {
		t.Errorf("left beside it: %v", names)
	}
	if err := errors.Join(l.Close(), l.release()); err != nil {
		t.Error(err)
	}
	if names := list(t, dir); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

func list(t *testing.T, dir string) []string {
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

func TestBindReplacesAStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.sock")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	if answers(t, path) {
		t.Fatal("the stale socket answers")
	}
	if err := refuseSecond(options{socket: path}); err != nil {
		t.Errorf("a stale socket counts as a server: %v", err)
	}
	bound(t, path, 0o660, -1)
	if !answers(t, path) {
		t.Error("nobody answers")
	}
	if err := refuseSecond(options{socket: path}); err == nil || !strings.Contains(err.Error(), "another server answers") {
		t.Errorf("a live server: %v", err)
	}
}

func TestBindKeepsWhatIsNoSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.sock")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bind(path, 0o660, -1); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// TestBindDeep: a sandbox may lie deeper than a socket's address is long.
func TestBindDeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 40))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "api.sock")
	l := bound(t, path, 0o660, -1)
	if !answers(t, path) {
		t.Error("nobody answers")
	}
	if got := l.Addr().String(); got != path {
		t.Errorf("address %s, want %s", got, path)
	}
	if _, err := bind(filepath.Join(dir, strings.Repeat("x", 100)), 0o660, -1); err == nil {
		t.Error("a name longer than an address was bound")
	}
}

// TestReleaseSparesASuccessor: a server that is late to stop must not remove the next one's socket.
func TestReleaseSparesASuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.sock")
	first := bound(t, path, 0o660, -1)
	second := bound(t, path, 0o660, -1)
	if err := first.release(); err != nil {
		t.Error(err)
	}
	if !answers(t, path) {
		t.Error("the successor's socket is gone")
	}
	if err := second.release(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}
