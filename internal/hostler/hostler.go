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

// program is one of the programs; alias is a further name that links use.
type program struct {
	name, alias, summary string
	run                  cli.Program
}

var programs = []program{
	{"apiserver", "", "own the settings, serve the API, apply changes", apiserver.Run},
	{"apiclient", "", "read and change settings through the API", apiclient.Run},
	{"schnauzer", "schnauzer-v2", "render templates, with or without a server", schnauzer.Run},
	{"sundog", "", "boot: user data, setting generators, the first apply", sundog.Run},
	{"early-boot-config", "", "stage user data at the first boot", sundog.EarlyBootConfig},
	{"settings-committer", "", "commit what boot programs have staged", sundog.SettingsCommitter},
	{"thar-be-settings", "", "render files and restart services", sundog.TharBeSettings},
	{"storewolf", "", "link the inventory; defaults need no storing", sundog.Storewolf},
	{"lint", "", "check user data without a server", lint.Run},
	{"schema", "", "print the JSON Schema of a variant's user data, for editors", lint.Schema},
	{"migrator", "", "bring the settings to the version that boots", migrator.Run},
	{"health", "", "judge whether the host has booted well", healthcheck.Run},
	{"signpost", "", "show and change which set of partitions boots", signpost.Run},
	{"thar-be-updates", "", "run one command of an update, for the API", tharbeupdates.Run},
	{"updog", "", "find an update, write it into the spare set, make it boot next", updog.Run},
	{"sandbox", "", "lay out a folder in which the others run without privileges", sandbox.Run(assets.Assets)},
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

Exit codes: 0 ok, 1 failed, 2 wrong usage; programs tell of further ones.
Run 'hostler PROGRAM --help' for more about a program.
`)
}
