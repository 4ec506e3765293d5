package updog

import (
	"context"
	"errors"
	"fmt"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/update"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// wish is what the command line asks for. A release that failed to boot here is
// not wished again.
func (a *app) wish(ctx context.Context, c *update.Catalog, j *journal.Journal) update.Wish {
	return update.Wish{Forced: a.forced, IgnoreWaves: a.ignoreWaves, Failed: c.FailedBefore(ctx, j)}
}

// prepare proves the repository, as every sub-command of the reference does.
func (a *app) prepare(ctx context.Context) error {
	_, _, err := a.open(ctx)
	return err
}

// errNone is for check-update without an update, which has been told.
var errNone = errors.New("no update")

func (a *app) checkUpdate(ctx context.Context) error {
	c, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	wish := a.wish(ctx, c, a.settled(ctx))
	// What may be applied does not depend on the lock, not even on one that is no version.
	wish.IgnoreLock = a.all
	choice, err := c.Choose(wish)
	if err != nil {
		return err
	}
	if a.all {
		return a.list(choice.Applicable())
	}
	u, ok := choice.Chosen()
	if !ok {
		fmt.Fprintln(a.Err, "No update available")
		a.waiting(choice)
		return errNone
	}
	return a.print(u)
}

// print tells of one release.
func (a *app) print(u manifest.Update) error {
	if !a.json {
		_, err := fmt.Fprintln(cli.People(a.Out), u.Variant, u.Version)
		return err
	}
	text, err := u.Format()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cli.JSON(a.Out), "%s\n", text)
	return err
}

// list prints the releases that may be applied: JSON to standard output, text
// to standard error, as the reference does.
func (a *app) list(list []manifest.Update) error {
	if a.json {
		text, err := manifest.FormatUpdates(list)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cli.JSON(a.Out), "%s\n", text)
		return err
	}
	for _, u := range list {
		if _, err := fmt.Fprintln(cli.People(a.Err), u.Variant, u.Version); err != nil {
			return err
		}
	}
	return nil
}
