// Package updata is the program updata: a publisher edits an update manifest
// by hand with it. It belongs to the publisher's tools, not on hosts.
//
// [Run] is the whole program. Each command reads the manifest, changes it in
// memory and replaces the file as a whole; what the changes mean is the affair
// of package update/manifest. Signing and publishing is that of pubsys.
package updata

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

const name = "updata"

const help = `Edit an update manifest by hand.

FILE is a manifest.json before it is signed. It is replaced as a whole, or left
as it was. Exit codes: 0 ok, 1 failed, 2 usage.`

// Run is a cli.Program.
func Run(ctx context.Context, args []string, s cli.Streams) int {
	a := &app{Streams: s, now: time.Now}
	root := a.root()
	if len(args) > 0 {
		root.SetArgs(args[1:])
	}
	return cli.Report(s.Err, name, root.ExecuteContext(ctx))
}

// app is one run of the program.
type app struct {
	cli.Streams
	now func() time.Time
	log *slog.Logger
}

func (a *app) root() *cobra.Command {
	a.log = cli.NewPlainLog(a.Err, slog.LevelInfo)
	root := &cobra.Command{
		Use: name + " COMMAND", Short: "edit update manifests", Long: help, Version: cli.Version(),
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              cobra.ArbitraryArgs, RunE: clihelp.NoCommand,
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(clihelp.UsageError)
	root.PersistentFlags().Bool("help", false, "show help") // -h is the hash image of add-update, as with the reference
	clihelp.Use(root)
	root.AddCommand(a.initialize(), a.validate(), a.addUpdate(), a.removeUpdate(), a.setWaves(), a.setMigrations(), a.setMaxVersion())
	root.AddCommand(clihelp.Completion(root, clihelp.CommandsAndOptions))
	return root
}

func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return clihelp.UsageError(c, err)
		}
		return nil
	}
}

// edit changes the manifest in a file.
func edit(file string, change func(*manifest.Manifest) error) error {
	m, err := read(file)
	if err != nil {
		return err
	}
	if err := change(m); err != nil {
		return err
	}
	return write(file, m)
}

func read(file string) (*manifest.Manifest, error) {
	text, err := durable.ReadFile(file, manifest.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	m, err := manifest.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse manifest %s: %w", file, err)
	}
	return m, nil
}

func write(file string, m *manifest.Manifest) error {
	text, err := m.Format()
	if err != nil {
		return err
	}
	return durable.WriteFile(durable.OS{}, file, text, durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep})
}
