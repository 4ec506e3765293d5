package apiserver_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	assets "github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/apiserver"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/sandbox"
)

// startTime is how long anything may take to come up or go down.
const startTime = 20 * time.Second

// newRoot lays out a sandbox of variant aws-dev.
func newRoot(t testing.TB) paths.Root {
	t.Helper()
	root, err := sandbox.New(assets.Assets, filepath.Join(t.TempDir(), "root"), sandbox.Options{Variant: "aws-dev", Version: "1.20.0"})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// running is the real program, run in this process.
type running struct {
	t      testing.TB
	socket string
	client *http.Client
	log    *buffer
	stop   context.CancelFunc
	exited chan int
}

// start runs apiserver on root until the test ends or stopped is called.
func start(t testing.TB, root paths.Root, flags ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &running{t: t, socket: root.Socket(), log: &buffer{}, stop: cancel, exited: make(chan int, 1)}
	p.client = clientOf(p.socket)
	args := append([]string{"apiserver", "--root", string(root)}, flags...)
	go func() { p.exited <- apiserver.Run(ctx, args, cli.Streams{Out: p.log, Err: p.log}) }()
	t.Cleanup(p.stopped)
	p.awaitSocket()
	return p
}

func (p *running) awaitSocket() {
	p.t.Helper()
	deadline := time.Now().Add(startTime)
	for time.Now().Before(deadline) {
		if c, err := net.Dial("unix", p.socket); err == nil {
			c.Close()
			return
		}
		select {
		case code := <-p.exited:
			p.exited <- code
			p.t.Fatalf("apiserver exited with %d:\n%s", code, p.log)
		case <-time.After(2 * time.Millisecond):
		}
	}
	p.t.Fatalf("apiserver does not serve:\n%s", p.log)
}

// stopped ends the program as SIGTERM does and checks its exit code.
func (p *running) stopped() {
	p.client.CloseIdleConnections()
	p.stop()
	select {
	case code := <-p.exited:
		p.exited <- code
		if code != cli.ExitOK {
			p.t.Errorf("exit code %d\n%s", code, p.log)
		}
	case <-time.After(startTime):
		p.t.Errorf("apiserver does not stop:\n%s", p.log)
	}
}

func clientOf(socket string) *http.Client {
	dialer := &net.Dialer{}
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.ToValidUTF8(b.b.String(), "?")
}
