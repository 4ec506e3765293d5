package apiclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
)

func newConfirm(a *app) *cobra.Command {
	o := &changeOptions{output: cli.FormatTable}
	c := &cobra.Command{
		Use:   "confirm [CHANGE]",
		Short: "keep a change that is on trial",
		Long: `Keeps a change that was made with --try, so that it is not undone.
Without a number, it is the one change that is on trial.`,
		Args:              atMostOne("change number"),
		ValidArgsFunction: a.completeChanges(api.StateTrying),
		RunE: runE(func(ctx context.Context, args []string) error {
			return changeFailed("Failed to confirm the change", a.confirm(ctx, args, o))
		}),
	}
	clihelp.Output(c, &o.output)
	return c
}

func (a *app) confirm(ctx context.Context, args []string, o *changeOptions) error {
	id, err := a.confirmID(ctx, args)
	if err != nil {
		return err
	}
	c, err := a.client().Confirm(ctx, id)
	if err != nil {
		return err
	}
	return o.output.Print(a.Out, c, func(io.Writer) {})
}

func (a *app) confirmID(ctx context.Context, args []string) (uint64, error) {
	if len(args) == 1 {
		return parseID(args[0])
	}
	changes, err := a.client().Changes(ctx, 0, 0)
	if err != nil {
		return 0, err
	}
	var trying []string
	var id uint64
	for _, c := range changes {
		if c.State == api.StateTrying {
			id = c.ID
			trying = append(trying, strconv.FormatUint(c.ID, 10))
		}
	}
	switch len(trying) {
	case 0:
		return 0, errors.New("no change is on trial")
	case 1:
		return id, nil
	}
	return 0, hinted(fmt.Errorf("several changes are on trial: %s", strings.Join(trying, ", ")), "say which one: apiclient confirm CHANGE")
}

func newUndo(a *app) *cobra.Command {
	o := &changeOptions{output: cli.FormatTable}
	c := &cobra.Command{
		Use:   "undo CHANGE",
		Short: "take a change back",
		Long: `Takes a change back by making another one: settings, files and services become
what they were before it. Settings that later changes have set again stay.`,
		Args:              exactlyOne("change number"),
		ValidArgsFunction: a.completeChanges(),
		RunE: runE(func(ctx context.Context, args []string) error {
			return changeFailed("Failed to undo the change", a.undo(ctx, args[0], o))
		}),
	}
	c.Flags().BoolVar(&o.noWait, "no-wait", false, "return when the undoing is stored, before it is applied")
	clihelp.Output(c, &o.output)
	return c
}

func (a *app) undo(ctx context.Context, text string, o *changeOptions) error {
	id, err := parseID(text)
	if err != nil {
		return err
	}
	c, err := a.client().Undo(ctx, id, a.firstWait(o.noWait))
	if err != nil {
		return err
	}
	if c.ID == id { // a trial ends by itself, without a new change: that it is undone is the success
		return a.awaitUndone(ctx, c)
	}
	if c.State == api.StateDone && len(c.Plan.Edits) == 0 {
		a.note("nothing was left to undo: later changes have set those settings again")
	}
	return a.finish(ctx, c, o)
}

func (a *app) awaitUndone(ctx context.Context, c *api.Change) error {
	if c.State.Final() {
		return nil
	}
	_, err := a.follow(ctx, c)
	return err
}

func parseID(text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id == 0 {
		e := usagef("'%s' is not the number of a change", text)
		e.hint = "the numbers are shown by 'apiclient changes'"
		return 0, e
	}
	return id, nil
}

func atMostOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("'%s' takes at most one %s", c.Name(), what)
		}
		return nil
	}
}

func exactlyOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("'%s' takes one %s", c.Name(), what)
		}
		return nil
	}
}

// pageOptions select a part of a long list.
type pageOptions struct {
	before uint64
	limit  pageLimit
	output cli.Format
}

// pageLimit is the value of --limit; the server sends maxPage entries at most.
type pageLimit int

const maxPage = 1000

func (l *pageLimit) Type() string   { return "N" }
func (l *pageLimit) String() string { return strconv.Itoa(int(*l)) }

func (l *pageLimit) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return fmt.Errorf("must be a whole number from 1 to %d", maxPage)
	}
	*l = pageLimit(n)
	return nil
}

func addPageFlags(c *cobra.Command) *pageOptions {
	o := &pageOptions{limit: 20, output: cli.FormatTable}
	c.Flags().VarP(&o.limit, "limit", "n", "show at most `N`, the newest")
	c.Flags().Uint64Var(&o.before, "before", 0, "show what came before number `ID`")
	clihelp.Output(c, &o.output)
	return o
}

