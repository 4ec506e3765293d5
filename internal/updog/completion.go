package updog

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/signpost"
)

// shellCommand answers shells that complete a command line.
func shellCommand(ctx context.Context, args []string, s cli.Streams) int {
	root := tree(s)
	root.SetArgs(args)
	return cli.Report(s.Err, name, root.ExecuteContext(ctx))
}

// tree is the command line as shells complete it, made from the tables by which it is parsed.
func tree(s cli.Streams) *cobra.Command {
	root := &cobra.Command{
		Use: name, Short: "find and install updates", SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	for _, word := range commandNames() {
		if c := find(word); c != nil {
			root.AddCommand(c.shell(word))
		}
	}
	slot := signpost.NewCommand(name+" slot", s)
	slot.Use = "slot"
	root.AddCommand(slot)
	root.AddCommand(clihelp.Completion(root, clihelp.CommandsAndOptions))
	clihelp.Use(root)
	return root
}

// shell is a sub-command with its options: all have them in common.
func (c *command) shell(word string) *cobra.Command {
	sub := &cobra.Command{Use: word, ValidArgsFunction: cobra.NoFileCompletions, Run: func(*cobra.Command, []string) {}}
	for _, f := range flags {
		short := ""
		for _, name := range f.names {
			long, isLong := strings.CutPrefix(name, "--")
			switch {
			case !isLong:
				short = strings.TrimPrefix(name, "-")
				continue
			case f.value == "":
				sub.Flags().BoolP(long, short, false, "")
			default:
				sub.Flags().StringP(long, short, "", "`"+f.value+"`")
			}
			short = ""
		}
	}
	return sub
}
