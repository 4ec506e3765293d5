package apiserver_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli/clitest"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/sandbox/sandboxtest"
)

// process is the program as a process of its own, started as systemd starts it.
type process struct {
	*exec.Cmd
	t      *testing.T
	client *http.Client
	log    *clitest.Buffer
	told   chan string // what systemd was told
}

// launch starts apiserver. With a listener it is passed as systemd passes sockets.
func launch(t *testing.T, root paths.Root, passed *net.UnixListener, flags ...string) *process {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "apiserver") // TestMain goes by the name
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, client: sandboxtest.HTTP(root.Socket()), log: new(clitest.Buffer), told: make(chan string, 100)}
	setup := "exec"
	if passed != nil {
		setup = "export LISTEN_PID=$$ LISTEN_FDS=1; exec" // the process id is known only from within
	}
	args := append([]string{"-c", setup + ` "$0" "$@"`, program, "--root", string(root)}, flags...)
	p.Cmd = exec.Command("sh", args...)
	p.Stdout, p.Stderr = p.log, p.log
	p.Env = append(os.Environ(), "NOTIFY_SOCKET="+p.listenForStates(filepath.Join(dir, "notify")), "WATCHDOG_USEC=300000")
	if passed != nil {
		f, err := passed.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p.ExtraFiles = []*os.File{f}
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.client.CloseIdleConnections()
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	return p
}

func (p *process) listenForStates(path string) string {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	go func() {
		for b := make([]byte, 100); ; {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			p.told <- string(b[:n])
		}
	}()
	return path
}

func (p *process) await(state string) {
	p.t.Helper()
	for timeout := time.After(startTime); ; {
		select {
		case got := <-p.told:
			if got == state {
				return
			}
		case <-timeout:
			p.t.Fatalf("systemd was not told %s:\n%s", state, p.log)
		}
	}
}

// terminate sends SIGTERM and expects an orderly end.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	p.await("STOPPING=1")
	if err := p.Wait(); err != nil {
		p.t.Errorf("end: %v\n%s", err, p.log)
	}
}

func (p *process) request(method, target, body string) (int, string) {
	p.t.Helper()
	request, err := http.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(request)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, target, err, p.log)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (p *process) change(target, body string) (c api.Change) {
	p.t.Helper()
	method := "GET"
	if body != "" {
		method = "POST"
	}
	_, text := p.request(method, target, body)
	if err := json.Unmarshal([]byte(text), &c); err != nil || c.ID == 0 {
		p.t.Fatalf("%s %s: %v: %s", method, target, err, text)
	}
	return c
}

func TestStates(t *testing.T) {
	p := launch(t, newRoot(t), nil)
	p.await("READY=1")
	p.await("WATCHDOG=1")
	p.await("WATCHDOG=1")
	if status, body := p.request("GET", "/health", ""); status != http.StatusOK {
		t.Errorf("health: %d %s", status, body)
	}
	p.terminate()
}

// TestActivation: a request that comes before the server does is answered, and the socket stays systemd's.
func TestActivation(t *testing.T) {
	root := newRoot(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: root.Socket(), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	client, answered := sandboxtest.HTTP(root.Socket()), make(chan error, 1)
	go func() {
		response, err := client.Get("http://localhost/settings")
		if err == nil {
			response.Body.Close()
		}
		answered <- err
	}()
	p := launch(t, root, l)
	p.await("READY=1")
	if err := <-answered; err != nil {
		t.Errorf("the early request: %v", err)
	}
	client.CloseIdleConnections()
	p.terminate()
	if _, err := os.Lstat(root.Socket()); err != nil {
		t.Errorf("systemd's socket: %v", err)
	}
}

const chronyCommand = "/bin/systemctl try-reload-or-restart chronyd.service"

func fault(t *testing.T, root paths.Root, kind string) {
	t.Helper()
	text, err := json.Marshal(map[string]string{chronyCommand: kind})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(root.Run(), 0o755), os.WriteFile(root.Faults(), text, 0o600)); err != nil {
		t.Fatal(err)
	}
}

const ntpChange = `{"settings": {"ntp": {"time-servers": ["192.0.2.1"]}}}`

// TestStopFinishesTheChangeInHand: one that ends by itself is waited for; a stream and a wait are not.
func TestStopFinishesTheChangeInHand(t *testing.T) {
	root := newRoot(t)
	fault(t, root, "hang")
	p := launch(t, root, nil, "--restart-timeout", "700ms")
	p.await("READY=1")
	c := p.change("/changes", ntpChange)
	go func() { _, _ = p.client.Get("http://localhost/events") }()
	p.terminate()

	again := launch(t, root, nil)
	again.await("READY=1")
	if got := again.change("/changes/1", ""); got.ID != c.ID || got.State != api.StateUndone {
		t.Errorf("after the stop: %+v", got)
	}
}

// TestCrashInAChange: the next start finishes what kill -9 interrupted.
func TestCrashInAChange(t *testing.T) {
	root := newRoot(t)
	fault(t, root, "hang")
	p := launch(t, root, nil)
	p.await("READY=1")
	p.change("/changes", ntpChange)
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()

	if err := os.Remove(root.Faults()); err != nil {
		t.Fatal(err)
	}
	again := launch(t, root, nil)
	again.await("READY=1")
	if got := again.change("/changes/1?wait=10s", ""); got.State != api.StateDone {
		t.Errorf("after the crash: %+v", got)
	}
	_, body := again.request("GET", "/settings?prefix=ntp.time", "")
	if diff := cmp.Diff(body, `{"ntp":{"time-servers":["192.0.2.1"]}}`); diff != "" {
		t.Errorf("settings -got +want:\n%s", diff)
	}
}

// TestDamagedDatastore: the server starts on what is left, and says so.
func TestDamagedDatastore(t *testing.T) {
	root := newRoot(t)
	sandboxtest.Start(t, root).Stop()
	if err := os.WriteFile(root.Datastore(), []byte("no datastore at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := sandboxtest.Start(t, root)
	response, err := again.HTTP.Get("http://localhost/health")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var h api.Health
	if err := json.NewDecoder(response.Body).Decode(&h); err != nil {
		t.Fatal(err)
	}
	if h.Status != "degraded" || len(h.Problems) != 1 || !strings.Contains(h.Problems[0], "the datastore was found damaged") {
		t.Errorf("health: %+v", h)
	}
}
