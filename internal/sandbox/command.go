package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

const about = `Try settings, templates and groups in a folder, without privileges.

A sandbox is a folder laid out like the root of a host. apiserver serves it with
--root DIR; files are rendered below it, and commands that a host would run are
only recorded. A sandbox isolates nothing: it is a folder of ordinary files.`

const nextSteps = `Sandbox of variant %[1]s in %[2]s

Serve it; this stays in the foreground:
  apiserver --root %[2]s

Then, in another terminal:
  apiclient --root %[2]s set motd="hi there"     change a setting
  cat %[2]s/etc/motd                             see the file that it drives
  apiclient --root %[2]s explain ntp             what a setting means
  hostler sandbox restarts %[2]s                 commands that a host would have run
  hostler sandbox fail %[2]s 'COMMAND LINE'      make one of them fail; "commands" lists them
`

// maxTrust bounds a root of trust, in bytes.
const maxTrust = 1 << 20

// Run is the command line "hostler sandbox" over assets: models, variants and templates.
func Run(assets fs.FS) cli.Program {
	return func(ctx context.Context, args []string, s cli.Streams) int {
		command := newCommand(assets)
		command.SetArgs(args[1:])
		command.SetIn(s.In)
		command.SetOut(s.Out)
		command.SetErr(s.Err)
		clihelp.Use(command)
		return cli.Report(s.Err, "hostler sandbox", command.ExecuteContext(ctx))
	}
}

func newCommand(assets fs.FS) *cobra.Command {
	command := &cobra.Command{
		Use: "sandbox COMMAND", Short: "try settings in a folder", Long: about,
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "hostler sandbox"},
		Args:        cobra.ArbitraryArgs, RunE: unknown,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	command.SetFlagErrorFunc(clihelp.UsageError)
	command.AddCommand(
		newNew(assets), newBoot(assets), newVariants(assets), newFault(service.Fail), newFault(service.Hang), newHeal(),
		newPrint("commands", "print the commands that can fail or hang, and which shall", PrintCommands),
		newPrint("restarts", "print the commands that a host would have run", PrintRestarts),
		newDisk(),
	)
	clihelp.CompleteValues(command)
	return command
}

func newNew(assets fs.FS) *cobra.Command {
	options := Options{Version: releaseVersion(cli.Version())}
	var trust string
	command := &cobra.Command{
		Use: "new DIR", Short: "lay out a sandbox in a new or empty folder",
		Example: "  hostler sandbox new /tmp/box --variant aws-dev\n  hostler sandbox new /tmp/box --os-version 1.0.0 --trust roots/1.root.json", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if _, err := manifest.ParseVersion(options.Version); err != nil {
				return clihelp.UsageError(c, fmt.Errorf("--os-version: %w", err))
			}
			if trust != "" {
				if options.Trust, err = cli.ReadInput(trust, c.InOrStdin(), maxTrust); err != nil {
					return err
				}
			}
			root, err := New(assets, args[0], options)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), nextSteps, options.Variant, string(root))
			return nil
		},
	}
	command.Flags().StringVar(&options.Variant, "variant", "metal-dev", "`VARIANT` of the host that it stands for")
	_ = command.RegisterFlagCompletionFunc("variant", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		names, _ := model.Variants(assets)
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	command.Flags().StringVar(&options.Version, "os-version", options.Version, "`VERSION` of the image that it stands for")
	command.Flags().StringVar(&trust, "trust", "", "root of trust of the repository that updates come from: a `FILE` such as 1.root.json")
	command.Flags().BoolVar(&options.Renew, "force", false, "renew an existing sandbox's models, variants and templates")
	return command
}

// releaseVersion is the version of a build in the form of an operating
// system's: a semantic version without "v".
func releaseVersion(build string) string {
	version := strings.TrimPrefix(build, "v")
	if _, err := manifest.ParseVersion(version); err != nil {
		return "0.0.0-devel"
	}
	return version
}

func newVariants(assets fs.FS) *cobra.Command {
	return &cobra.Command{
		Use: "variants", Short: "list the variants", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			names, err := model.Variants(assets)
			if err != nil {
				return err
			}
			return printLines(c.OutOrStdout(), names)
		},
	}
}

func newFault(fault service.Fault) *cobra.Command {
	var once bool
	name := string(fault)
	command := &cobra.Command{
		Use: name + " DIR 'COMMAND LINE'", Short: "make a command " + name + " from its next run on",
		Example: "  hostler sandbox " + name + " /tmp/box '/usr/bin/corndog sysctl'", Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			root, err := Open(args[0])
			if err != nil {
				return err
			}
			if err := checkCommand(root, args[0], args[1]); err != nil {
				return err
			}
			fault := fault
			if once {
				fault = fault.Once()
			}
			if err := SetFault(root, args[1], fault); err != nil {
				return err
			}
			return printLines(c.OutOrStdout(), []string{fmt.Sprintf("'%s' will %s", args[1], fault)})
		},
	}
	command.Flags().BoolVar(&once, "once", false, "only at its next run")
	return command
}

func newHeal() *cobra.Command {
	return &cobra.Command{
		Use: "heal DIR ['COMMAND LINE']", Short: "let a command, or all, succeed again", Args: between(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			root, err := Open(args[0])
			if err != nil {
				return err
			}
			healed, err := Heal(root, append(args, "")[1])
			if err != nil {
				return err
			}
			for _, command := range slices.Sorted(maps.Keys(healed)) {
				fmt.Fprintf(c.OutOrStdout(), "'%s' will no longer %s\n", command, healed[command])
			}
			return nil
		},
	}
}

func newPrint(name, short string, print func(io.Writer, paths.Root) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " DIR", Short: short, Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			root, err := Open(args[0])
			if err != nil {
				return err
			}
			return print(c.OutOrStdout(), root)
		},
	}
}

func printLines(w io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// unknown runs when no command matches: without any, it shows the help.
func unknown(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	return clihelp.NoCommand(c, args)
}

func exactly(n int) cobra.PositionalArgs { return between(n, n) }

func between(low, high int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= low && len(args) <= high {
			return nil
		}
		if len(args) < low {
			return clihelp.UsageError(c, errors.New("an argument is missing"))
		}
		return clihelp.UsageError(c, fmt.Errorf("unexpected argument '%s'", args[high]))
	}
}
