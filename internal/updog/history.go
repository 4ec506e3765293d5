package updog

import (
	"context"
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
	cli.Attempts(cli.People(a.Out), list)
	return nil
}

func (a *app) historyJSON(list []journal.Attempt) error {
	if list == nil {
		list = []journal.Attempt{}
	}
	return cli.FormatJSON.Print(a.Out, list, nil)
}
