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

// teller tells how far the command is with a release, of which it has that many
// bytes to fetch or to read.
func (j *job) teller(version string, total int64) func(update.Progress) {
	w := api.UpdateWork{Command: j.command, Version: version, Started: j.now().UTC(), Total: total}
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
	}
}

// toFetch is the size of a release's images in bytes, as they are published.
func toFetch(ctx context.Context, c *update.Catalog, u manifest.Update) (total int64, err error) {
	for _, name := range u.Images.Names() {
		size, err := c.Size(ctx, name)
		if err != nil {
			return 0, err
		}
		total += size
	}
	return total, nil
}

// tell tells, and if it cannot, goes on: nothing depends on it.
func (j *job) tell(w api.UpdateWork) {
	w.Changed = j.now().UTC()
	if err := j.Report(w); err != nil {
		j.log.Debug("progress cannot be told", "err", err)
	}
}
