package lint

import (
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/model"
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
			return printSchema(c.OutOrStdout(), m)
		},
	}
	c.Flags().StringVar(&variant, "variant", "", "of this `VARIANT`; default that of the image")
	c.Flags().StringVar(&root, "root", string(paths.Host), "of the image below this folder: `DIR`")
	return execute(ctx, c, args, s)
}

// printSchema wraps the settings' schema in that of a document, which may have
// tables for other programs.
func printSchema(w io.Writer, m *model.Model) error {
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(m.Schema(), &settings); err != nil {
		return err
	}
	definitions, dialect := settings["$defs"], settings["$schema"]
	for _, outer := range []string{"$defs", "$schema", "$id"} {
		delete(settings, outer)
	}
	text, err := json.Marshal(map[string]any{
		"$schema": dialect, "title": "User data of variant " + m.Variant(), "type": "object",
		"required": []string{"settings"}, "properties": map[string]any{"settings": settings}, "$defs": definitions,
	})
	if err != nil {
		return err
	}
	if text, err = cli.IndentJSON(text); err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
