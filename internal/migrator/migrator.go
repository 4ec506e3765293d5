// Package migrator is the program migrator: before anything else reads the
// settings of a host that boots, it brings them to the version of the image.
//
// Start with [Run], the command line; boot.go has what the unit calls. How
// settings are migrated is package migrate's affair, how those of the reference
// become ours and back package takeover's; here is only where a host
// has everything, what is said, and what is remembered.
package migrator

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/paths"
)

const name = "migrator"

// app is one run of the program: its streams and options.
type app struct {
	cli.Streams
	root      paths.Root
	datastore string // as given; empty: the root's
	cache     migrate.Cache
	to        string
	fromOS    bool
	useKept   bool
	level     cli.Level
}

// Run is the program migrator.
func Run(ctx context.Context, args []string, s cli.Streams) int {
	a := &app{Streams: s, root: paths.Host}
	root := newRoot(a)
	if len(args) > 0 {
		root.SetArgs(args[1:])
	}
	err := root.ExecuteContext(ctx)
	if e, ok := errors.AsType[*cli.ExitError](err); ok && e.Code == cli.ExitUsage {
		return cli.Report(s.Err, name, err)
	}
	// The first words of all other errors are fixed: the reference's operators know them.
	return cli.Report(s.Err, "", err)
}

const about = `Brings the settings of a host that boots another version of its image to that
version: forward after an update, backward after a fallback. The migrations come
from what the update has kept; all of them are verified before the first one
runs, and each one runs where it can reach nothing but the settings.

  migrator                 boot: as the host's unit calls it
  migrator status          which version the settings are of, and the last reports
  migrator run             the same as at boot, by hand
  migrator rehearse        try on a copy what the boot of a version would do
  migrator import, export  take over the settings of a host of the reference, and give them back

If versions match there is nothing to do. If a migration fails, the settings stay
as they were, and the boot is not good: the host goes back to the old version.

Exit codes: 0 done, or nothing to do; 1 failed, and nothing was changed; 2 wrong usage.`

func newRoot(a *app) *cobra.Command {
	run := func(c *cobra.Command, _ []string) error { return a.boot(c.Context()) }
	root := &cobra.Command{
		Use: name, Short: "bring the settings to the version that boots", Long: about,
		Version: cli.Version(), SilenceErrors: true, SilenceUsage: true,
		Args: clihelp.NoArguments, RunE: run, CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(clihelp.UsageError)
	a.addFlags(root.PersistentFlags())
	clihelp.Use(root)
	now := &cobra.Command{
		Use: "run", Short: "migrate now; apiserver must not run", Args: clihelp.NoArguments, RunE: run,
		Example: "  systemctl stop apiserver.socket apiserver\n  migrator run --use-kept",
	}
	now.Flags().BoolVar(&a.useKept, "use-kept", false, "going back, take the settings that the older version had left, even if settings changed since")
	root.AddCommand(now, newStatus(a), newRehearse(a), newImport(a), newExport(a))
	root.AddCommand(clihelp.Completion(root, clihelp.CommandsAndOptions))
	return root
}

// addFlags adds the reference's options, and the root, from which all others follow.
func (a *app) addFlags(f *pflag.FlagSet) {
	f.Func("root", "work below this folder, such as a sandbox: `DIR` (default /)", cli.SetRoot(&a.root))
	f.StringVar(&a.datastore, "datastore-path", "", "the datastore's file, or the reference's link current beside it: `PATH`")
	f.StringVar(&a.cache.Targets, "migration-directory", "", "what updates have kept: `DIR`")
	f.StringVar(&a.cache.Metadata, "metadata-directory", "", "the metadata that proves it: `DIR`")
	f.StringVar(&a.cache.TrustedRoot, "root-path", "", "the image's root of trust: `FILE`")
	f.StringVar(&a.to, "migrate-to-version", "", "the `VERSION` to bring the settings to (default that of the image)")
	f.BoolVar(&a.fromOS, "migrate-to-version-from-os-release", false, "to that of the image: the default")
	f.Var(&a.level, "log-level", "what to tell on standard error: trace, debug, info, warn, error or off")
}

func (a *app) log() *slog.Logger { return cli.NewPlainLog(a.Err, a.level.Level()) }

// file is the datastore: what was given, or the root's. The reference's link
// current stands for our file beside it.
func (a *app) file() string {
	if a.datastore == "" {
		return a.root.Datastore()
	}
	if path := strings.TrimRight(a.datastore, "/"); filepath.Base(path) == "current" {
		return filepath.Join(filepath.Dir(path), filepath.Base(a.root.Datastore()))
	}
	return a.datastore
}

// caches are the folders that were given, and the root's for the others.
func (a *app) caches() migrate.Cache {
	c := migrate.CacheBelow(a.root)
	for _, given := range []struct{ to, from *string }{
		{&c.TrustedRoot, &a.cache.TrustedRoot}, {&c.Metadata, &a.cache.Metadata}, {&c.Targets, &a.cache.Targets},
	} {
		if *given.from != "" {
			*given.to = *given.from
		}
	}
	return c
}
