package apiclient

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
)

// maxLint is the most that user data may have, in bytes.
const maxLint = 1 << 20

func newLint(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "lint FILE",
		Short: "check user data as a boot would",
		Long: `Finds all that is wrong with a file of user data, compressed or not, and changes
nothing: each problem with line, column, key, what was expected and what to do.
The server judges, by the very code that a boot runs; 'sundog lint' does the
same without a server.`,
		Example: "  apiclient lint user-data.toml\n  apiclient lint - < user-data.toml -o json",
		Args:    exactlyOne("file"),
	}
	f := cli.FormatTable
	clihelp.Output(c, &f)
	variant := c.Flags().String("variant", "", "judge by the model of this `VARIANT` instead of the host's own")
	c.RunE = runE(func(ctx context.Context, args []string) error {
		doc, err := cli.ReadInput(args[0], a.In, maxLint)
		if err != nil {
			return failed("Failed to read user data", err)
		}
		result, err := a.client().Lint(ctx, doc, *variant)
		if err != nil {
			return failed("Failed to check user data", err)
		}
		return cli.PrintLint(a.Out, args[0], *result, f)
	})
	return c
}
