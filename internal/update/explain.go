package update

import (
	"context"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// Explain tells of the releases of a choice why they are or are not offered,
// when this host is due, and what they take. Those for other variants and
// architectures are only counted, unless all is set.
func (c *Catalog) Explain(ctx context.Context, choice manifest.Choice, all bool) (api.UpdateOffer, error) {
	h := c.host
	o := api.UpdateOffer{
		Variant: h.Release.VariantID, Arch: h.Release.Arch, Version: h.Release.VersionID,
		Seed: h.Config.Seed, Lock: h.Config.VersionLock, IgnoreWaves: h.Config.IgnoreWaves,
		Now: h.Now().UTC().Truncate(time.Second), Releases: []api.UpdateRelease{},
	}
	for _, v := range choice.Verdicts {
		if foreign := v.Update.Variant != o.Variant || v.Update.Arch != o.Arch; foreign && !all {
			o.Others++
			continue
		}
		r, err := c.describe(ctx, v)
		if err != nil {
			return o, err
		}
		if r.Chosen {
			o.Chosen = &r.Version
		}
		o.Releases = append(o.Releases, r)
	}
	return o, nil
}

func (c *Catalog) describe(ctx context.Context, v manifest.Verdict) (api.UpdateRelease, error) {
	u := v.Update
	r := api.UpdateRelease{
		Variant: u.Variant, Arch: u.Arch, Version: u.Version.String(), MaxVersion: u.MaxVersion.String(), Chosen: v.Chosen,
	}
	for _, reason := range v.Reasons {
		r.Reasons = append(r.Reasons, api.UpdateReason{Code: string(reason.Code), Text: reason.Text})
	}
	if p := v.Place; p.Kind != manifest.NoWaves {
		r.Wave = &api.UpdateWave{Number: p.Number, Of: p.Of, Ready: p.Ready(c.host.Now())}
		if !p.Due.IsZero() {
			r.Wave.Due = &p.Due
		}
	}
	for _, name := range u.Images.Names() {
		size, err := c.Size(ctx, name)
		if err != nil {
			return r, err
		}
		r.Images = append(r.Images, api.UpdateTarget{Name: name, Bytes: size})
	}
	var err error
	if r.Migrations, err = c.Migrations(u); err != nil {
		r.NoWay = err.Error()
	}
	return r, nil
}

// FailedBefore tells of a release, for a [Wish], how it failed on this host.
func (c *Catalog) FailedBefore(ctx context.Context, j *journal.Journal) func(manifest.Update) string {
	return func(u manifest.Update) string {
		digest, err := c.Digest(ctx, u)
		if err != nil {
			return "" // its images are not there: installing it will tell
		}
		return j.Failed(u.Version.String(), u.Variant, digest)
	}
}
