package tharbeupdates

import (
	"context"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/update"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// tellEvery bounds how often progress is told.
const tellEvery = 250 * time.Millisecond

// teller tells how far the installation of a release is.
func (j *job) teller(ctx context.Context, c *update.Catalog, u manifest.Update) (func(update.Progress), error) {
	w := api.UpdateWork{Command: j.command, Version: u.Version.String(), Started: j.now().UTC()}
	for _, name := range u.Images.Names() {
		size, err := c.Size(ctx, name)
		if err != nil {
			return nil, err
		}
		w.Total += size
	}
	j.tell(w)
	return func(p update.Progress) {
		if now := j.now().UTC(); p.Step != w.Step {
			w.Before += w.Size
			w.Step, w.Since, w.Target, w.Size = p.Step, now, p.Target, p.Whole
		} else if now.Sub(w.Changed) < tellEvery {
			return
		}
		// What the running slot has need not be fetched.
		w.Total += p.Size - w.Size
		w.Size, w.Reused = p.Size, p.Reused
		w.Phase, w.Fetched, w.Written, w.Differ = string(p.Phase), p.Read, p.Done, p.Changed
		if p.Phase == "verify" {
			w.Fetched = w.Size
		}
		j.tell(w)
		w.Changed = j.now().UTC()
	}, nil
}

// tell tells, and if it cannot, goes on: nothing depends on it.
func (j *job) tell(w api.UpdateWork) {
	w.Changed = j.now().UTC()
	if err := j.Report(w); err != nil {
		j.log.Debug("progress cannot be told", "err", err)
	}
}
