package apiclient

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// printHelp writes the help of a command.
func printHelp(w io.Writer, c *cobra.Command) {
	text := c.Long
	if text == "" {
		text = strings.ToUpper(c.Short[:1]) + c.Short[1:] + "."
	}
	fmt.Fprintf(w, "%s\n\nUsage:\n  %s\n", text, strings.ReplaceAll(useLine(c), "\n", "\n  "))
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
	for _, name := range commandNames(c) {
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
