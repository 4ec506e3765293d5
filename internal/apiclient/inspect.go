package apiclient

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/key"
)

// question makes a command that prints one answer of the server.
func question[T any](c *cobra.Command, what string, ask func(context.Context, []string) (T, error), table func(io.Writer, T)) *cobra.Command {
	f := cli.FormatTable
	clihelp.Output(c, &f)
	c.RunE = func(c *cobra.Command, args []string) error {
		answer, err := ask(c.Context(), args)
		if err != nil {
			return changeFailed(what, err)
		}
		return f.Print(c.OutOrStdout(), answer, func(w io.Writer) { table(w, answer) })
	}
	return c
}

func newExplain(a *app) *cobra.Command {
	return question(&cobra.Command{
		Use:   "explain KEY",
		Short: "tell what a setting means, accepts and does",
		Long: `Tells all about a setting or a group of settings: its meaning, its type and the
rule for its values, its value and where that comes from, its default, and the
services and files that depend on it.`,
		Example:           "  apiclient explain motd\n  apiclient explain ntp",
		Args:              exactlyOne("key"),
		ValidArgsFunction: a.completeKeys(""),
	}, "Failed to explain", func(ctx context.Context, args []string) (*api.Explanation, error) {
		return a.client().Explain(ctx, args[0])
	}, printExplanation)
}

func printExplanation(w io.Writer, e *api.Explanation) {
	fmt.Fprintln(w, e.Key)
	if e.Description != "" {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(e.Description, "\n", "\n  "))
	}
	fmt.Fprintln(w)
	rows := [][]string{{"  type", e.Type}}
	add := func(name, text string) {
		if text != "" {
			rows = append(rows, []string{"  " + name, text})
		}
	}
	add("accepts", e.Rule)
	add("values", rawTexts(e.Values))
	add("examples", rawTexts(e.Examples))
	addLeaves(&rows, "  value", e.Value)
	if e.Origin != nil {
		add("from", originText(*e.Origin))
	}
	addLeaves(&rows, "  default", e.Default)
	switch {
	case e.Secret && len(e.Children) > 0:
		add("secret", "in part: secrets are never shown in plans, history and messages")
	case e.Secret:
		add("secret", "yes: never shown in plans, history and messages")
	}
	add("services", strings.Join(e.Services, ", "))
	add("files", strings.Join(e.Files, ", "))
	add("generator", optionalText(e.Generator))
	cli.Table(w, rows)
	printMembers(w, e.Members)
}

// printMembers lists the settings of a group, a line each.
func printMembers(w io.Writer, members []api.Member) {
	if len(members) == 0 {
		return
	}
	fmt.Fprintln(w, "\nmembers")
	var rows [][]string
	for _, m := range members {
		rows = append(rows, []string{"  " + m.Name, m.Summary})
	}
	cli.Table(w, rows)
}

// addLeaves adds a value: what an object holds a line each, as 'set' takes it.
func addLeaves(rows *[][]string, name string, v json.RawMessage) {
	var tree any
	if v == nil || json.Unmarshal(v, &tree) != nil {
		return
	}
	var texts []string
	walk(tree, "", func(k key.Key, value any) {
		texts = append(texts, strings.TrimPrefix(string(k)+" = ", " = ")+cli.ValueText(value))
	})
	slices.Sort(texts)
	for _, text := range texts {
		*rows = append(*rows, []string{name, text})
		name = "  "
	}
}

func optionalText(v json.RawMessage) string {
	if v == nil {
		return ""
	}
	return cli.RawText(v)
}

func rawTexts(values []json.RawMessage) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = cli.RawText(v)
	}
	return strings.Join(texts, "  ")
}

func originText(o api.Origin) string {
	text := map[api.Layer]string{
		api.LayerDefault:   "the default of the image",
		api.LayerGenerated: "a setting generator",
		api.LayerUserData:  "user data",
		api.LayerUser:      "the API",
	}[o.Layer]
	if o.Imported() {
		text = "an import"
	}
	if o.Strength == api.StrengthWeak {
		text += ", until the next boot"
	}
	if o.Change > 0 {
		text += fmt.Sprintf(", change %d", o.Change)
	}
	if o.Caller != nil {
		text += ", by " + callerName(*o.Caller)
	}
	if !o.Time.IsZero() {
		text += ", " + cli.Time(o.Time)
	}
	return text
}

func newHistory(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:               "history [KEY]",
		Short:             "show who changed which setting when",
		Long:              "Lists what was committed, newest first: all, or what concerns one key or those below it.",
		Example:           "  apiclient history motd\n  apiclient history -n 100 -o json",
		Args:              atMostOne("key"),
		ValidArgsFunction: a.completeKeys(""),
	}
	o := addPageFlags(c)
	c.RunE = runE(func(ctx context.Context, args []string) error {
		entries, err := a.client().History(ctx, strings.Join(args, ""), o.before, int(o.limit))
		if err != nil {
			return failed("Failed to get the history", err)
		}
		if len(entries) == 0 {
			a.note("nothing was committed to '%s'", cmp.Or(strings.Join(args, ""), "settings"))
		}
		return o.output.Print(a.Out, entries, func(w io.Writer) { printHistory(w, entries) })
	})
	return c
}

func printHistory(w io.Writer, entries []api.HistoryEntry) {
	rows := [][]string{{"ID", "TIME", "BY", "CHANGE", "WHAT"}}
	for _, e := range entries {
		lead := []string{strconv.FormatUint(e.ID, 10), cli.Time(e.Time), callerName(e.Caller), changeName(e)}
		for _, edit := range e.Edits {
			rows = append(rows, append(lead, editText(edit)))
			lead = []string{"", "", "", ""}
		}
		if e.Reason != "" {
			rows = append(rows, append(lead, "because: "+e.Reason))
		}
	}
	cli.Table(w, rows)
}

