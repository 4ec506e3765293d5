package migration

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/hostler-os/hostler/internal/cli"
)

// Exit codes of a migration.
const (
	ExitOK     = 0
	ExitFailed = 1 // nothing was written
	ExitUsage  = 2
)

// collectFrom is the memory, in bytes, from which on garbage is collected.
const collectFrom = 64 << 20

const usage = `Usage: %s --forward | --backward

A data migration. It reads one JSON document with the settings of a host on
standard input and writes the migrated one to standard output; what it has to
say goes to standard error. The program migrator runs it.

  --forward    to the newer version
  --backward   to the older version

Exit codes: 0 migrated, 1 failed (nothing is written), 2 wrong usage.
`

// Main is the whole program of a migration; it does not return.
func Main(m Migration) {
	// It lives for a moment: collecting garbage would cost more than the garbage,
	// until there is a lot of it.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(collectFrom)
	os.Exit(Run(m, os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// Run is Main with arguments (args[0] being the program's name) and streams of
// one's own. It returns the exit code.
func Run(m Migration, args []string, in io.Reader, out, errs io.Writer) int {
	name := "migration"
	if len(args) > 0 {
		name = filepath.Base(args[0])
		args = args[1:]
	}
	if len(args) == 1 && slices.Contains([]string{"--help", "-h"}, args[0]) {
		fmt.Fprintf(out, usage, name)
		return ExitOK
	}
	direction, ok := parseDirection(args)
	if !ok {
		fmt.Fprintf(errs, "%s: expected one argument, --forward or --backward\nhint: %s --help says more\n", name, name)
		return ExitUsage
	}
	if err := migrate(m, direction, in, out, cli.NewPlainLog(errs, slog.LevelInfo)); err != nil {
		fmt.Fprintf(errs, "%s: %v\n", name, err)
		return ExitFailed
	}
	return ExitOK
}

func parseDirection(args []string) (Direction, bool) {
	if len(args) != 1 {
		return Forward, false
	}
	for _, d := range []Direction{Forward, Backward} {
		if args[0] == d.Flag() {
			return d, true
		}
	}
	return Forward, false
}

func migrate(m Migration, d Direction, in io.Reader, out io.Writer, log *slog.Logger) error {
	doc, err := Read(in)
	if err != nil {
		return err
	}
	if err := guarded(func() error { return Apply(m, d, doc, log) }); err != nil {
		return err
	}
	return doc.Write(out)
}

// guarded makes a panic an error: left alone it would exit as wrong usage does.
func guarded(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}
