package apiclient

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
)

func newWatch(a *app) *cobra.Command {
	f := cli.FormatTable
	c := &cobra.Command{
		Use:   "watch [CHANGE]",
		Short: "follow changes as they happen",
		Long: `Prints a line whenever a change takes a step: all changes until interrupted, or
one until it is over. With -o json each line is one event.`,
		Args:              atMostOne("change number"),
		ValidArgsFunction: a.completeChanges(),
		RunE: runE(func(ctx context.Context, args []string) error {
			return changeFailed("Failed to watch", a.watch(ctx, args, f))
		}),
	}
	clihelp.Output(c, &f)
	return c
}

func (a *app) watch(ctx context.Context, args []string, f cli.Format) error {
	var id uint64
	if len(args) == 1 {
		n, err := parseID(args[0])
		if err != nil {
			return err
		}
		id = n
	}
	for e, err := range a.client().Events(ctx, id) {
		if err != nil {
			return err
		}
		if err := printEvent(a.Out, e, f); err != nil {
			return err
		}
		if id != 0 && e.Change.State.Final() {
			return nil
		}
	}
	return nil
}

func printEvent(w io.Writer, e api.Event, f cli.Format) error {
	switch f {
	case cli.FormatJSON:
		line, err := api.Marshal(e)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cli.JSON(w), "%s\n", line)
		return err
	case cli.FormatYAML:
		if _, err := fmt.Fprintln(w, "---"); err != nil {
			return err
		}
		return f.Print(w, e, nil)
	}
	_, err := fmt.Fprintln(w, eventText(e))
	return err
}

func eventText(e api.Event) string {
	c := &e.Change
	text := fmt.Sprintf("change %d %s: ", c.ID, c.State)
	if e.Task == nil || *e.Task < 0 || *e.Task >= len(c.Tasks) {
		if c.Error != nil {
			return text + cli.OneLine(blame(c.Error))
		}
		return text + summary(c)
	}
	t := c.Tasks[*e.Task]
	text += fmt.Sprintf("[%d/%d] %s: %s", *e.Task+1, len(c.Tasks), cli.OneLine(t.Summary), t.State)
	return strings.TrimSuffix(text+": "+cli.OneLine(t.Error), ": ")
}
