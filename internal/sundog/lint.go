package sundog

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	assets "github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/userdata"
)

const lintHelp = `Finds all that is wrong with user data, as a boot would: with line, column, key,
what was expected and what to do. It needs no server: the model is the image's,
or, where there is none, the one that this program brings along.

Exit codes: 0 a boot takes it; 1 a boot refuses it; 2 wrong usage.`

func newLint(a *app) *cobra.Command {
	var variant string
	format := cli.FormatTable
	c := &cobra.Command{
		Use: "lint FILE", Short: "check user data without a server", Long: lintHelp,
		Example: "  sundog lint user-data.toml --variant aws-dev\n  sundog lint - < user-data.toml",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return usage(c, errors.New("one file is wanted, - for standard input"))
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.lint(args[0], variant, format) },
	}
	c.Flags().StringVar(&variant, "variant", "", "judge by the model of this `VARIANT`; default that of the image")
	c.Flags().VarP(&format, "output", "o", "how to print: table, json or yaml")
	return c
}

func (a *app) lint(file, variant string, format cli.Format) error {
	doc, err := cli.ReadInput(file, a.In, userdata.MaxRaw)
	if err != nil {
		return err
	}
	m, err := LoadModel(a.root, variant)
	if err != nil {
		return err
	}
	result := userdata.Lint(doc, m.ParseTree)
	result.Variant = m.Variant()
	return cli.PrintLint(a.Out, file, result, format)
}

// LoadModel loads a variant's model: from the image below root if that has one,
// else from what is embedded. An empty variant is the image's own.
func LoadModel(root paths.Root, variant string) (*model.Model, error) {
	var share fs.FS = os.DirFS(root.Share())
	text, err := os.ReadFile(root.Variant())
	if err != nil {
		share = assets.Assets
	}
	if variant == "" {
		variant = strings.TrimSpace(string(text))
	}
	if variant == "" {
		known, err := model.Variants(share)
		if err != nil {
			return nil, err
		}
		return nil, &cli.ExitError{Code: cli.ExitUsage, Err: &api.Error{
			Code: api.CodeInvalid, Message: "this machine is of no variant", Hint: "name one with --variant: " + strings.Join(known, ", "),
		}}
	}
	return model.Load(share, variant)
}
