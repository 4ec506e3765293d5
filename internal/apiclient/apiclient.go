// Package apiclient is the program apiclient: everything that a person or a
// container does through the API, on the command line.
//
// [Run] is the whole program; one file holds one command or one family of
// them. Arguments, output, exit codes and the first words of messages are those
// of the reference's apiclient wherever it has the command; so messages carry no
// program name in front. Everything else goes beyond it.
//
// It only speaks to the socket: it knows no settings model and opens no store.
package apiclient

import (
	"context"
	"fmt"
	"log/slog"
	"unicode/utf8"

	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/paths"
)

// Exit codes beyond those of package cli. The help of the root command documents them.
const (
	exitUndone = 3 // the change was undone
	exitPartly = 4 // the change was applied in part, or undone in part
)

// Run is a cli.Program.
func Run(ctx context.Context, args []string, s cli.Streams) int {
	a := &app{Streams: s}
	root := newRoot(a)
	for i, arg := range args[1:] {
		if !utf8.ValidString(arg) {
			return a.report(root, usagef("Argument %d is not valid UTF-8: %q", i+1, arg))
		}
	}
	root.SetArgs(args[1:])
	cmd, err := root.ExecuteContextC(ctx)
	return a.report(cmd, err)
}

// app is one run of the program: its streams and its global options.
type app struct {
	cli.Streams
	socket  string
	root    string
	level   cli.Level
	verbose bool
	api     *client.Client // made by client at its first use
}

func (a *app) client() *client.Client {
	if a.api == nil {
		a.api = &client.Client{Socket: a.socketPath(), Log: a.log()}
	}
	return a.api
}

func (a *app) socketPath() string {
	if a.socket != "" {
		return a.socket
	}
	return paths.Root(a.root).Socket()
}

// log is where details for whoever debugs go: standard error, without times.
func (a *app) log() *slog.Logger {
	level := a.level.Level()
	if a.verbose {
		level = min(level, slog.LevelDebug)
	}
	return cli.NewPlainLog(a.Err, level)
}

// note tells people something that is neither result nor error.
func (a *app) note(format string, args ...any) {
	if a.level.Level() <= slog.LevelInfo {
		fmt.Fprintf(a.Err, format+"\n", args...)
	}
}
