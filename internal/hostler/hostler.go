// Package hostler is the multi-call binary: every program of the suite in one
// file, chosen by the name that the file is called by.
//
// [Run] is its command line. Called as hostler, the program's name is the first
// argument; called by a program's name, through a link, it is that program.
// What a program does is its own package's affair: here is only the table.
package hostler

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	assets "github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/apiclient"
	"github.com/hostler-os/hostler/internal/apiserver"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/healthcheck"
	"github.com/hostler-os/hostler/internal/lint"
	"github.com/hostler-os/hostler/internal/migrator"
	"github.com/hostler-os/hostler/internal/nearest"
	"github.com/hostler-os/hostler/internal/sandbox"
	"github.com/hostler-os/hostler/internal/schnauzer"
	"github.com/hostler-os/hostler/internal/signpost"
	"github.com/hostler-os/hostler/internal/sundog"
	"github.com/hostler-os/hostler/internal/tharbeupdates"
	"github.com/hostler-os/hostler/internal/updog"
)

const name = "hostler"

// program is one of the programs; alias is a further name that links use. One
// that people type can be asked by shells how its command line goes on.
type program struct {
	name, alias, summary string
	run                  cli.Program
	typed                bool
}

var programs = []program{
	{"apiserver", "", "own the settings, serve the API, apply changes", apiserver.Run, false},
	{"apiclient", "", "read and change settings through the API", apiclient.Run, true},
	{"schnauzer", "schnauzer-v2", "render templates, with or without a server", schnauzer.Run, true},
	{"sundog", "", "boot: user data, setting generators, the first apply", sundog.Run, true},
	{"early-boot-config", "", "stage user data at the first boot", sundog.EarlyBootConfig, false},
	{"settings-committer", "", "commit what boot programs have staged", sundog.SettingsCommitter, false},
	{"thar-be-settings", "", "render files and restart services", sundog.TharBeSettings, false},
	{"storewolf", "", "link the inventory; defaults need no storing", sundog.Storewolf, false},
	{"lint", "", "check user data without a server", lint.Run, true},
	{"schema", "", "print the JSON Schema of a variant's user data, for editors", lint.Schema, true},
	{"migrator", "", "bring the settings to the version that boots", migrator.Run, true},
	{"health", "", "judge whether the host has booted well", healthcheck.Run, true},
	{"signpost", "", "show and change which set of partitions boots", signpost.Run, true},
	{"thar-be-updates", "", "run one command of an update, for the API", tharbeupdates.Run, false},
	{"updog", "", "find an update, write it into the spare set, make it boot next", updog.Run, true},
	{"sandbox", "", "lay out a folder in which the others run without privileges", sandbox.Run(assets.Assets), true},
}

// Run is the program hostler, or the one that args[0] names.
func Run(ctx context.Context, args []string, s cli.Streams) int {
	if len(args) == 0 {
		args = []string{name}
	}
	if called := filepath.Base(args[0]); called != name {
		if p := find(called); p != nil {
			return p.run(ctx, args, s)
		}
	}
	if len(args) == 1 {
		help(s.Out)
		return cli.ExitOK
	}
	return dispatch(ctx, args[1:], s)
}

func dispatch(ctx context.Context, args []string, s cli.Streams) int {
	if clihelp.ForShells(args) {
		return complete(ctx, args, s)
	}
	switch args[0] {
	case "-h", "--help", "help":
		help(s.Out)
		return cli.ExitOK
	case "--version", "version":
		cli.PrintVersion(s.Out, name)
		return cli.ExitOK
	}
	if p := find(args[0]); p != nil {
		return p.run(ctx, args, s)
	}
	hint := "hostler --help lists the programs"
	if near := nearest.Name(args[0], names()); near != "" {
		hint = fmt.Sprintf("did you mean 'hostler %s'?", near)
	}
	fmt.Fprintf(s.Err, "%s: no program '%s'\nhint: %s\n", name, args[0], hint)
	return cli.ExitUsage
}

func names() []string {
	var names []string
	for _, p := range programs {
		names = append(names, p.name)
	}
	return names
}

func find(called string) *program {
	for i := range programs {
		if p := &programs[i]; called == p.name || p.alias != "" && called == p.alias {
			return p
		}
	}
	return nil
}

func help(w io.Writer) {
	fmt.Fprintln(w, `Settings in, files and services out: the agents of an image-based host.

Usage:
  hostler PROGRAM [ARGUMENT…]
  PROGRAM [ARGUMENT…]            through a link of that name to this file

Programs:`)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range programs {
		names := strings.TrimSuffix(p.name+", "+p.alias, ", ")
		fmt.Fprintf(table, "  %s\t%s\n", names, p.summary)
	}
	table.Flush()
	fmt.Fprint(w, `
Options:
  -h, --help      show help
      --version   print the version

hostler completion bash|zsh|fish prints a completion script for your shell.
Exit codes: 0 ok, 1 failed, 2 wrong usage; programs tell of further ones.
Run 'hostler PROGRAM --help' for more about a program.
`)
}
