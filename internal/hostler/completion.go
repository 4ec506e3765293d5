package hostler

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
)

// complete answers shells that complete a command line. How that of a program
// goes on, the program knows itself.
func complete(ctx context.Context, args []string, s cli.Streams) int {
	if len(args) > 2 {
		if p := find(args[1]); p != nil && p.typed {
			return p.run(ctx, append([]string{p.name, args[0]}, args[2:]...), s)
		}
	}
	root := &cobra.Command{
		Use: name, Short: "all programs in one file", SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	for _, p := range programs {
		root.AddCommand(&cobra.Command{Use: p.name, Short: p.summary, Run: func(*cobra.Command, []string) {}})
	}
	root.AddCommand(clihelp.Completion(root, "programs, their\ncommands and options."))
	clihelp.Use(root)
	root.SetArgs(args)
	return cli.Report(s.Err, name, root.ExecuteContext(ctx))
}
