package apiserver

import (
	"context"
	"fmt"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/bootlog"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/osrelease"
)

// checkRelease looks whether the settings are of the image's version. Those of
// a datastore that was never told are: it is told now. Those of another version
// were not migrated; they are shown, as far as they fit, and not changed.
func (p *program) checkRelease() error {
	release, err := osrelease.Read(p.root)
	if err != nil {
		return nil // no image of ours: versions mean nothing here
	}
	switch have := p.store.Release().Version; have {
	case release.VersionID:
		return nil
	case "":
		return p.store.Update(context.Background(), datastore.Author{}, func(tx *datastore.Tx) error {
			return tx.SetRelease(datastore.Release{
				Version: release.VersionID, Generators: p.model.MetadataAll(model.MetadataSettingGenerator),
			})
		})
	default:
		p.frozen = &api.Error{
			Code:    api.CodeConflict,
			Message: fmt.Sprintf("the settings are of version %s, and this is %s: they were not migrated, and cannot be changed", have, release.VersionID),
			Hint:    "see journalctl -u migrator and apiclient status --migrations; the other slot may still boot",
		}
		p.log.Error("settings are of another version and were not migrated; they are shown only", "settings", have, "image", release.VersionID)
		return nil
	}
}

// migrations are the reports of the last ones.
func (p *program) migrations() ([]api.Migration, error) {
	return bootlog.Migrations(p.root)
}
