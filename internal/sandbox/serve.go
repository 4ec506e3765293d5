package sandbox

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hostler-os/hostler/internal/apiserver"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/paths"
)

const (
	serveTime = 20 * time.Second // for apiserver to listen
	servePoll = 2 * time.Millisecond
)

// Server is an apiserver in this process.
type Server struct {
	stop   context.CancelFunc
	exited chan struct{}
	code   int // once exited is closed
}

// Serve runs apiserver on root, with further flags, and waits until its socket
// takes requests. It serves until [Server.Stop] or the end of ctx.
func Serve(ctx context.Context, root paths.Root, log io.Writer, flags ...string) (*Server, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &Server{stop: cancel, exited: make(chan struct{})}
	args := append([]string{"apiserver", "--root", string(root)}, flags...)
	go func() {
		defer close(s.exited)
		s.code = apiserver.Run(ctx, args, cli.Streams{Out: log, Err: log})
	}()
	if err := s.await(root.Socket()); err != nil {
		_ = s.Stop() // that it did not serve says more
		return nil, err
	}
	return s, nil
}

func (s *Server) await(socket string) error {
	tick := time.NewTicker(servePoll)
	defer tick.Stop()
	for deadline := time.After(serveTime); ; {
		if c, err := net.Dial("unix", socket); err == nil {
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return fmt.Errorf("start apiserver: it exited with %d", s.code)
		case <-deadline:
			return fmt.Errorf("start apiserver: it does not serve %s within %v", socket, serveTime)
		}
	}
}

// Stop ends it as SIGTERM does, waits for the end and fails if its exit code is not 0.
func (s *Server) Stop() error {
	s.stop()
	<-s.exited
	if s.code != cli.ExitOK {
		return fmt.Errorf("stop apiserver: it exited with %d", s.code)
	}
	return nil
}
