package migrate

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// Host is a running host whose update is being prepared.
type Host struct {
	Root      paths.Root
	Datastore string // the file; empty: the root's
	Cache     Cache  // zero: the root's
	OS        osrelease.Release
	Log       *slog.Logger
	Now       func() time.Time
}

// Rehearse is RehearseHost, for those who prepare an update.
func (h Host) Rehearse(ctx context.Context, to manifest.Version) (*api.Migration, error) {
	return RehearseHost(ctx, h, to)
}

// LastChange is the newest entry of the settings' history: a rehearsal that saw
// another one is out of date. It is 0 where there are no settings.
func (h Host) LastChange(ctx context.Context) (uint64, error) {
	h = h.filled()
	d, err := datastore.ReadDraft(ctx, h.Datastore, datastore.Options{Log: h.Log, CopyAfter: -1})
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return d.LastHistory(), d.Close()
}

func (h Host) filled() Host {
	if h.Datastore == "" {
		h.Datastore = h.Root.Datastore()
	}
	if h.Cache == (Cache{}) {
		h.Cache = CacheBelow(h.Root)
	}
	return h
}

// ModelTarget is the target that Rehearse reads, if the release brings it.
func (h Host) ModelTarget(to manifest.Version) string {
	return ModelTarget(h.OS.VariantID, h.OS.Arch, to.String())
}

// RehearseHost is Rehearse for a host and what an update has put into its
// caches: the models are that of the image, and that of the release, if it
// brings one. Without it only the form of the result is checked, and the report says so.
func RehearseHost(ctx context.Context, h Host, to manifest.Version) (*api.Migration, error) {
	h = h.filled()
	r := Rehearsal{Options: Options{Datastore: h.Datastore, Cache: h.Cache, To: to, OS: h.OS, Log: h.Log, Now: h.Now}}
	r.Options = r.filled()
	running, err := manifest.ParseVersion(h.OS.VersionID)
	if err != nil {
		return nil, err
	}
	r.Running = running
	r.OS.VersionID = to.String()
	share := os.DirFS(h.Root.Share())
	variant, err := model.ImageVariant(share)
	if err == nil {
		r.Old, err = model.Load(share, variant)
	}
	if err != nil {
		r.Log.Debug("what did not fit before is not known", "err", err)
	}
	return r.withModel(ctx, h.ModelTarget(to), h.OS.VariantID)
}

// withModel rehearses with the release's model. Metadata that cannot be proved
// is the rehearsal's affair to tell.
func (r Rehearsal) withModel(ctx context.Context, target, variant string) (*api.Migration, error) {
	m, err := LoadModelTarget(ctx, r.Cache, target, variant, r.Log)
	switch {
	case errors.Is(err, ErrNoModel):
		r.NoModel = ErrNoModel.Error()
	case err != nil:
		r.NoModel = err.Error()
	}
	r.Model = m
	report, failed := Rehearse(ctx, r)
	if failed == nil && err != nil && !errors.Is(err, ErrNoModel) && report != nil {
		report.State, report.Error = api.MigrationFailed, api.AsError(err)
		failed = err
	}
	return report, failed
}
