package updog

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/update/journal"
)

// slowServer serves the repository, but holds back the image of the root file
// system until it is told to go on. asked is closed when it is asked for.
func slowServer(t *testing.T) (url string, asked, goOn chan struct{}) {
	t.Helper()
	asked, goOn = make(chan struct{}), make(chan struct{})
	files := http.FileServer(http.Dir(repository))
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "-1.21.0-root.ext4.lz4") {
			once.Do(func() { close(asked) })
			select {
			case <-goOn:
			case <-r.Context().Done():
			}
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked, goOn
}

func (m *machine) start(args ...string) *exec.Cmd {
	m.t.Helper()
	c := exec.CommandContext(m.t.Context(), os.Args[0], append(args, m.options()...)...)
	c.Env = append(os.Environ(), asUpdog+"=1")
	if err := c.Start(); err != nil {
		m.t.Fatal(err)
	}
	return c
}

// While one process writes a slot, another may look but not touch; when the
// first one is killed, nothing keeps the next from working.
func TestTwoAtOnce(t *testing.T) {
	url, asked, goOn := slowServer(t)
	base, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, strings.ReplaceAll(config(t, 7, "latest", true), "file://"+base, url))
	writer := m.start("update-image")
	select {
	case <-asked:
	case <-time.After(time.Minute):
		t.Fatal("the first process does not come to the root image")
	}
	busy := fmt.Sprintf("another update is under way (process %d)\nhint: wait until it is over; updog history shows how far it is\n", writer.Process.Pid)
	for _, command := range []string{"update", "update-image", "update-apply", "update-revert"} {
		if got := m.call(command); got.Exit != 1 || got.Stdout != "" || !strings.HasSuffix(got.Stderr, busy) {
			t.Errorf("%s: %+v", command, got)
		}
	}
	if got := m.call("check-update"); got != (result{0, "aws-k8s-1.30 1.21.0\n", ""}) {
		t.Errorf("check-update: %+v", got)
	}
	// What a killed process leaves is told only when it is dead.
	if got := m.call("history"); !strings.Contains(got.Stdout, "preparing  write root") {
		t.Errorf("history:\n%s", got.Stdout)
	}
	if err := writer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Wait()
	close(goOn)
	if got := m.call("history"); !strings.Contains(got.Stdout, "interrupted  write root") {
		t.Errorf("history:\n%s", got.Stdout)
	}
	if got := m.call("update"); got.Exit != 0 {
		t.Errorf("the next one: %+v", got)
	}
	m.check()
}

// One process at a time reads a repository into what is believed; others wait
// for it, and what is believed is never half of one and half of another.
func TestBeliefsAreLocked(t *testing.T) {
	m := newMachine(t, config(t, 7, "latest", true))
	unlock, err := durable.Lock(t.Context(), filepath.Join(m.dir, "run/hostler/metadata.lock"), 0, journal.ErrBusy)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 4)
	for range cap(done) {
		c := m.start("check-update")
		go func() { done <- c.Wait() }()
	}
	select {
	case err := <-done:
		t.Fatalf("one did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	unlock()
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
