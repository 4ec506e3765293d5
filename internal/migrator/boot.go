package migrator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/bootlog"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// boot is what the unit does at every boot. Where versions match, it looks at
// nothing but the datastore's.
func (a *app) boot(ctx context.Context) error {
	file, log := a.file(), a.log()
	if err := a.takeOver(ctx, log); err != nil {
		return err
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(a.Err, "Data store does not exist at given path, exiting (%s)\n", a.shown())
		return nil
	}
	to, release, err := a.target()
	if err != nil {
		return err
	}
	from, known, err := migrate.DataVersion(file)
	if err == nil && (!known || from == to) {
		log.Info(fmt.Sprintf("Requested version %s matches version of given datastore at '%s'; nothing to do", to, a.shown()))
		return nil
	}
	report, err := migrate.Run(ctx, a.options(to, release, log))
	if report != nil {
		a.tell(log, report)
		if kept := bootlog.AddMigration(a.root, *report); kept != nil {
			log.Error("the report is lost", "err", kept)
		}
	}
	return err
}

// shown is the datastore as the caller named it.
func (a *app) shown() string {
	if a.datastore != "" {
		return a.datastore
	}
	return a.file()
}

// target is the version to come to, and the image that runs.
func (a *app) target() (manifest.Version, osrelease.Release, error) {
	if a.to != "" && a.fromOS {
		return manifest.Version{}, osrelease.Release{}, errors.New("--migrate-to-version and --migrate-to-version-from-os-release exclude each other")
	}
	release, err := osrelease.Read(a.root)
	if err != nil && a.to == "" {
		return manifest.Version{}, release, err
	}
	if a.to != "" {
		release.VersionID = a.to
	}
	v, err := manifest.ParseVersion(release.VersionID)
	return v, release, err
}

func (a *app) options(to manifest.Version, release osrelease.Release, log *slog.Logger) migrate.Options {
	o := migrate.Options{
		Datastore: a.file(), Cache: a.caches(), To: to, OS: release,
		UseKept: a.useKept, Accept: accepted(a.root, to, log), Log: log,
	}
	var err error
	if o.Model, err = imageModel(a.root); err != nil {
		o.NoModel = err.Error()
		log.Warn("the result is not judged by a model", "err", err)
	}
	if o.Datastore == a.root.Datastore() {
		o.Losing, o.Recovered = a.losing, a.recovered
	}
	return o
}

// losing has this boot load user data again, as apiserver does where it finds
// the damage: what says that it was loaded must not outlive the datastore that has it.
func (a *app) losing() error { return durable.Remove(durable.OS{}, a.root.UserDataLoaded()) }

// recovered lets apiserver tell that the datastore was damaged: when it opens
// it, nothing is to be seen of that any more.
func (a *app) recovered(r datastore.Recovery) {
	dir := filepath.Dir(a.root.Recovered())
	if err := errors.Join(durable.MkdirAll(durable.OS{}, dir), r.Write(a.root.Recovered())); err != nil {
		a.log().Error("apiclient status will not tell of the damage", "err", err)
	}
}

// imageModel is the model of the image's variant.
func imageModel(root paths.Root) (*model.Model, error) {
	share := os.DirFS(root.Share())
	variant, err := model.ImageVariant(share)
	if err != nil {
		return nil, err
	}
	return model.Load(share, variant)
}

// accepted is what the rehearsal of this update has found, and somebody has decided.
func accepted(root paths.Root, to manifest.Version, log *slog.Logger) func(api.Misfit) bool {
	journal := journal.Load(root, log)
	for i := len(journal.Attempts) - 1; i >= 0; i-- {
		if attempt := journal.Attempts[i]; attempt.Version == to.String() {
			return migrate.Accepts(attempt.Rehearsal, attempt.Forced)
		}
	}
	return nil
}

// tell logs what was done.
func (a *app) tell(log *slog.Logger, r *api.Migration) {
	for _, s := range r.Steps {
		if s.Error != "" {
			log.Error("migration failed", "migration", s.Name, "took", s.Took, "err", s.Error)
			continue
		}
		log.Info("migration ran", "migration", s.Name, "took", s.Took)
	}
	for _, v := range append(r.Violations, r.Before...) {
		log.Warn("value does not fit the model", "key", v.Key, "layer", string(v.Layer), "why", v.Message)
	}
	for _, text := range r.Warnings {
		log.Warn(text)
	}
	level, what := slog.LevelInfo, "settings migrated"
	if !r.OK() {
		level, what = slog.LevelError, "settings not migrated"
	}
	log.Log(context.Background(), level, what, "state", string(r.State), "from", r.From, "to", r.To, "way", string(r.Way),
		"migrations", len(r.Steps), "changed", len(r.Diff), "took", r.Took)
}
