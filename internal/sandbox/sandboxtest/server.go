package sandboxtest

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	assets "github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/cli/clitest"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/sandbox"
)

// Version is the release that the sandboxes pretend to run.
const Version = "1.20.0"

// New lays out a sandbox of a variant, which is gone after the test. Its path
// is short enough for the name of a socket, however long the test's is.
func New(t testing.TB, variant string) paths.Root {
	t.Helper()
	dir, err := os.MkdirTemp("", "box-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	root, err := sandbox.New(assets.Assets, filepath.Join(dir, "root"), sandbox.Options{Variant: variant, Version: Version})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// Server is a running apiserver.
type Server struct {
	Root   paths.Root
	Log    *clitest.Buffer // of what it writes
	Client *client.Client  // speaks to it
	HTTP   *http.Client    // the same for requests that no client makes; any host name reaches it

	t      testing.TB
	server *sandbox.Server
}

// Start runs apiserver on root, with further flags, until [Server.Stop] or the
// end of the test, which fails if the program does not end in order.
func Start(t testing.TB, root paths.Root, flags ...string) *Server {
	t.Helper()
	s := &Server{
		Root: root, Log: new(clitest.Buffer), t: t,
		Client: &client.Client{Socket: root.Socket()}, HTTP: HTTP(root.Socket()),
	}
	server, err := sandbox.Serve(context.WithoutCancel(t.Context()), root, s.Log, flags...)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Log)
	}
	s.server = server
	t.Cleanup(s.Stop)
	return s
}

// Stop ends the server as SIGTERM does. A second time does nothing.
func (s *Server) Stop() {
	s.t.Helper()
	if s.server == nil {
		return
	}
	s.HTTP.CloseIdleConnections()
	if err := s.server.Stop(); err != nil {
		s.t.Errorf("%v\n%s", err, s.Log)
	}
	s.server = nil
}

// HTTP is a client whose requests all go to a Unix socket.
func HTTP(socket string) *http.Client {
	dialer := &net.Dialer{}
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}
}
