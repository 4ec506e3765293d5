package clihelp

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hostler-os/hostler/internal/cli"
)

// shells are those that can be taught: where each looks for the script of a
// program %s, and what writes it.
var shells = []struct {
	name, file string
	script     func(*cobra.Command, io.Writer) error
}{
	{"bash", "/etc/bash_completion.d/%s", func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }},
	{"zsh", `"${fpath[1]}/_%s"`, (*cobra.Command).GenZshCompletion},
	{"fish", "~/.config/fish/completions/%s.fish", func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) }},
}

// CommandsAndOptions is what most programs complete.
const CommandsAndOptions = "commands and\noptions."

const scriptHelp = `Prints a script that teaches your shell to complete %s That of bash needs the package bash-completion.

%s`

// Completion is the command that prints a script for a shell, and what says
// what that completes. It is added to root last: it also completes the values
// of options, see [CompleteValues].
func Completion(root *cobra.Command, what string) *cobra.Command {
	CompleteValues(root)
	program := root.Name()
	var names, lines []string
	for _, shell := range shells {
		names = append(names, shell.name)
		lines = append(lines, fmt.Sprintf("  %-6s %s completion %s > "+shell.file, shell.name+":", program, shell.name, program))
	}
	return &cobra.Command{
		Use: "completion " + strings.Join(names, "|"), Short: "print a completion script for your shell", ValidArgs: names,
		Long: fmt.Sprintf(scriptHelp, what, strings.Join(lines, "\n")),
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return UsageError(c, fmt.Errorf("'%s' takes one shell", c.Name()))
			case !slices.Contains(names, args[0]):
				return UsageError(c, fmt.Errorf("unknown shell '%s'", args[0]))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return shells[slices.Index(names, args[0])].script(c.Root(), c.OutOrStdout())
		},
	}
}

// ForShells tells whether a command line, without the program's name, asks for a
// script or comes from one. Programs that parse their own give it to a command
// that only knows what there is.
func ForShells(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{"completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}, args[0])
}

// values are what options take, by the word for it in their help.
var values = map[string][]string{
	"FORMAT": cli.Formats,
	"LEVEL":  cli.Levels(),
	"SET":    {"A", "B"},
	"SLOT":   {"A", "B"},
}

// CompleteValues lets shells complete the values of all options below root whose
// help names them by a word that all programs share.
func CompleteValues(root *cobra.Command) {
	for _, flags := range []*pflag.FlagSet{root.PersistentFlags(), root.Flags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			word, _ := pflag.UnquoteUsage(f)
			if word == "DIR" {
				_ = flags.SetAnnotation(f.Name, cobra.BashCompSubdirsInDir, []string{})
			} else if known := values[word]; known != nil {
				_ = root.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(known, cobra.ShellCompDirectiveNoFileComp)) // fails if it has its own
			}
		})
	}
	for _, c := range root.Commands() {
		CompleteValues(c)
	}
}
