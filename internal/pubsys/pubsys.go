// Package pubsys is the program pubsys: a publisher makes keys and roots of
// trust with it, and publishes releases in signed repositories. It belongs to
// the publisher's tools, not on hosts.
//
// [Run] is the whole program. Where a repository is, and with what it is
// signed, is in site.go; what a release is made of in release.go; the other
// commands stand in a file each. Signing and writing are the affair of package
// tufrepo/publish, what a manifest says that of update/manifest.
package pubsys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clidoc"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/publish"
	"github.com/hostler-os/hostler/internal/tufrepo/signer"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

const name = "pubsys"

const help = `Publish releases in signed repositories.

A repository is a folder that any web server can serve: DIR/VARIANT/ARCH has the
metadata, DIR/targets the files. Whatever is published is proved with a client's
own code before, and a client that reads at any instant sees the old state or
the new one, whole. A command that was interrupted is simply run again.

Exit codes: 0 ok, 1 failed, 2 usage.`

// Run is a cli.Program.
func Run(ctx context.Context, args []string, s cli.Streams) int {
	now, err := cli.Clock(ctx)
	if err != nil {
		return cli.Report(s.Err, name, err)
	}
	return run(ctx, args, s, now, durable.OS{})
}

// run is Run with a clock and a file system.
func run(ctx context.Context, args []string, s cli.Streams, now func() time.Time, fsys durable.FS) int {
	a := &app{Streams: s, now: now, fs: fsys, level: cli.Level(slog.LevelWarn)}
	root := a.root()
	root.SetArgs(args[min(1, len(args)):])
	err := root.ExecuteContext(ctx)
	if hint := hint(err); hint != "" {
		err = withHint(err, hint)
	}
	return cli.Report(s.Err, name, err)
}

// hint is what a person can do about an error, whoever knows it.
func hint(err error) string {
	if err == nil {
		return ""
	}
	if _, ok := errors.AsType[*api.Error](err); ok {
		return "" // it has its own
	}
	for _, find := range []func(error) string{publish.Hint, signer.Hint, tufrepo.Hint} {
		if text := find(err); text != "" {
			return text
		}
	}
	if gap, ok := errors.AsType[*manifest.GapError](err); ok {
		return gap.Hint()
	}
	if full(err) {
		return "free some space where that file is, and run the same command again; what is published is as before"
	}
	return ""
}

// full tells whether a disk takes nothing more.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// withHint keeps an exit code that err has.
func withHint(err error, hint string) error {
	hinted := &api.Error{Code: api.CodeInternal, Message: err.Error(), Hint: hint}
	if e, ok := errors.AsType[*cli.ExitError](err); ok {
		return &cli.ExitError{Code: e.Code, Err: hinted}
	}
	return hinted
}

func hintf(hint, format string, args ...any) error {
	return &api.Error{Code: api.CodeInternal, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// app is one run of the program.
type app struct {
	cli.Streams
	now   func() time.Time
	fs    durable.FS
	level cli.Level
}

// log tells what deserves attention; results go to standard output.
func (a *app) log() *slog.Logger { return cli.NewPlainLog(a.Err, a.level.Level()) }

func (a *app) printf(format string, args ...any) {
	fmt.Fprintf(cli.People(a.Out), format, args...)
}

// aliases are the reference's names of flags.
var aliases = map[string]string{
	"infra-config-path":           "infra",
	"outdir":                      "dir",
	"root-role-path":              "root",
	"default-key-path":            "key",
	"repo-expiration-policy-path": "expiry",
	"release-config-path":         "release-file",
	"wave-policy-path":            "waves",
	"release-start-time":          "start",
	"expiration-limit":            "within",
	"unsafe-refresh":              "allow-expired",
	"link-target":                 "copy-target",
}

const (
	groupKeys     = "keys"
	groupReleases = "releases"
	groupUpkeep   = "upkeep"
	groupOther    = "other"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "pubsys COMMAND", Short: "publish releases in signed repositories", Long: help, Version: cli.Version(),
		SilenceErrors: true, SilenceUsage: true, Args: cobra.ArbitraryArgs, RunE: clihelp.NoCommand,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(clihelp.UsageError)
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if ours, ok := aliases[name]; ok {
			name = ours
		}
		return pflag.NormalizedName(name)
	})
	root.PersistentFlags().Var(&a.level, "log-level", "what to tell on standard error: trace, debug, info, warn, error or off")
	clihelp.Use(root)
	root.AddGroup(
		&cobra.Group{ID: groupKeys, Title: "Keys and trust:"}, &cobra.Group{ID: groupReleases, Title: "Releases:"},
		&cobra.Group{ID: groupUpkeep, Title: "Upkeep:"}, &cobra.Group{ID: groupOther, Title: "Other:"},
	)
	root.SetHelpCommandGroupID(groupOther)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupKeys, a.keysCommand(), a.rootCommand())
	add(groupReleases, a.releaseCommand(), a.listCommand(), a.waveCommand(), a.maxVersionCommand(), a.unpublishCommand())
	add(groupUpkeep, a.refreshCommand(), a.checkExpirations(), a.validateCommand(), a.bundleCommand(), a.pruneCommand())
	add(groupOther, manCommand(root))
	add(groupOther, clihelp.Completion(root, clihelp.CommandsAndOptions))
	return root
}

// manCommand is for packagers.
func manCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "write the manual pages into a folder", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return clidoc.WriteManPages(root, args[0]) },
	}
}

// arguments makes wrong arguments a fault of usage.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return clihelp.UsageError(c, err)
		}
		return nil
	}
}

// require makes flags required.
func require(c *cobra.Command, names ...string) {
	c.PreRunE = func(*cobra.Command, []string) error {
		for _, name := range names {
			if !c.Flags().Changed(name) {
				return clihelp.UsageError(c, fmt.Errorf("--%s is required", name))
			}
		}
		return nil
	}
}

// confirmed asks if somebody sits there; otherwise whoever runs the command has decided.
func (a *app) confirmed(question string, yes bool) error {
	if yes || !cli.IsTerminal(a.Out) || !cli.IsTerminal(os.Stdin) {
		return nil
	}
	fmt.Fprintf(a.Err, "%s [y/N] ", question)
	var answer string
	if _, err := fmt.Fscanln(a.In, &answer); err != nil || !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return errors.New("not confirmed: nothing was done")
	}
	return nil
}
