// Package clidoc writes the reference of a program from its cobra commands:
// manual pages for hosts, Markdown for the documentation.
//
// Start with [Markdown] or [WriteManPages]. It says nothing that --help does
// not say, and is kept apart from package cli so that programs without cobra do
// not link it.
package clidoc

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands are the visible commands below c, c first, each before its children.
func commands(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() && child.Name() != "help" {
			all = append(all, commands(child)...)
		}
	}
	return all
}

// usage is the forms of a command line, one a line.
func usage(c *cobra.Command) string {
	if c.HasParent() {
		return c.Parent().CommandPath() + " " + c.Use
	}
	return c.Use
}

func description(c *cobra.Command) string {
	if c.Long != "" {
		return c.Long
	}
	return strings.ToUpper(c.Short[:1]) + c.Short[1:] + "."
}

// option is one flag as it is documented.
type option struct{ names, usage string }

func options(flags *pflag.FlagSet) []option {
	var all []option
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		names := "--" + f.Name
		if f.Shorthand != "" {
			names = "-" + f.Shorthand + ", " + names
		}
		all = append(all, option{strings.TrimSpace(names + " " + value), text})
	})
	return all
}

// WriteManPages writes one page of section 1 for each command into dir.
func WriteManPages(root *cobra.Command, dir string) error {
	for _, c := range commands(root) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(manPage(c)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func manPage(c *cobra.Command) string {
	var b strings.Builder
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1 \"\" Hostler \"Hostler\"\n", roff(strings.ToUpper(name)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.nf\n%s\n.fi\n", roff(usage(c)))
	fmt.Fprintf(&b, ".SH DESCRIPTION\n.nf\n%s\n.fi\n", roff(description(c)))
	manOptions(&b, "OPTIONS", c.NonInheritedFlags())
	manOptions(&b, "GLOBAL OPTIONS", c.InheritedFlags())
	if c.HasExample() {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(c.Example))
	}
	if names := related(c); len(names) > 0 {
		fmt.Fprintf(&b, ".SH SEE ALSO\n%s\n", roff(strings.Join(names, ", ")))
	}
	return b.String()
}

func manOptions(b *strings.Builder, title string, flags *pflag.FlagSet) {
	all := options(flags)
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	for _, o := range all {
		fmt.Fprintf(b, ".TP\n%s\n%s\n", roff(o.names), roff(o.usage))
	}
}

// related are the pages of the command above and those below.
func related(c *cobra.Command) []string {
	var names []string
	page := func(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") + "(1)" }
	if c.HasParent() {
		names = append(names, page(c.Parent()))
	}
	for _, child := range commands(c)[1:] {
		if child.Parent() == c {
			names = append(names, page(child))
		}
	}
	return names
}

// roff escapes what means something to the formatter.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\[u2026]`, "→", `\[->]`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

// Markdown is the whole reference of a program as one document.
func Markdown(root *cobra.Command) string {
	var b strings.Builder
	for _, c := range commands(root) {
		level := strings.Repeat("#", 1+strings.Count(c.CommandPath(), " "))
		fmt.Fprintf(&b, "%s %s\n\n", level, c.CommandPath())
		fmt.Fprintf(&b, "```\n%s\n```\n\n", usage(c))
		fmt.Fprintf(&b, "```text\n%s\n```\n\n", description(c))
		if c.HasExample() {
			fmt.Fprintf(&b, "Examples:\n\n```sh\n%s\n```\n\n", unindent(c.Example))
		}
		markdownOptions(&b, c)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func markdownOptions(b *strings.Builder, c *cobra.Command) {
	all := options(c.NonInheritedFlags())
	if len(all) == 0 {
		return
	}
	b.WriteString("| option | meaning |\n|---|---|\n")
	for _, o := range all {
		fmt.Fprintf(b, "| `%s` | %s |\n", o.names, strings.ReplaceAll(o.usage, "|", `\|`))
	}
	b.WriteString("\n")
}

func unindent(text string) string {
	return strings.TrimPrefix(strings.ReplaceAll(text, "\n  ", "\n"), "  ")
}
