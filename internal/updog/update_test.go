package updog

import (
	"bytes"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pierrec/lz4/v4"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/slot"
)

// asUpdog makes the test binary be updog, so that it can be killed.
const asUpdog = "HOSTLER_TEST_AS_UPDOG"

func TestMain(m *testing.M) {
	if os.Getenv(asUpdog) != "" {
		cli.Main(Run)
	}
	os.Setenv("TZ", "UTC") // times are printed in the local zone
	os.Exit(m.Run())
}

// machine is a host with a disk image.
type machine struct {
	t    testing.TB
	dir  string
	disk string
}

func newMachine(t testing.TB, config string) *machine {
	t.Helper()
	m := &machine{t: t, dir: root(t, "1.20.0", config), disk: filepath.Join(t.TempDir(), "disk")}
	if err := slot.CreateImage(m.disk, slot.MinSize, 512); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *machine) options() []string {
	return []string{"--root", m.dir, "--disk", m.disk, "--active", "A"}
}

func (m *machine) call(args ...string) result {
	m.t.Helper()
	return call(m.t, time.Now(), append(args, m.options()...)...)
}

func (m *machine) sets() slot.Sets {
	m.t.Helper()
	d, err := slot.At(m.disk, slot.A)
	if err != nil {
		m.t.Fatal(err)
	}
	s, err := d.Sets(context.Background())
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

// boot is what the boot loader does; A stays the running slot for m.
func (m *machine) boot() slot.Name {
	m.t.Helper()
	var booted slot.Name
	d, err := slot.At(m.disk, slot.A)
	if err != nil {
		m.t.Fatal(err)
	}
	_, err = d.Change(context.Background(), func(s slot.State) (slot.State, error) {
		after, _ := s.Boot()
		booted, after.Active = after.Active, s.Active
		return after, nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return booted
}

// check compares slot B with the images of 1.21.0.
func (m *machine) check() {
	m.t.Helper()
	for kind, name := range map[slot.Kind]string{slot.RootPartition: "root", slot.BootPartition: "boot", slot.HashPartition: "root-verity"} {
		found, err := filepath.Glob(repository + "/targets/*1.21.0-" + name + ".ext4.lz4")
		if err != nil || len(found) != 1 {
			m.t.Fatalf("%s: %v, %v", name, found, err)
		}
		data, err := os.ReadFile(found[0])
		if err != nil {
			m.t.Fatal(err)
		}
		want, err := io.ReadAll(lz4.NewReader(bytes.NewReader(data)))
		if err != nil {
			m.t.Fatal(err)
		}
		e := m.sets().Extents[slot.B][kind]
		disk, err := os.Open(e.Path)
		if err != nil {
			m.t.Fatal(err)
		}
		defer disk.Close()
		got := make([]byte, len(want))
		if _, err := disk.ReadAt(got, e.Offset); err != nil || !bytes.Equal(got, want) {
			m.t.Errorf("%s is not on the disk: %v", name, err)
		}
	}
}

func TestUpdate(t *testing.T) {
	m := newMachine(t, config(t, 7, "latest", true))
	expect := func(got, want result) {
		t.Helper()
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("-got +want:\n%s", diff)
		}
	}
	expect(m.call("history"), result{0, "No update was tried on this host.\n", ""})
	expect(m.call("update-apply"), result{1, "", "Could not mark inactive partition for boot: Inactive partition " + m.disk +
		" has not been marked valid for upgrade\nhint: write an update there first; mark-inactive-valid says that it is complete\n"})
	expect(m.call("update-image"), result{0, "Update applied: aws-k8s-1.30 1.21.0\n", "Starting update to 1.21.0\n"})
	m.check()
	expect(m.call("update-apply"), result{})
	if got := call(t, time.Now(), "slot", "--disk", m.disk, "--active", "A", "status"); got.Exit != 0 || got.Stderr != "" {
		t.Errorf("slot status: %+v", got)
	}
	if next, _ := m.sets().Next(); next != slot.B {
		t.Errorf("next boots %s", next)
	}
	expect(m.call("update-revert"), result{})
	expect(m.call("update", "--json"), result{0, m.call("whats", "--json").Stdout, "Starting update to 1.21.0\n"})
	expect(m.call("update", "-r"), result{0, "Update applied: aws-k8s-1.30 1.21.0\n", "Starting update to 1.21.0\nnot rebooted: what was updated is not the running host\n"})

	if booted := m.boot(); booted != slot.B {
		t.Fatalf("slot %s was booted", booted)
	}
	if booted := m.boot(); booted != slot.A {
		t.Fatalf("slot %s was booted after B failed", booted)
	}
	day := time.Now().UTC().Format(time.DateOnly)
	expect(m.call("update"), result{0, "", "No update required\n1.21.0 waits: it failed on this host: it did not boot from slot B, as was seen on " +
		day + "; updog update --image 1.21.0 tries it again\n"})
	if got := m.call("check-update"); got.Exit != 1 || got.Stdout != "" || !strings.HasPrefix(got.Stderr, "No update available\n1.21.0 waits: it failed on this host: ") {
		t.Errorf("check-update: %+v", got)
	}
	if got := m.call("history").Stdout; !strings.Contains(got, "1.20.0  1.21.0  B     boot-failed  activate    it did not come as far as being judged\n") {
		t.Errorf("history:\n%s", got)
	}
	expect(m.call("update-image", "-i", "1.21.0"), result{0, "Update applied: aws-k8s-1.30 1.21.0\n", "Starting update to 1.21.0\n"})
}

func TestUpdateRefuses(t *testing.T) {
	m := newMachine(t, config(t, 7, "latest", true))
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"update", "--root", m.dir}, "find disk of " + m.dir + ": a folder has no slots of its own; hostler sandbox disk FILE --for DIR gives it a disk\n"},
		{[]string{"update", "--root", m.dir, "--disk", m.disk}, "--disk and --active go together: which disk, and which set counts as the running one\n"},
		{[]string{"update", "--root", m.dir, "--disk", m.disk, "--active", "C"}, "--active: "},
		{[]string{"update", "--root", m.dir, "--disk", m.disk, "--active", "B"}, "the running slot has not been marked as booted well: slot B\nhint: "},
		{[]string{"update", "--root", m.dir, "--disk", m.dir + "/etc/updog.toml", "--active", "A"}, "Failed to read OS disk partition table: "},
	} {
		got := call(t, time.Now(), test.args...)
		got.Stderr = strings.TrimPrefix(got.Stderr, "Starting update to 1.21.0\n")
		if got.Exit != 1 || !strings.HasPrefix(got.Stderr, test.want) {
			t.Errorf("%v: %+v", test.args, got)
		}
	}
	if next, _ := m.sets().Next(); next != slot.A {
		t.Errorf("next boots %s", next)
	}
}

