package updog

import (
	"context"
	"fmt"
	"slices"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/update/journal"
)

// history shows the attempts, the newest first.
func (a *app) history(ctx context.Context) error {
	list := slices.Clone(a.settled(ctx).Attempts)
	slices.Reverse(list)
	if a.json {
		return a.historyJSON(list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(a.Out, "No update was tried on this host.")
		return err
	}
	rows := [][]string{{"ID", "STARTED", "FROM", "TO", "SLOT", "STATE", "STEP", "ERROR"}}
	for _, t := range list {
		rows = append(rows, []string{
			fmt.Sprint(t.ID), cli.Time(t.Started), t.From, t.Version, t.Slot, string(t.State), t.Step, cli.OneLine(t.Error),
		})
	}
	cli.Table(cli.People(a.Out), rows)
	return nil
}

func (a *app) historyJSON(list []journal.Attempt) error {
	if list == nil {
		list = []journal.Attempt{}
	}
	return cli.FormatJSON.Print(a.Out, list, nil)
}
