// Package clihelp is how --help of all programs looks that are made with cobra.
//
// Start with [Use], which gives a program this look. It is kept apart from
// package cli so that programs without cobra do not link it.
package clihelp

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hostler-os/hostler/internal/cli"
)

// Use gives a program's commands the help of this package, on standard output,
// and the options that show it and the version, if it has none of its own. The
// program has its streams already.
//
// The version keeps cobra's own form: a template for it would keep the linker
// from leaving out what nobody calls, which is 3 MiB of the host's programs.
func Use(root *cobra.Command) {
	if root.PersistentFlags().Lookup("help") == nil {
		root.PersistentFlags().BoolP("help", "h", false, "show help")
	}
	if root.Version != "" && root.Flags().Lookup("version") == nil {
		root.Flags().Bool("version", false, "print the version")
	}
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { Print(c.OutOrStdout(), c) })
}

// Output gives a command the option -o: how its result is printed.
func Output(c *cobra.Command, f *cli.Format) {
	c.Flags().VarP(f, "output", "o", "print as `FORMAT`: "+strings.Join(cli.Formats, ", "))
	c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(cli.Formats, cobra.ShellCompDirectiveNoFileComp))
}

// UseLine is the forms of a command line, one a line.
func UseLine(c *cobra.Command) string {
	if c.HasParent() {
		return c.Parent().CommandPath() + " " + c.Use
	}
	if name := c.Annotations[cobra.CommandDisplayNameAnnotation]; name != "" { // it is a part of another program
		return name + strings.TrimPrefix(c.Use, c.Name())
	}
	return c.Use
}

// Names are the names of the commands directly below c.
func Names(c *cobra.Command) []string {
	var names []string
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			names = append(names, child.Name())
		}
	}
	return names
}

// Print writes the help of a command.
func Print(w io.Writer, c *cobra.Command) {
	text := c.Long
	if text == "" {
		text = strings.ToUpper(c.Short[:1]) + c.Short[1:] + "."
	}
	fmt.Fprintf(w, "%s\n\nUsage:\n  %s\n", text, strings.ReplaceAll(UseLine(c), "\n", "\n  "))
	if c.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", c.Example)
	}
	for _, g := range c.Groups() {
		printCommands(w, g.Title, c, g.ID)
	}
	if len(c.Groups()) == 0 {
		printCommands(w, "Commands:", c, "")
	}
	printFlags(w, "Options:", c.NonInheritedFlags())
	printFlags(w, "Global options:", c.InheritedFlags())
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nRun '%s COMMAND --help' for more about a command.\n", c.CommandPath())
	}
}

func printCommands(w io.Writer, title string, c *cobra.Command, group string) {
	width := 0
	for _, name := range Names(c) {
		width = max(width, len(name))
	}
	for _, child := range c.Commands() {
		if !child.IsAvailableCommand() || child.GroupID != group {
			continue
		}
		if title != "" {
			fmt.Fprintf(w, "\n%s\n", title)
			title = ""
		}
		fmt.Fprintf(w, "  %-*s  %s\n", width, child.Name(), child.Short)
	}
}

func printFlags(w io.Writer, title string, flags *pflag.FlagSet) {
	if flags.HasAvailableFlags() {
		fmt.Fprintf(w, "\n%s\n%s", title, flags.FlagUsages())
	}
}
