package apiclient

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/nearest"
)

// usageError is a command line that makes no sense: exit code 2, with the usage.
type usageError struct{ message, hint string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) *usageError {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// report prints what went wrong and returns the exit code.
func (a *app) report(cmd *cobra.Command, err error) int {
	e, ok := errors.AsType[*usageError](err)
	if !ok {
		return cli.Report(a.Err, "", err)
	}
	fmt.Fprintf(a.Err, "%s\n\n%s", e.message, shortUsage(cmd))
	if e.hint != "" {
		fmt.Fprintf(a.Err, "hint: %s\n", e.hint)
	}
	return cli.ExitUsage
}

func shortUsage(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n", strings.ReplaceAll(clihelp.UseLine(cmd), "\n", "\n       "))
	if names := clihelp.Names(cmd); len(names) > 0 {
		fmt.Fprintf(&b, "Commands: %s\n", strings.Join(names, " "))
	}
	fmt.Fprintf(&b, "Run '%s --help' for more.\n", cmd.CommandPath())
	return b.String()
}

// flagError puts pflag's errors into the reference's words. A word that is no
// command is told before a flag behind it that nobody knows.
func flagError(c *cobra.Command, err error) error {
	own, unknown := new(usageError), new(pflag.NotExistError)
	missing, invalid := new(pflag.ValueRequiredError), new(pflag.InvalidValueError)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &unknown) && clihelp.Misspelt(c) != "":
		return unknownCommand(c, c.Flags().Args())
	case errors.As(err, &unknown):
		return &usageError{fmt.Sprintf("Unknown argument '%s'", unknownFlag(unknown)), clihelp.MeantFlag(c, err)}
	case errors.As(err, &missing):
		return usagef("Did not give argument to %s", flagNames(missing.GetFlag()))
	case errors.As(err, &invalid) && invalid.GetFlag().Name == "log-level":
		return &usageError{fmt.Sprintf("Invalid log level '%s'", invalid.GetValue()), errors.Unwrap(invalid).Error()}
	case errors.As(err, &invalid):
		return usagef("Invalid value '%s' for --%s: %s", invalid.GetValue(), invalid.GetFlag().Name, whyInvalid(invalid))
	}
	return &usageError{message: err.Error()}
}

// whyInvalid says what was expected, where the parser of numbers would say which of its functions failed.
func whyInvalid(e *pflag.InvalidValueError) string {
	why := errors.Unwrap(e)
	if _, ok := errors.AsType[*strconv.NumError](why); ok {
		return "must be a whole number"
	}
	return why.Error()
}

func unknownFlag(e *pflag.NotExistError) string {
	if e.GetSpecifiedShortnames() != "" {
		return "-" + e.GetSpecifiedName()
	}
	return "--" + e.GetSpecifiedName()
}

func flagNames(f *pflag.Flag) string {
	if f.Shorthand != "" {
		return fmt.Sprintf("-%s | --%s", f.Shorthand, f.Name)
	}
	return "--" + f.Name
}

// noArguments is for commands that take none.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("Unknown arguments: %s", strings.Join(args, ", "))
	}
	return nil
}

// family makes a command that exists only for its subcommands.
func family(cmd *cobra.Command, members ...*cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(c *cobra.Command, args []string) error { return unknownCommand(c, args) }
	cmd.AddCommand(members...)
	return cmd
}

// unknownCommand is the error of a command that was given none of those below it.
func unknownCommand(c *cobra.Command, args []string) error {
	hint := suggestion(c, args)
	if !c.HasParent() {
		return &usageError{fmt.Sprintf("Unknown argument '%s'", args[0]), hint}
	}
	if len(args) > 0 {
		hint = strings.TrimSuffix(fmt.Sprintf("'%s' is none of them; %s", args[0], hint), "; ")
	}
	return &usageError{fmt.Sprintf("Missing or unknown subcommand for '%s'", c.Name()), hint}
}

// suggestion names the subcommand that args[0] may have meant.
func suggestion(c *cobra.Command, args []string) string {
	if len(args) == 0 {
		return ""
	}
	near := nearest.Name(args[0], clihelp.Names(c))
	if near == "" {
		return ""
	}
	return fmt.Sprintf("did you mean '%s %s'?", c.CommandPath(), near)
}
