package tharbeupdates

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/update/manifest"
	"github.com/hostler-os/hostler/internal/updater"
)

// job is a command at work.
type job struct {
	*program
	said io.Writer // what the command tells, for the status
}

// apply is what a command that succeeded changes in the record.
type apply = func(*updater.Record)

var jobs = map[string]func(*job, context.Context) (apply, error){
	api.UpdateRefresh:    (*job).refresh,
	api.UpdatePrepare:    (*job).prepare,
	api.UpdateActivate:   (*job).activate,
	api.UpdateDeactivate: (*job).deactivate,
}

// refresh finds out what the repository offers.
func (j *job) refresh(ctx context.Context) (apply, error) {
	var tried *journal.Journal
	err := j.alone(ctx, func(all *journal.Journal) error {
		tried = all
		return j.settle(ctx, all)
	})
	if err != nil {
		return nil, err
	}
	c, err := j.catalog(ctx)
	if err != nil {
		return nil, err
	}
	choice, err := c.Choose(update.Wish{Failed: c.FailedBefore(ctx, tried)})
	if err != nil {
		return nil, err
	}
	offer, err := c.Explain(ctx, choice, false)
	if err != nil {
		return nil, err
	}
	return func(r *updater.Record) {
		r.Offer, r.Available, r.Chosen, r.Digest = &offer, nil, nil, ""
		for _, u := range choice.Applicable() {
			r.Available = append(r.Available, u.Version.String())
		}
		if u, ok := choice.Chosen(); ok {
			r.Chosen = &api.UpdateImage{Arch: u.Arch, Version: u.Version.String(), Variant: u.Variant}
			r.Digest, _ = c.Digest(ctx, u) // without one of its images it cannot be installed
		}
	}, nil
}

// prepare writes the release that the last refresh has chosen, and no other.
func (j *job) prepare(ctx context.Context) (apply, error) {
	return nil, j.alone(ctx, func(tried *journal.Journal) error {
		c, err := j.catalog(ctx)
		if err != nil {
			return err
		}
		u, err := j.chosen(ctx, c)
		if err != nil {
			return err
		}
		i, err := j.installation(ctx, c, u)
		if err != nil {
			return err
		}
		i.Journal = tried
		return i.Run(ctx)
	})
}

// installation is how a release is installed on this host.
func (j *job) installation(ctx context.Context, c *update.Catalog, u manifest.Update) (*update.Installation, error) {
	d, err := slot.Of(j.root)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(j.said, "Starting update to %s\n", u.Version)
	h, err := j.rehearser()
	if err != nil {
		return nil, err
	}
	total, err := toFetch(ctx, c, u)
	if err != nil {
		return nil, err
	}
	return &update.Installation{
		Catalog: c, Update: u, Disk: d, Progress: j.teller(u.Version.String(), total),
		Rehearse: h.Rehearse, Extra: []string{h.ModelTarget(u.Version)},
	}, nil
}

// chosen finds what was chosen in the repository as it is now. That it failed
// before was weighed when it was chosen.
func (j *job) chosen(ctx context.Context, c *update.Catalog) (manifest.Update, error) {
	view, err := j.View(ctx)
	if err != nil {
		return manifest.Update{}, err
	}
	image := view.Status.Chosen
	if image == nil {
		return manifest.Update{}, fixed("Chosen update does not exist")
	}
	version, err := manifest.ParseVersion(image.Version)
	if err != nil {
		return manifest.Update{}, err
	}
	choice, err := c.Choose(update.Wish{Forced: &version})
	if err != nil {
		return manifest.Update{}, err
	}
	if u, ok := choice.Chosen(); ok {
		return u, nil
	}
	return manifest.Update{}, fmt.Errorf("%s, which was chosen, is no longer offered%s; look for updates again", version, why(choice, version))
}

func why(choice manifest.Choice, version manifest.Version) string {
	for _, v := range choice.Verdicts {
		if v.Update.Version != version {
			continue
		}
		var texts []string
		for _, r := range v.Reasons {
			texts = append(texts, r.Text)
		}
		return ": " + strings.Join(texts, "; ")
	}
	return ": the repository has it no more"
}

// rehearser tries migrations on a copy of the settings.
func (j *job) rehearser() (migrate.Host, error) {
	release, err := osrelease.Read(j.root)
	return migrate.Host{Root: j.root, OS: release, Log: j.log}, err
}

func (j *job) activate(ctx context.Context) (apply, error) {
	h, err := j.rehearser()
	if err != nil {
		return nil, err
	}
	return nil, j.flip(ctx, func(ctx context.Context, d *slot.Disk, tried *journal.Journal, now time.Time) error {
		return update.Activate(ctx, d, tried, h, now, j.teller(tried.Prepared()))
	})
}

func (j *job) deactivate(ctx context.Context) (apply, error) {
	return nil, j.flip(ctx, update.Deactivate)
}

// catalog proves the repository. The version lock is that of this program's own configuration.
func (j *job) catalog(ctx context.Context) (*update.Catalog, error) {
	config, err := update.LoadConfig(j.root.Updog())
	if err != nil {
		return nil, err
	}
	if config.VersionLock, err = versionLock(j.config); err != nil {
		return nil, err
	}
	release, err := osrelease.Read(j.root)
	if err != nil {
		return nil, fixed("Unable to get OS version: %w", err)
	}
	return update.Open(ctx, update.Host{Root: j.root, Config: config, Release: release, Now: j.now, Log: j.log})
}

// maxConfig is far above what a setting can render, in bytes.
const maxConfig = 1 << 20

// versionLock reads the configuration, whose only key it is.
func versionLock(path string) (string, error) {
	text, err := durable.ReadFile(path, maxConfig)
	if err != nil {
		return "", fixed("Failed to read config file %s: %w", path, err)
	}
	var file struct {
		Lock string `toml:"version-lock"`
	}
	if err := toml.NewDecoder(bytes.NewReader(text)).Decode(&file); err != nil {
		return "", fixed("Failed to parse config file %s: %w", path, err)
	}
	if file.Lock == "" {
		return "", fixed("Failed to get required setting 'version-lock'")
	}
	return file.Lock, nil
}
