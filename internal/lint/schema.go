package lint

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/paths"
)

const schemaHelp = `Prints the JSON Schema of user data, by which editors check and complete TOML.

Save it, and name it in the first line of user data:
  #:schema ./user-data.schema.json

Without --variant it is that of the image below the root.`

// Schema is the program schema.
func Schema(ctx context.Context, args []string, s cli.Streams) int {
	var variant, root string
	c := &cobra.Command{
		Use: "schema", Short: "print the JSON Schema of a variant's user data, for editors", Long: schemaHelp,
		Example: "  hostler schema --variant aws-dev > user-data.schema.json",
		Args:    clihelp.NoArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			m, err := loadModel(paths.Root(root), variant)
			if err != nil {
				return err
			}
			text, err := cli.IndentJSON(m.UserDataSchema())
			if err != nil {
				return err
			}
			_, err = cli.JSON(c.OutOrStdout()).Write(text)
			return err
		},
	}
	c.Flags().StringVar(&variant, "variant", "", "of this `VARIANT`; default that of the image")
	completeVariants(c, func() paths.Root { return paths.Root(root) })
	c.Flags().StringVar(&root, "root", string(paths.Host), "of the image below this folder: `DIR`")
	return execute(ctx, c, args, s)
}
