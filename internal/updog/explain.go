package updog

import (
	"context"
	"errors"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/update"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

func (a *app) explain(ctx context.Context) error {
	c, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	choice, err := c.Choose(a.wish(ctx, c, a.settled(ctx)))
	if err != nil {
		return err
	}
	offer, err := c.Explain(ctx, choice, a.all)
	if err != nil {
		return err
	}
	if u, ok := choice.Chosen(); ok {
		a.look(ctx, c, u, &offer)
	}
	offer.IgnoreWaves = offer.IgnoreWaves || a.ignoreWaves
	return a.tell(offer)
}

// look finds out how much of the release that is offered is here already, if
// there are slots to look at.
func (a *app) look(ctx context.Context, c *update.Catalog, u manifest.Update, offer *api.UpdateOffer) {
	missing, err := a.missing(ctx, c, u)
	if err != nil {
		a.log.Debug("how much of the release is here cannot be seen", "err", err)
		return
	}
	for i := range offer.Releases {
		if offer.Releases[i].Chosen {
			offer.Releases[i].Missing = &missing
		}
	}
}

func (a *app) missing(ctx context.Context, c *update.Catalog, u manifest.Update) (int64, error) {
	d, err := a.slots()
	if err != nil {
		return 0, err
	}
	sets, err := d.Sets(ctx)
	if err != nil {
		return 0, err
	}
	if sets.Single {
		return 0, errors.New("there is only one slot")
	}
	return c.Missing(ctx, u, sets)
}

func (a *app) tell(offer api.UpdateOffer) error {
	if !a.json {
		cli.PrintOffer(a.Out, offer, offer.Now)
		return nil
	}
	return cli.FormatJSON.Print(a.Out, offer, nil)
}
