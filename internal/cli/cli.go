// Package cli is what every command line of the suite shares: how a program
// is started, its streams, its exit codes and the form of its error lines.
//
// A program is a [Program]; its main only calls [Main]. Tests call the Program
// itself, with streams of their own.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/hostler-os/hostler/internal/api"
)

// Exit codes that all programs share. Programs document further ones in --help.
const (
	ExitOK     = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// Streams are the standard streams of a program.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Program runs a command line, args[0] being the name it was called by, and returns its exit code.
type Program func(ctx context.Context, args []string, s Streams) int

// Main runs p as this process: with the process's arguments and streams, ended by SIGINT or SIGTERM through ctx.
// A second signal ends it at once.
func Main(p Program) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := p(ctx, os.Args, Streams{In: interruptible(ctx, os.Stdin), Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// interruptible makes reads of r end with ctx. The kernel may never end the one
// that is under way then; it is left behind, with memory of its own.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	type result struct {
		data []byte
		err  error
	}
	return readerFunc(func(p []byte) (int, error) {
		read := make(chan result, 1)
		go func() {
			data := make([]byte, len(p))
			n, err := r.Read(data)
			read <- result{data[:n], err}
		}()
		select {
		case got := <-read:
			return copy(p, got.data), got.err
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	})
}

// ExitError is an error with an exit code of its own.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }
func (e *ExitError) Unwrap() error { return e.Err }

// Report prints err as "NAME: message" and, where there is one, a "hint:" line, and returns the exit code.
// A message that ends in its hint, as bodies of the reference's routes do, has no further one.
// Without a name it prints the message alone, for programs whose first words are fixed.
func Report(w io.Writer, name string, err error) int {
	if err == nil {
		return ExitOK
	}
	if name != "" {
		name += ": "
	}
	fmt.Fprintf(w, "%s\n", shown(w, name+err.Error()))
	if e, ok := errors.AsType[*api.Error](err); ok && e.Hint != "" && !strings.HasSuffix(err.Error(), "hint: "+e.Hint) {
		fmt.Fprintf(w, "hint: %s\n", shown(w, e.Hint))
	}
	if e, ok := errors.AsType[*ExitError](err); ok {
		return e.Code
	}
	return ExitFailed
}
