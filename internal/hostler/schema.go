package hostler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/sundog"
)

// lint is `sundog lint`.
func lint(ctx context.Context, args []string, s cli.Streams) int {
	return sundog.Run(ctx, slices.Concat([]string{"sundog", "lint"}, args[1:]), s)
}

const schemaHelp = `Prints the JSON Schema of user data, by which editors check and complete TOML.

Usage:
  hostler schema [--variant VARIANT] [--root DIR]

Save it, and name it in the first line of user data:
  #:schema ./user-data.schema.json

Without --variant it is that of the image below the root.
`

// schema prints what an editor needs to know of user data.
func schema(_ context.Context, args []string, s cli.Streams) int {
	f := pflag.NewFlagSet("schema", pflag.ContinueOnError)
	f.SetOutput(s.Err)
	f.Usage = func() {}
	variant := f.String("variant", "", "")
	root := f.String("root", string(paths.Host), "")
	err := f.Parse(args[1:])
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("unexpected argument '%s'", f.Arg(0))
	}
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(s.Out, schemaHelp)
		return cli.ExitOK
	case err != nil:
		return cli.Report(s.Err, "hostler schema", &cli.ExitError{Code: cli.ExitUsage, Err: err})
	}
	return cli.Report(s.Err, "hostler schema", printSchema(s, paths.Root(*root), *variant))
}

// printSchema wraps the settings' schema in that of a document, which may have
// tables for other programs.
func printSchema(s cli.Streams, root paths.Root, variant string) error {
	m, err := sundog.LoadModel(root, variant)
	if err != nil {
		return err
	}
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
	_, err = s.Out.Write(text)
	return err
}
