package clihelp

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
)

// UsageError is a wrong command line: the error, with how the command is used
// and the exit code for it. It is a flag error function of cobra.
func UsageError(c *cobra.Command, err error) error {
	return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("%w\nusage: %s", err, UseLine(c))}
}

// NoArguments refuses arguments.
func NoArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return UsageError(c, fmt.Errorf("unexpected argument '%s'", args[0]))
}
