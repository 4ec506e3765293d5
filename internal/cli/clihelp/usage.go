package clihelp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/nearest"
)

// UsageError is a wrong command line: the error, what would be right, and the
// exit code for it. It is a flag error function of cobra.
//
// A word that is no command is told before a flag behind it that nobody knows.
func UsageError(c *cobra.Command, err error) error {
	if word := Misspelt(c); word != "" {
		return NoCommand(c, []string{word})
	}
	text := err.Error()
	hint := MeantFlag(c, err)
	if line := UseLine(c); hint == "" && line != c.CommandPath() && !c.HasAvailableSubCommands() {
		text += "\nusage: " + line
	} else if hint == "" {
		hint = seeHelp(c)
	}
	return usageError(text, hint)
}

// NoCommand is the error of a command that only has others below it, and was
// given none of them.
func NoCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError("missing command", seeHelp(c))
	}
	hint := seeHelp(c)
	if near := meant(c, args[0]); near != "" {
		hint = fmt.Sprintf("did you mean '%s %s'?", c.CommandPath(), near)
	}
	return usageError(fmt.Sprintf("no command '%s'", args[0]), hint)
}

// meant is the command below c that a word stands for that is none.
func meant(c *cobra.Command, word string) string {
	for _, child := range c.Commands() {
		if slices.Contains(child.SuggestFor, word) {
			return child.Name()
		}
	}
	return nearest.Name(word, Names(c))
}

// NoArguments refuses arguments.
func NoArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return UsageError(c, fmt.Errorf("unexpected argument '%s'", args[0]))
}

// Misspelt is the word behind a command with others below it that is none of
// them, as far as its line could be parsed; empty: there is none.
func Misspelt(c *cobra.Command) string {
	if !c.HasAvailableSubCommands() || c.Flags().NArg() == 0 {
		return ""
	}
	return c.Flags().Arg(0)
}

// MeantFlag is the hint that names the flag which an unknown one may have meant;
// empty: there is none, or another error.
func MeantFlag(c *cobra.Command, err error) string {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || unknown.GetSpecifiedShortnames() != "" {
		return ""
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := nearest.Name(unknown.GetSpecifiedName(), names); near != "" {
		return fmt.Sprintf("did you mean --%s?", near)
	}
	return ""
}

func seeHelp(c *cobra.Command) string {
	if c.HasAvailableSubCommands() {
		return fmt.Sprintf("%s --help lists the commands", c.CommandPath())
	}
	return fmt.Sprintf("%s --help shows how it is used", c.CommandPath())
}

func usageError(text, hint string) error {
	return &cli.ExitError{Code: cli.ExitUsage, Err: &api.Error{Code: api.CodeInvalid, Message: text, Hint: hint}}
}
