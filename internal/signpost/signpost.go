package signpost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/nearest"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
)

const name = "signpost"

// Run is a cli.Program.
func Run(ctx context.Context, args []string, s cli.Streams) int {
	command := NewCommand(name, s)
	command.AddCommand(clihelp.Completion(command, clihelp.CommandsAndOptions))
	command.SetArgs(args[min(1, len(args)):])
	return Report(s, name, command.ExecuteContext(ctx))
}

// Report prints the error of a command and returns its exit code: 1, for wrong
// usage too, as with the reference, whose refusals are printed as they are.
func Report(s cli.Streams, called string, err error) int {
	if refusal, ok := errors.AsType[*slot.Refusal](err); ok {
		return cli.Report(s.Err, "", &api.Error{Code: api.CodeConflict, Message: refusal.Error(), Hint: refusal.Hint()})
	}
	if wrong, ok := errors.AsType[*usageError](err); ok {
		fmt.Fprintf(s.Err, "%s\n", synopsis(called))
		err = &api.Error{Code: api.CodeInvalid, Message: wrong.message, Hint: cmp.Or(wrong.hint, called+" --help lists the sub-commands and options")}
	}
	if errors.Is(err, fs.ErrPermission) {
		err = &api.Error{Code: api.CodeForbidden, Message: err.Error(), Hint: "the disk of the host is root's; --disk FILE --active A tries things on an image"}
	}
	return cli.Report(s.Err, called, err)
}

// usageError is wrong usage; what is right is printed before it. Without a hint
// it gets that of the help.
type usageError struct{ message, hint string }

func (e *usageError) Error() string { return e.message }

func wrongUsage(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// app is one run of the program: its streams and options.
type app struct {
	cli.Streams
	root   paths.Root
	disk   string
	active string
	format cli.Format
}

// NewCommand is the command line under a name.
func NewCommand(called string, s cli.Streams) *cobra.Command {
	a := &app{Streams: s, root: paths.Host, format: cli.FormatTable}
	root := &cobra.Command{
		Use: called + " SUBCOMMAND", Short: "show and change which set of partitions boots",
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: called}, // "updog slot" is two words
		Version:     cli.Version(), SilenceErrors: true, SilenceUsage: true,
		Args: cobra.ArbitraryArgs, RunE: unknown,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetHelpFunc(func(*cobra.Command, []string) { fmt.Fprintln(s.Out, usage(called)) })
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if c == root && c.Flags().NArg() > 0 { // a word that is none is told before a flag behind it
			return unknown(c, c.Flags().Args())
		}
		return wrongUsage("%v", err)
	})
	f := root.PersistentFlags()
	f.Func("root", "the disk of the sandbox `DIR`", cli.SetRoot(&a.root))
	f.StringVar(&a.disk, "disk", "", "a disk or an image `FILE` that the host does not run from")
	f.StringVar(&a.active, "active", "", "the `SET` on it that counts as the running one: A or B")
	f.VarP(&a.format, "output", "o", "how status prints: table, json or yaml")
	for _, sub := range subcommands {
		root.AddCommand(sub.command(a))
	}
	return root
}

func unknown(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return wrongUsage("missing sub-command")
	}
	e := &usageError{message: fmt.Sprintf("no sub-command '%s'", args[0])}
	if near := nearest.Name(args[0], names()); near != "" {
		e.hint = fmt.Sprintf("did you mean '%s %s'?", c.CommandPath(), near)
	}
	return e
}

// names are those of the sub-commands.
func names() []string {
	var names []string
	for _, sub := range subcommands {
		names = append(names, sub.name)
	}
	return names
}

// open is the disk that the options name: by default the one that the host runs from.
func (a *app) open() (*slot.Disk, error) {
	disk, err := slot.Named(a.root, a.disk, a.active)
	if wrong, ok := errors.AsType[slot.OptionError](err); ok {
		return nil, wrongUsage("%v", wrong)
	}
	if err != nil && a.disk == "" {
		return nil, &api.Error{Code: api.CodeNotFound, Message: err.Error(), Hint: "--disk FILE --active A|B names a disk or an image, --root DIR a sandbox that has one"}
	}
	return disk, err
}
