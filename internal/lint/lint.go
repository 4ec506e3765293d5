package lint

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	assets "github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/userdata"
)

const help = `Finds all that is wrong with user data, as a boot would: with line, column, key,
what was expected and what to do. It needs no server: the model is the image's,
or, where there is none, the one that this program brings along.

Exit codes: 0 a boot takes it; 1 a boot refuses it; 2 wrong usage.`

// Run is the program lint.
func Run(ctx context.Context, args []string, s cli.Streams) int {
	root := paths.Host
	c := Command(func() paths.Root { return root })
	c.Flags().StringVar((*string)(&root), "root", string(paths.Host), "judge by the image below this folder: `DIR`")
	return execute(ctx, c, args, s)
}

// execute runs a command that is a program of its own, a part of hostler.
func execute(ctx context.Context, c *cobra.Command, args []string, s cli.Streams) int {
	c.SilenceErrors, c.SilenceUsage = true, true
	c.CompletionOptions = cobra.CompletionOptions{DisableDefaultCmd: true}
	c.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "hostler " + c.Name()}
	c.SetIn(s.In)
	c.SetOut(s.Out)
	c.SetErr(s.Err)
	clihelp.Use(c)
	c.SetFlagErrorFunc(clihelp.UsageError)
	c.SetArgs(args[min(1, len(args)):])
	return cli.Report(s.Err, "hostler "+c.Name(), c.ExecuteContext(ctx))
}

// Command is "lint FILE" for a program; root is where the image is.
func Command(root func() paths.Root) *cobra.Command {
	var variant string
	format := cli.FormatTable
	c := &cobra.Command{
		Use: "lint FILE", Short: "check user data without a server", Long: help,
		Example: "  sundog lint user-data.toml --variant aws-dev\n  sundog lint - < user-data.toml",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return clihelp.UsageError(c, errors.New("one file is wanted, - for standard input"))
		},
		RunE: func(c *cobra.Command, args []string) error {
			result, err := judge(root(), variant, args[0], c.InOrStdin())
			if err != nil {
				return err
			}
			return cli.PrintLint(c.OutOrStdout(), args[0], result, format)
		},
	}
	c.Flags().StringVar(&variant, "variant", "", "judge by the model of this `VARIANT`; default that of the image")
	completeVariants(c, root)
	clihelp.Output(c, &format)
	return c
}

func judge(root paths.Root, variant, file string, in io.Reader) (api.LintResult, error) {
	doc, err := cli.ReadInput(file, in, userdata.MaxRaw)
	if err != nil {
		return api.LintResult{}, err
	}
	m, err := loadModel(root, variant)
	if err != nil {
		return api.LintResult{}, err
	}
	result := userdata.Lint(doc, m.ParseTree)
	result.Variant = m.Variant()
	return result, nil
}

// completeVariants lets shells complete the option --variant.
func completeVariants(c *cobra.Command, root func() paths.Root) {
	_ = c.RegisterFlagCompletionFunc("variant", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		share, _ := share(root())
		names, _ := model.Variants(share)
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

// share is what the image below root brings, and which variant it is; without
// an image, what is embedded.
func share(root paths.Root) (fs.FS, string) {
	share := os.DirFS(root.Share())
	own, err := model.ImageVariant(share)
	if err != nil {
		return assets.Assets, ""
	}
	return share, own
}

// loadModel loads a variant's model: from the image below root if that has one,
// else from what is embedded. An empty variant is the image's own.
func loadModel(root paths.Root, variant string) (*model.Model, error) {
	share, own := share(root)
	variant = cmp.Or(variant, own)
	if variant != "" {
		return model.Load(share, variant)
	}
	known, err := model.Variants(share)
	if err != nil {
		return nil, err
	}
	return nil, &cli.ExitError{Code: cli.ExitUsage, Err: &api.Error{
		Code: api.CodeInvalid, Message: "this machine is of no variant", Hint: "name one with --variant: " + strings.Join(known, ", "),
	}}
}
