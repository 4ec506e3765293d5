// Package sundog is the program sundog: it brings the settings of a booting
// host together and has every file rendered, once.
//
// Start with [Run], the command line, and with boot.go, the chain of phases:
//
//	user-data    documents of the providers are checked and staged
//	commit       what is staged becomes the layer user-data
//	generators   programs make the settings that have no value
//	apply        generated settings are committed, all files rendered
//
// A phase that fails is named in the boot report (package bootlog) and in the
// journal. The programs that the reference has for single phases, such as
// early-boot-config, are in programs.go.
//
// It speaks to apiserver as any client does; it knows neither the datastore nor
// how files are rendered.
package sundog

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/lint"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/userdata"
)

const name = "sundog"

// launch is the transaction that boot programs stage settings in.
const launch = "bottlerocket-launch"

// app is one run of a program: its streams and global options.
type app struct {
	cli.Streams
	name   string
	root   paths.Root
	socket string
	level  cli.Level
}

// Run is the program sundog.
func Run(ctx context.Context, args []string, s cli.Streams) int {
	a := &app{Streams: s, name: name, root: paths.Host}
	root := newRoot(a)
	if len(args) > 0 {
		root.SetArgs(args[1:])
	}
	return cli.Report(s.Err, name, root.ExecuteContext(ctx))
}

const about = `Brings the settings of a booting host together: user data is loaded at the first
boot, setting generators make what has no value, and every file is rendered.

  sundog                          boot: all phases, as the host's units call it
  sundog userdata reload          load user data again, and apply what changed
  sundog lint FILE                check user data without a server

What a boot did: apiclient status --boot last.

Exit codes: 0 the host is configured, perhaps without something that is named;
1 it is not; 2 wrong usage.`

func newRoot(a *app) *cobra.Command {
	var phases []string
	run := func(c *cobra.Command, _ []string) error { return a.boot(c.Context(), phases) }
	root := &cobra.Command{
		Use: name, Short: "bring the settings of a booting host together", Long: about,
		Version: cli.Version(), SilenceErrors: true, SilenceUsage: true,
		Args: clihelp.NoArguments, RunE: run, CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(clihelp.UsageError)
	clihelp.Use(root)
	a.addFlags(root.PersistentFlags())
	boot := &cobra.Command{Use: "boot", Short: "run the phases of a boot", Args: clihelp.NoArguments, RunE: run}
	for _, c := range []*cobra.Command{root, boot} {
		c.Flags().StringSliceVar(&phases, "phase", nil, "only these `PHASES`: user-data, commit, generators, apply; default what the variant says, or all")
	}
	root.AddCommand(boot, newUserData(a), lint.Command(func() paths.Root { return a.root }))
	root.AddCommand(clihelp.Completion(root, clihelp.CommandsAndOptions))
	return root
}

// addFlags adds the options that all programs here share; the reference has the last two.
func (a *app) addFlags(f *pflag.FlagSet) {
	f.Func("root", "work below this folder, such as a sandbox: `DIR` (default /)", cli.SetRoot(&a.root))
	f.StringVar(&a.socket, "socket-path", "", "socket of the API `PATH` (default run/api.sock below the root)")
	f.Var(&a.level, "log-level", "what to tell on standard error: trace, debug, info, warn, error or off")
}

func (a *app) log() *slog.Logger { return cli.NewPlainLog(a.Err, a.level.Level()) }

func (a *app) client(log *slog.Logger) *client.Client {
	socket := a.socket
	if socket == "" {
		socket = a.root.Socket()
	}
	return &client.Client{Socket: socket, Log: log}
}

// variant is the image's, and how it boots.
func (a *app) variant() (string, model.Boot, error) {
	share := os.DirFS(a.root.Share())
	variant, err := model.ImageVariant(share)
	if err != nil {
		return "", model.Boot{}, &api.Error{
			Code: api.CodeNotFound, Message: fmt.Sprintf("%v, in %s", err, a.root.Share()),
			Hint: "the image names it there; a sandbox is laid out with: hostler sandbox new DIR --variant NAME",
		}
	}
	boot, err := model.ReadBoot(share, variant)
	if err != nil {
		return "", boot, err
	}
	return variant, withDefaults(boot), userdata.CheckNames(boot.Providers)
}

// What a variant does not say.
const (
	defaultDeadline = 60 * time.Second
	defaultParallel = 8
)

func withDefaults(b model.Boot) model.Boot {
	if b.Providers == nil {
		b.Providers = userdata.Defaults()
	}
	if b.Deadline == 0 {
		b.Deadline = defaultDeadline
	}
	if b.Parallel == 0 {
		b.Parallel = defaultParallel
	}
	if b.Phases == nil {
		b.Phases = []string{api.PhaseUserData, api.PhaseCommit, api.PhaseGenerators, api.PhaseApply}
	}
	return b
}
