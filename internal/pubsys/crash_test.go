package pubsys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/durable/durabletest"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// desk is a publisher's folder.
type desk struct {
	t   *testing.T
	dir string
}

func newDesk(t *testing.T) desk {
	t.Helper()
	d := desk{t, t.TempDir()}
	for name, size := range map[string]int{"root-1.0.0": 3000, "root-1.1.0": 4000, "boot": 1000, "hash": 900} {
		d.write(name+".img", noise(uint64(size), size))
	}
	d.write("Release.toml", []byte("version = \"1.1.0\"\n[migrations]\n\"(1.0.0, 1.1.0)\" = []\n"))
	d.must("keys", "new", d.path("a.pem"), d.path("b.pem"))
	d.must("root", "new", d.path("1.root.json"), "--add-key", d.path("a.pub"))
	d.must("root", "sign", d.path("1.root.json"), "--key", d.path("a.pem"))
	d.must(d.first("repo")...)
	d.must("root", "next", d.path("1.root.json"), "--remove-key", "targets,snapshot,timestamp="+d.path("a.pub"),
		"--add-key", "targets,snapshot,timestamp="+d.path("b.pub"))
	d.must("root", "sign", d.path("2.root.json"), "--key", d.path("a.pem"))
	return d
}

func (d desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d desk) write(name string, data []byte) {
	d.t.Helper()
	if err := os.WriteFile(d.path(name), data, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// run calls the program with a file system of the test's.
func (d desk) run(fsys durable.FS, args ...string) error {
	var out, err strings.Builder
	s := cli.Streams{In: strings.NewReader(""), Out: &out, Err: &err}
	if code := run(context.Background(), append([]string{"pubsys"}, args...), s, func() time.Time { return start }, fsys); code != 0 {
		return errors.New(err.String())
	}
	return nil
}

func (d desk) must(args ...string) {
	d.t.Helper()
	if err := d.run(durable.OS{}, args...); err != nil {
		d.t.Fatal(err)
	}
}

func (d desk) first(repo string) []string {
	return []string{
		"release", "--new", "--dir", d.path(repo), "--root", d.path("1.root.json"), "--key", d.path("a.pem"), "--variant", "v", "--version", "1.0.0",
		"--root-image", d.path("root-1.0.0.img"), "--boot-image", d.path("boot.img"), "--hash-image", d.path("hash.img"), "--waves", "none", "--no-delta",
	}
}

// second is a release, a new root and new keys at once. It is signed with these keys.
func (d desk) second(repo string, keys ...string) []string {
	args := []string{
		"release", "--dir", repo, "--root", d.path("2.root.json"), "--variant", "v", "--release-file", d.path("Release.toml"),
		"--root-image", d.path("root-1.1.0.img"), "--boot-image", d.path("boot.img"), "--hash-image", d.path("hash.img"), "--waves", "none", "--no-delta",
	}
	for _, key := range keys {
		args = append(args, "--key", d.path(key))
	}
	return args
}

// sees is what a client that knows the first root gets: how many releases, all
// targets of which it has read to their end.
func (d desk) sees(repo string) (int, error) {
	root, err := os.ReadFile(d.path("1.root.json"))
	if err != nil {
		return 0, err
	}
	ctx := context.Background()
	source := tufrepo.Dir(filepath.Join(repo, "v", "x86_64"), filepath.Join(repo, "targets"))
	r, err := tufrepo.Open(ctx, source, tufrepo.Options{TrustedRoot: root, Now: func() time.Time { return start }})
	if err != nil {
		return 0, err
	}
	var text []byte
	for _, name := range r.Targets() {
		body, err := r.Open(ctx, name)
		if err != nil {
			return 0, err
		}
		data, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil {
			return 0, err
		}
		if name == manifest.Name {
			text = data
		}
	}
	m, err := manifest.Parse(text)
	if err != nil {
		return 0, err
	}
	return len(m.Updates), nil
}

// record publishes the second release and notes all that is done to the disk.
func (d desk) record(keys ...string) durabletest.Log {
	d.t.Helper()
	copied := filepath.Join(d.t.TempDir(), "repo")
	base, err := durabletest.ReadTree(d.path("repo"))
	if err == nil {
		err = os.Mkdir(copied, 0o755)
	}
	if err == nil {
		err = base.Write(copied)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	r, err := durabletest.NewRecorder(durable.OS{}, copied)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.run(r, d.second(copied, keys...)...); err != nil {
		d.t.Fatal(err)
	}
	r.Mark("published")
	return r.Log()
}

// at writes what a crash left into a folder.
func at(t *testing.T, tree durabletest.Tree) string {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "crash")
	if err == nil {
		err = tree.Write(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Whenever the power goes, clients see the old state or the new one; and the
// same command completes what was begun.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	log, crashes, mended := d.record("a.pem", "b.pem"), 0, 0
	err := log.Crashes(func(c durabletest.Crash) error {
		crashes++
		repo := at(t, c.Tree)
		defer os.RemoveAll(repo)
		n, err := d.sees(repo)
		if err != nil || n != 1 && n != 2 || len(c.Marks) > 0 && n != 2 {
			return fmt.Errorf("%v: a client sees %d releases, %w", c, n, err)
		}
		if crashes%17 != 0 && len(c.Marks) == 0 {
			return nil // to mend each takes too long
		}
		mended++
		if err := d.run(durable.OS{}, d.second(repo, "a.pem", "b.pem")...); err != nil {
			return fmt.Errorf("%v: mend: %w", c, err)
		}
		if n, err := d.sees(repo); err != nil || n != 2 {
			return fmt.Errorf("%v: mended, a client sees %d releases, %w", c, n, err)
		}
		return clean(repo)
	})
	if err != nil {
		t.Error(err)
	}
	if crashes < 100 || mended < 5 {
		t.Errorf("only %d crashes were tried, %d mended", crashes, mended)
	}
}

// clean finds files that are nobody's.
func clean(repo string) error {
	tree, err := durabletest.ReadTree(repo)
	for path := range tree {
		if base := filepath.Base(path); strings.HasPrefix(base, ".") && base != ".pubsys.lock" {
			err = errors.Join(err, fmt.Errorf("%s was left behind", path))
		}
	}
	return err
}

// With the old key lost there is a moment in which clients fail, but none in
// which the command cannot complete what it began.
func TestPowerLossWithoutTheOldKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	log, crashes, refused := d.record("b.pem"), 0, 0
	err := log.Crashes(func(c durabletest.Crash) error {
		repo := at(t, c.Tree)
		defer os.RemoveAll(repo)
		n, err := d.sees(repo)
		if errors.Is(err, tufrepo.ErrThreshold) {
			refused++
		} else if err != nil || n != 1 && n != 2 {
			return fmt.Errorf("%v: a client sees %d releases, %w", c, n, err)
		}
		if crashes++; crashes%17 != 0 && err == nil {
			return nil
		}
		if err := d.run(durable.OS{}, d.second(repo, "b.pem")...); err != nil {
			return fmt.Errorf("%v: mend: %w", c, err)
		}
		if n, err := d.sees(repo); err != nil || n != 2 {
			return fmt.Errorf("%v: mended, a client sees %d releases, %w", c, n, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if refused == 0 || refused > crashes/4 {
		t.Errorf("clients were refused after %d of %d crashes", refused, crashes)
	}
}

// A first release that was interrupted is begun again by the same command.
func TestPowerLossOfAFirstRelease(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	repo := filepath.Join(d.dir, "new")
	if err := os.MkdirAll(filepath.Join(repo, "targets"), 0o755); err != nil { // where the lock is
		t.Fatal(err)
	}
	r, err := durabletest.NewRecorder(durable.OS{}, repo)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.run(r, d.first("new")...); err != nil {
		t.Fatal(err)
	}
	log, crashes := r.Log(), 0
	err = log.Crashes(func(c durabletest.Crash) error {
		if crashes++; crashes%11 != 0 {
			return nil
		}
		again := at(t, c.Tree)
		defer os.RemoveAll(again)
		if err := d.run(durable.OS{}, d.first(mustRel(t, d.dir, again))...); err != nil {
			return fmt.Errorf("%v: mend: %w", c, err)
		}
		if n, err := d.sees(again); err != nil || n != 1 {
			return fmt.Errorf("%v: mended, a client sees %d releases, %w", c, n, err)
		}
		return clean(again)
	})
	if err != nil {
		t.Error(err)
	}
}

func mustRel(t *testing.T, base, path string) string {
	t.Helper()
	rel, err := filepath.Rel(base, path)
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

// A disk that is full, or fails, at any operation: the old state stays, and with
// space again the command succeeds.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	base, err := durabletest.ReadTree(d.path("repo"))
	if err != nil {
		t.Fatal(err)
	}
	for n := int64(1); ; n++ {
		repo := at(t, base)
		faults := &durabletest.Faults{FS: durable.OS{}, At: n, Lasting: n%2 == 0, Err: syscall.ENOSPC}
		err := d.run(faults, d.second(repo, "a.pem", "b.pem")...)
		if !faults.Reached() {
			return
		}
		seen, errSeen := d.sees(repo)
		if errSeen != nil || seen < 1 || err == nil && seen != 2 {
			t.Fatalf("fault at operation %d: %v; a client sees %d releases, %v", n, err, seen, errSeen)
		}
		if err != nil && !strings.Contains(err.Error(), "\nhint: free some space where that file is") {
			t.Errorf("fault at operation %d: no hint: %v", n, err)
		}
		if n%9 != 0 {
			continue
		}
		if err := d.run(durable.OS{}, d.second(repo, "a.pem", "b.pem")...); err != nil {
			t.Fatalf("with space again after operation %d: %v", n, err)
		}
	}
}
