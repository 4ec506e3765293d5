package migrate_test

import (
	"encoding/json"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/internal/osrelease"
)

// Whether a rehearsal is out of date shows in the history of the settings.
func TestRehearsalIsOfSettings(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "motd")
	w.Prepare()
	h := migrate.Host{Root: w.Root, OS: osrelease.Release{VariantID: "metal-dev", VersionID: "1.0.0", Arch: "x86_64"}}
	if last, err := h.LastChange(t.Context()); last != 0 || err != nil {
		t.Errorf("without settings: %d, %v", last, err)
	}
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	r, err := h.Rehearse(t.Context(), w.Version("1.1.0"))
	if err != nil {
		t.Fatal(err)
	}
	if last, err := h.LastChange(t.Context()); r.History == 0 || last != r.History || err != nil {
		t.Errorf("it saw %d; the newest is %d, %v", r.History, last, err)
	}
	w.Edit(func(tx *datastore.Tx) error {
		return tx.Edit(datastore.Edits{Layer: api.LayerUser, Set: []key.Pair{{Key: "settings.motd", Value: json.RawMessage(`"ho"`)}}})
	})
	if last, err := h.LastChange(t.Context()); last != r.History+1 || err != nil {
		t.Errorf("it saw %d; the newest is %d, %v", r.History, last, err)
	}
}
