package apiclient

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli/clidoc"
	"github.com/hostler-os/hostler/internal/key"
)

// completionLimit is how long a person waits for a TAB at most.
const completionLimit = time.Second

// completer is what cobra calls when TAB is pressed.
type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeKeys offers the keys of the model and those that have a value, each
// followed by suffix; behind "=", the values that the key accepts. In maps it
// offers the members of the names that there are and of one that is typed; the
// name itself is left to the user.
func (a *app) completeKeys(suffix string) completer {
	return func(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveNoFileComp
		if name, _, ok := strings.Cut(prefix, "="); ok && suffix != "" {
			return a.completeValues(c.Context(), name, prefix), directive
		}
		if suffix != "" {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		var found []string
		for _, k := range a.knownKeys(c.Context(), prefix) {
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

// completeValues offers NAME=VALUE for the values of an enumeration or a boolean.
func (a *app) completeValues(ctx context.Context, name, prefix string) []string {
	ctx, cancel := completing(ctx)
	defer cancel()
	e, err := a.client().Explain(ctx, name)
	if err != nil {
		return nil
	}
	var found []string
	for _, v := range e.Values {
		text := string(v)
		if s := ""; json.Unmarshal(v, &s) == nil {
			text = s
		}
		if pair := name + "=" + text; strings.HasPrefix(pair, prefix) {
			found = append(found, pair)
		}
	}
	return found
}

func completing(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx == nil {
		ctx = context.Background()
	}
	return context.WithTimeout(ctx, completionLimit)
}

// anyName stands in key patterns for a name that the user chooses.
const anyName = "<NAME>"

// knownKeys are the keys of the model and those that have a value, with the
// members of the maps in them and in what is typed, sorted.
func (a *app) knownKeys(ctx context.Context, typed string) []string {
	ctx, cancel := completing(ctx)
	defer cancel()
	patterns, err := a.client().Keys(ctx)
	if err != nil {
		return nil
	}
	keys, maps := splitPatterns(patterns)
	origins, _ := a.client().Origins(ctx, "settings.")
	heads := []key.Key{typedHead(typed)}
	for k := range origins {
		keys = append(keys, k)
		for head, ok := key.Key(k).Parent(); ok; head, ok = head.Parent() {
			heads = append(heads, head)
		}
	}
	slices.Sort(heads)
	for _, head := range slices.Compact(heads) {
		for _, p := range maps {
			keys = append(keys, memberBelow(head, p)...)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// splitPatterns tells keys from the patterns of members of maps, which it splits into segments.
func splitPatterns(patterns []string) (keys []string, maps [][]string) {
	for _, p := range patterns {
		if !strings.Contains(p, anyName) {
			keys = append(keys, p)
			continue
		}
		maps = append(maps, key.Key(p).Segments())
	}
	return keys, maps
}

// typedHead is the key in front of the last dot of what is typed.
func typedHead(typed string) key.Key {
	head, ok := key.Key(typed).Parent()
	if !ok || head == "settings" {
		return ""
	}
	return settingKey(string(head))
}

// memberBelow is the key below head that a pattern stands for, if head has all names of it.
func memberBelow(head key.Key, pattern []string) []string {
	segments := head.Segments()
	if len(segments) >= len(pattern) || slices.Contains(pattern[len(segments):], anyName) {
		return nil
	}
	for i, s := range segments {
		if pattern[i] != s && pattern[i] != anyName {
			return nil
		}
	}
	k, err := key.FromSegments(append(segments, pattern[len(segments):]...)...)
	if err != nil {
		return nil
	}
	return []string{string(k)}
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
