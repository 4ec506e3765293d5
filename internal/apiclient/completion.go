package apiclient

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli/clidoc"
)

// completionLimit is how long a person waits for a TAB at most.
const completionLimit = time.Second

// completer is what cobra calls when TAB is pressed.
type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeKeys offers the keys of the model and those that have a value, each
// followed by suffix. Members of maps that have no value yet are left to the user.
func (a *app) completeKeys(suffix string) completer {
	return func(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveNoFileComp
		if suffix != "" {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		var found []string
		for _, k := range a.knownKeys(c.Context()) {
			for _, name := range []string{k, strings.TrimPrefix(k, "settings.")} {
				if strings.HasPrefix(name, prefix) {
					found = append(found, name+suffix)
					break
				}
			}
		}
		return found, directive
	}
}

func (a *app) knownKeys(ctx context.Context) []string {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionLimit)
	defer cancel()
	var keys []string
	patterns, err := a.client().Keys(ctx)
	if err != nil {
		return nil
	}
	for _, p := range patterns {
		if !strings.Contains(p, "<") {
			keys = append(keys, p)
		}
	}
	origins, _ := a.client().Origins(ctx, "settings.")
	for k := range origins {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// completeChanges offers the newest changes, those in the given states if any are given.
func (a *app) completeChanges(states ...api.State) completer {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), completionLimit)
		defer cancel()
		changes, err := a.client().Changes(ctx, 0, 20)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var found []string
		for _, change := range changes {
			if len(states) == 0 || slices.Contains(states, change.State) {
				found = append(found, fmt.Sprintf("%s\t%s %s", strconv.FormatUint(change.ID, 10), change.State, summary(&change)))
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

const completionHelp = `Prints a script that teaches your shell to complete commands, options and keys;
keys come from the server. That of bash needs the package bash-completion.

  bash:  apiclient completion bash > /etc/bash_completion.d/apiclient
  zsh:   apiclient completion zsh > "${fpath[1]}/_apiclient"
  fish:  apiclient completion fish > ~/.config/fish/completions/apiclient.fish`

func newCompletion(a *app) *cobra.Command {
	scripts := map[string]func(*cobra.Command) error{
		"bash": func(root *cobra.Command) error { return root.GenBashCompletionV2(a.Out, true) },
		"zsh":  func(root *cobra.Command) error { return root.GenZshCompletion(a.Out) },
		"fish": func(root *cobra.Command) error { return root.GenFishCompletion(a.Out, true) },
	}
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "print a completion script for your shell",
		Long:      completionHelp,
		Args:      exactlyOne("shell"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(c *cobra.Command, args []string) error {
			script, ok := scripts[args[0]]
			if !ok {
				return usagef("Unknown shell '%s'", args[0])
			}
			return script(c.Root())
		},
	}
}

// newMan is for packagers.
func newMan(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "write the manual pages into a folder",
		Hidden: true,
		Args:   exactlyOne("folder"),
		RunE: func(_ *cobra.Command, args []string) error {
			return clidoc.WriteManPages(root, args[0])
		},
	}
}