// A process that is killed at any moment leaves a host that boots what it ran,
// and the next process finishes the work.
func TestKill(t *testing.T) {
	var left atomic.Int32
	var child atomic.Pointer[os.Process]
	files := http.FileServer(http.Dir(repository))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if left.Add(-1) != 0 {
			files.ServeHTTP(w, r)
			return
		}
		body := httptest.NewRecorder()
		files.ServeHTTP(body, r)
		maps.Copy(w.Header(), body.Header())
		_, _ = w.Write(body.Body.Bytes()[:body.Body.Len()/2])
		_ = http.NewResponseController(w).Flush()
		time.Sleep(5 * time.Millisecond)
		_ = child.Load().Kill()
	}))
	t.Cleanup(server.Close)
	local := config(t, 7, "latest", true)
	base, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, strings.ReplaceAll(local, "file://"+base, server.URL))

	start := func() *exec.Cmd {
		c := exec.Command(os.Args[0], append([]string{"update-image", "-i", "1.21.0"}, m.options()...)...)
		c.Env = append(os.Environ(), asUpdog+"=1")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		child.Store(c.Process)
		return c
	}
	survives := func(when any) {
		t.Helper()
		if next, ok := m.sets().Next(); !ok || next != slot.A {
			t.Fatalf("killed at %v: next boots %v, %v", when, next, ok)
		}
	}
	killed := 0
	for request := int32(1); ; request++ {
		left.Store(request)
		c := start()
		if c.Wait() == nil {
			break
		}
		killed++
		survives(request)
	}
	left.Store(0)
	if killed < 6 {
		t.Errorf("killed at %d requests only", killed)
	}
	m.check()
	r := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		c := start()
		after := time.Duration(r.IntN(150)) * time.Millisecond
		time.Sleep(after)
		_ = c.Process.Kill()
		_ = c.Wait()
		survives(after)
	}
	if err := start().Wait(); err != nil {
		t.Errorf("after all: %v", err)
	}
	m.check()
	if got := m.call("update-apply"); got != (result{}) {
		t.Errorf("got %+v", got)
	}
}
