// Package updog is the program updog: it finds out which release a host should
// get, explains it, writes it into the spare slot and makes that boot next.
//
// [Run] is the whole program. Its command line (arguments.go) is the
// reference's: one word and flags in any position, wrong usage exits 1. What a
// sub-command does stands in a file of its own; deciding and installing are the
// affair of package update.
package updog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/signpost"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update"
	"github.com/hostler-os/hostler/internal/update/journal"
)

const name = "updog"

// Run is a cli.Program.
func Run(ctx context.Context, args []string, s cli.Streams) int {
	now, err := cli.Clock(ctx)
	if err != nil {
		return cli.Report(s.Err, name, err)
	}
	return run(ctx, args, s, now)
}

// run is Run with a clock.
func run(ctx context.Context, args []string, s cli.Streams, now func() time.Time) int {
	args = args[min(1, len(args)):]
	if len(args) > 0 && args[0] == "slot" {
		return slotCommand(ctx, args[1:], s)
	}
	if clihelp.ForShells(args) {
		return shellCommand(ctx, args, s)
	}
	a, err := parse(args)
	if err != nil {
		fmt.Fprintf(s.Err, "%s\n", synopsis)
		return cli.Report(s.Err, name, err)
	}
	switch {
	case a.help:
		fmt.Fprint(s.Out, usage)
		return cli.ExitOK
	case a.version:
		cli.PrintVersion(s.Out, name)
		return cli.ExitOK
	}
	p := &app{Streams: s, arguments: a, now: now, log: cli.NewPlainLog(s.Err, a.level.Level())}
	return report(s, a.command.run(p, ctx))
}

// slotCommand is updog slot: signpost.
func slotCommand(ctx context.Context, args []string, s cli.Streams) int {
	called := name + " slot"
	c := signpost.NewCommand(called, s)
	c.SetArgs(args)
	return signpost.Report(s, called, c.ExecuteContext(ctx))
}

// report prints errors without the program's name: many of their texts are the
// reference's, and scripts compare whole lines.
func report(s cli.Streams, err error) int {
	if errors.Is(err, errNone) {
		return cli.ExitFailed
	}
	if hint := hint(err); hint != "" {
		err = &api.Error{Code: api.CodeInternal, Message: err.Error(), Hint: hint}
	}
	return cli.Report(s.Err, "", err)
}

func hint(err error) string {
	if err == nil {
		return ""
	}
	if refusal, ok := errors.AsType[*slot.Refusal](err); ok {
		return refusal.Hint()
	}
	if _, ok := errors.AsType[*api.Error](err); ok {
		return "" // it has its own, if any
	}
	for _, h := range hints {
		if errors.Is(err, h.err) {
			return h.text
		}
	}
	return update.Hint(err)
}

var hints = []struct {
	err  error
	text string
}{
	{update.ErrNotGood, "updog slot mark-successful-boot says that it has, if you are sure"},
	{journal.ErrBusy, "wait until it is over; updog history shows how far it is"},
	{fs.ErrPermission, "updates are root's affair; --root DIR tries things in a sandbox"},
}

// fixed is fmt.Errorf for the texts that the reference's users know, which
// begin with a capital letter.
func fixed(format string, args ...any) error { return fmt.Errorf(format, args...) }

// app is one run of the program.
type app struct {
	cli.Streams
	arguments
	now func() time.Time
	log *slog.Logger
}

func (a *app) host() (update.Host, error) {
	root := paths.Root(a.root)
	path := a.config
	if path == "" {
		path = root.Updog()
	}
	config, err := update.LoadConfig(path)
	if err != nil {
		return update.Host{}, err
	}
	release, err := osrelease.Read(root)
	if err != nil {
		return update.Host{}, fixed("Unable to get OS version: %w", err)
	}
	if a.variant != "" {
		release.VariantID = a.variant
	}
	return update.Host{Root: root, Config: config, Release: release, Now: a.now, Log: a.log}, nil
}

func (a *app) open(ctx context.Context) (*update.Catalog, update.Host, error) {
	host, err := a.host()
	if err != nil {
		return nil, host, err
	}
	c, err := update.Open(ctx, host)
	return c, host, err
}
