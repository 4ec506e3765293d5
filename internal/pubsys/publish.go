package pubsys

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/tufrepo/publish"
	"github.com/hostler-os/hostler/internal/tufrepo/signer"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// draft is a repository while it is changed.
type draft struct {
	*place
	state    *publish.State
	stage    *publish.Stage
	manifest *manifest.Manifest
	targets  map[string]publish.Target
	expires  publish.Expirations
	renew    bool
	scope    publish.Scope
}

// change reads a repository, lets edit change it, and publishes the result.
func (a *app) change(ctx context.Context, s site, edit func(context.Context, *draft) error) (err error) {
	p, err := a.find(s, true)
	if err != nil {
		return err
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	line := cli.NewProgress(a.Err)
	d := &draft{
		place: p, targets: map[string]publish.Target{},
		stage: &publish.Stage{Place: p.Place, FS: a.fs, Dry: s.dry, Progress: func(target string, bytes int64) {
			line.Show(fmt.Sprintf("%s: %s", target, cli.Bytes(bytes)))
		}},
	}
	defer line.Clear()
	if !s.dry {
		if err := d.stage.Clean(); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, d.stage.Discard()) }()
	if d.state, err = p.load(ctx); err != nil {
		return err
	}
	if err := p.uploaded(d.state); err != nil {
		return err
	}
	if d.manifest, err = readManifest(ctx, d.state); err != nil {
		return err
	}
	maps.Copy(d.targets, d.state.Targets.Targets)
	if err := edit(ctx, d); err != nil {
		return err
	}
	line.Clear()
	return d.publish(ctx)
}

// publish makes what was edited the repository's state.
func (d *draft) publish(ctx context.Context) error {
	if d.scope == publish.Everything {
		if err := d.stageManifest(ctx); err != nil {
			return err
		}
	}
	var signers []signer.Signer
	if d.scope != publish.RootsOnly {
		var err error
		if signers, err = d.signers(ctx); err != nil {
			return err
		}
	}
	for i, k := range signers {
		if !d.state.Knows(k.Key()) {
			d.log().Warn("the root gives this key no role: it signs nothing", "key", d.keys[i])
		}
	}
	e := &publish.Edition{
		State: d.state, Stage: d.stage, Targets: d.targets, Expires: d.expires, Signers: signers, Now: d.now(), Renew: d.renew, Scope: d.scope,
	}
	plan, err := e.Plan(ctx)
	if err != nil {
		return err
	}
	if len(plan.Acts) == 0 {
		d.printf("nothing to publish: the repository is as it should be\n")
		return nil
	}
	if plan.Gap {
		d.log().Warn("the keys that hosts trust now do not sign what is published: a host that reads in the moment between the new root and timestamp.json fails once, and succeeds at its next try")
	}
	if root := d.state.Root; root.Expires.Before(d.expires.Timestamp) {
		d.log().Warn("the root expires before what is published; pubsys root next begins a new one", "expires", root.Expires.Format(time.RFC3339))
	}
	if d.dry {
		d.show(plan, "would publish")
		return nil
	}
	if err := plan.Run(ctx, d.fs); err != nil {
		todo := "run the same command again: it does what is left; clients see the old state until then"
		if full(err) {
			todo = "free some space where that file is, and " + todo
		}
		return hintf(todo, "%v", err)
	}
	d.show(plan, "published")
	return nil
}

func (d *draft) stageManifest(ctx context.Context) error {
	text, err := d.manifest.Format()
	if err != nil {
		return err
	}
	return d.add(ctx, manifest.Name, text)
}

// show lists what is published, in the order in which it is.
func (d *draft) show(plan *publish.Plan, verb string) {
	d.printf("%s\n", verb)
	for _, act := range plan.Acts {
		folder, note := d.variant+"/"+d.arch, cli.Bytes(act.Size)
		if filepath.Dir(act.Path) == d.Targets {
			folder = "targets"
		}
		if act.Known {
			note = "there already"
		}
		d.printf("  %s/%s (%s)\n", folder, shortTarget(filepath.Base(act.Path)), note)
	}
}

// shortTarget shortens the digest before a target's name.
func shortTarget(base string) string {
	if digest, rest, ok := strings.Cut(base, "."); ok && len(digest) == 64 {
		return digest[:12] + "…." + rest
	}
	return base
}

// lifetimes fills in when the new metadata expires: counted from now, or from
// the start of a release that lies ahead.
func (d *draft) lifetimes(policy string, start time.Time) error {
	l, err := readLives(policy)
	if err != nil {
		return err
	}
	from := d.now()
	if start.After(from) {
		from = start
	}
	d.expires, err = l.from(from)
	return err
}

// parseStart reads when a release starts; empty is now.
func (a *app) parseStart(text string) (time.Time, error) {
	now := a.now().UTC().Truncate(time.Second)
	if text == "" {
		return now, nil
	}
	at, err := manifest.ParseTime(text, now)
	if err != nil {
		return at, fmt.Errorf("--start: %w", err)
	}
	return at, nil
}