func changeName(e api.HistoryEntry) string {
	if e.Change == 0 {
		return "-"
	}
	return strconv.FormatUint(e.Change, 10)
}

func editText(e api.Edit) string {
	name := strings.TrimPrefix(e.Key, "settings.")
	if cli.SameValue(e) {
		return fmt.Sprintf("%s: %s, as before%s", name, clipped(e.After), cli.OfLayer(e))
	}
	return fmt.Sprintf("%s: %s → %s%s", name, clipped(e.Before), clipped(e.After), cli.OfLayer(e))
}

// clipped keeps a table's lines readable.
func clipped(v json.RawMessage) string {
	const most = 60
	text := []rune(cli.RawText(v))
	if len(text) > most {
		return string(text[:most-1]) + "…"
	}
	return string(text)
}

func newWhoami(a *app) *cobra.Command {
	return question(&cobra.Command{
		Use:   "whoami",
		Short: "tell who the API takes you for, and what you may do",
		Args:  noArguments,
	}, "Failed to ask who I am", func(ctx context.Context, _ []string) (*api.Identity, error) {
		return a.client().Whoami(ctx)
	}, printIdentity)
}

var roleMeaning = map[api.Role]string{
	api.RoleNone:  "nothing",
	api.RoleRead:  "look at settings",
	api.RoleWrite: "look at and change settings",
	api.RoleAdmin: "everything",
}

func printIdentity(w io.Writer, i *api.Identity) {
	role := fmt.Sprintf("%s: you may do %s", i.Role, roleMeaning[i.Role])
	if i.Role == api.RoleRead || i.Role == api.RoleWrite {
		role = fmt.Sprintf("%s: you may %s", i.Role, roleMeaning[i.Role])
	}
	if i.Why != "" {
		role += " (" + i.Why + ")"
	}
	groups := []string{groupName(i.GID)}
	for _, g := range i.Groups {
		if g != i.GID {
			groups = append(groups, groupName(g))
		}
	}
	cli.Table(w, [][]string{{"user", userName(i.UID)}, {"groups", strings.Join(groups, ", ")}, {"role", role}})
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return fmt.Sprintf("%s (%s)", u.Username, id)
	}
	return id
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return fmt.Sprintf("%s (%s)", g.Name, id)
	}
	return id
}

func newStatus(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "status",
		Aliases: []string{"health"},
		Short:   "tell how the host's settings are, and what a boot did with them",
		Long: `Tells how the API server is and what needs attention. With --boot it tells what
a boot did with the settings: phases and settings with their durations and
origins, what was skipped and why. The last twenty boots are kept. With
--migrations it tells how settings were brought from one version of the image to
another.`,
		Example: "  apiclient status\n  apiclient status --boot last\n  apiclient status --boot 7 -o json\n  apiclient status --migrations",
		Args:    noArguments,
	}
	f := cli.FormatTable
	clihelp.Output(c, &f)
	boot := c.Flags().String("boot", "", "tell of this boot: its `NUMBER`, or last")
	migrations := c.Flags().Bool("migrations", false, "tell of the last migrations, newest first")
	c.RunE = runE(func(ctx context.Context, _ []string) error {
		if *migrations {
			return a.migrations(ctx, f)
		}
		if c.Flags().Changed("boot") {
			return a.bootStatus(ctx, *boot, f)
		}
		health, err := a.client().Health(ctx)
		if err != nil {
			return changeFailed("Failed to get the status", err)
		}
		return f.Print(a.Out, health, func(w io.Writer) { printHealth(w, health) })
	})
	return c
}

// lastBoot is the word for the newest report.
const lastBoot = "last"

func (a *app) bootStatus(ctx context.Context, text string, f cli.Format) error {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil && text != lastBoot {
		return usagef("--boot wants a number, or %s, not '%s'", lastBoot, text)
	}
	boot, err := a.client().Boot(ctx, id)
	if err != nil {
		return changeFailed("Failed to get the report of the boot", err)
	}
	return f.Print(a.Out, boot, func(w io.Writer) { cli.PrintBoot(w, *boot) })
}

func (a *app) migrations(ctx context.Context, f cli.Format) error {
	all, err := a.client().Migrations(ctx)
	if err != nil {
		return changeFailed("Failed to get the reports of migrations", err)
	}
	if len(all) == 0 {
		a.note("nothing was migrated on this host")
	}
	return f.Print(a.Out, all, func(w io.Writer) {
		for _, m := range all {
			cli.PrintMigration(w, m)
		}
	})
}

func printHealth(w io.Writer, h *api.Health) {
	rows := [][]string{
		{"status", h.Status},
		{"variant", h.Variant},
		{"version", h.Version},
		{"started", cli.Time(h.Started)},
		{"settings", strconv.Itoa(h.Settings)},
	}
	if h.Active > 0 {
		rows = append(rows, []string{"applying", fmt.Sprintf("change %d, %d waiting", h.Active, h.Queued)})
	}
	for _, id := range h.Trying {
		rows = append(rows, []string{"on trial", fmt.Sprintf("change %d; keep it with 'apiclient confirm %d'", id, id)})
	}
	for _, p := range h.Problems {
		rows = append(rows, []string{"problem", p})
	}
	cli.Table(w, rows)
}