func newChanges(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:               "changes [CHANGE]",
		Short:             "show what changes were made and how they went",
		Long:              "Lists changes, newest first, or tells all about one: its plan, its tasks and their output.",
		Args:              atMostOne("change number"),
		ValidArgsFunction: a.completeChanges(),
	}
	o := addPageFlags(c)
	c.RunE = runE(func(ctx context.Context, args []string) error {
		if len(args) == 1 {
			return changeFailed("Failed to get the change", a.showChange(ctx, args[0], o.output))
		}
		return changeFailed("Failed to get changes", a.listChanges(ctx, o))
	})
	return c
}

func (a *app) listChanges(ctx context.Context, o *pageOptions) error {
	changes, err := a.client().Changes(ctx, o.before, int(o.limit))
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		a.note("there are no changes")
	}
	return o.output.Print(a.Out, changes, func(w io.Writer) {
		rows := [][]string{{"CHANGE", "STATE", "CREATED", "BY", "WHAT"}}
		for _, c := range changes {
			rows = append(rows, []string{
				strconv.FormatUint(c.ID, 10), string(c.State), cli.Time(c.Created), callerName(c.Caller), summary(&c),
			})
		}
		cli.Table(w, rows)
	})
}

// summary is what a change was about, on one line.
func summary(c *api.Change) string {
	var parts []string
	if c.Undoes > 0 {
		parts = append(parts, fmt.Sprintf("undoes %d:", c.Undoes))
	}
	const most = 3
	for i, k := range c.Keys {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(c.Keys)-most))
			break
		}
		parts = append(parts, strings.TrimPrefix(k, "settings."))
	}
	if len(parts) == 0 {
		parts = append(parts, "no settings")
	}
	return strings.TrimSuffix(strings.Join(parts, " "), ":") // it may undo and set nothing
}

func callerName(c api.Caller) string {
	if c.Program != "" {
		return c.Program
	}
	return fmt.Sprintf("uid %d", c.UID)
}

func (a *app) showChange(ctx context.Context, text string, f cli.Format) error {
	id, err := parseID(text)
	if err != nil {
		return err
	}
	c, err := a.client().Change(ctx, id)
	if err != nil {
		return err
	}
	return f.Print(a.Out, c, func(w io.Writer) { printChange(w, c) })
}

func printChange(w io.Writer, c *api.Change) {
	rows := [][]string{
		{fmt.Sprintf("change %d", c.ID), string(c.State)},
		{"created", fmt.Sprintf("%s by %s", cli.Time(c.Created), callerName(c.Caller))},
	}
	add := func(when bool, name, text string) {
		if when {
			rows = append(rows, []string{name, text})
		}
	}
	add(!c.Finished.IsZero(), "finished", fmt.Sprintf("%s, after %s", cli.Time(c.Finished), cli.Duration(c.Finished.Sub(c.Created))))
	add(c.Reason != "", "reason", c.Reason)
	add(c.Undoes > 0, "undoes", fmt.Sprintf("change %d", c.Undoes))
	add(c.UndoneBy > 0, "undone by", fmt.Sprintf("change %d", c.UndoneBy))
	if c.Try != nil {
		add(true, "on trial", fmt.Sprintf("until %s%s", cli.Time(c.Try.Until), map[bool]string{true: ", confirmed"}[c.Try.Confirmed]))
	}
	if c.Error != nil {
		add(true, "error", blame(c.Error))
		add(c.Error.Hint != "", "hint", c.Error.Hint)
	}
	cli.Table(w, rows)
	cli.PrintPlanned(w, &c.Plan)
	if len(c.Tasks) > 0 {
		fmt.Fprintln(w, "tasks")
	}
	for _, task := range c.Tasks {
		printTask(w, task)
	}
	for _, text := range c.Plan.Warnings {
		fmt.Fprintf(w, "warning: %s\n", text)
	}
}

func printTask(w io.Writer, t api.Task) {
	took := ""
	if !t.Started.IsZero() && !t.Finished.IsZero() {
		took = " (" + cli.Duration(t.Finished.Sub(t.Started)) + ")"
	}
	fmt.Fprintf(w, "  %-7s  %s%s\n", t.State, cli.OneLine(t.Summary), took)
	if t.Error != "" {
		fmt.Fprintf(w, "           %s\n", cli.OneLine(t.Error))
	}
	for line := range strings.Lines(strings.TrimSpace(t.Output)) {
		fmt.Fprintf(w, "           | %s\n", cli.OneLine(line))
	}
}
