package updog

import (
	"context"
	"encoding/json"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
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
	offer.IgnoreWaves = offer.IgnoreWaves || a.ignoreWaves
	return a.tell(offer)
}

func (a *app) tell(offer api.UpdateOffer) error {
	if !a.json {
		cli.PrintOffer(a.Out, offer, offer.Now)
		return nil
	}
	doc, err := json.Marshal(offer)
	if err != nil {
		return err
	}
	if doc, err = cli.IndentJSON(doc); err != nil {
		return err
	}
	_, err = a.Out.Write(doc)
	return err
}
