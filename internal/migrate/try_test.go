package migrate_test

import (
	"errors"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/internal/osrelease"
)

// try sets a setting that has the value before, and waits for a confirmation.
func try(w *migratetest.World, k key.Key, before, after string) {
	w.Edit(func(tx *datastore.Tx) error {
		id, err := tx.NextChange()
		if err != nil {
			return err
		}
		record := `{"change":{"id":1,"state":"trying","keys":["` + string(k) + `"],"try":{"until":"2030-01-01T00:05:00Z"}},"phase":"trying","layer":"user",` +
			`"settings":[{"key":"` + string(k) + `","before":` + before + `,"after":` + after + `}],"try":{"length":300000000000,"since":"2030-01-01T00:00:00Z"}}`
		edit := tx.Edit(datastore.Edits{Layer: api.LayerUser, Set: []key.Pair{{Key: k, Value: []byte(after)}}})
		return errors.Join(edit, tx.PutChange(id, true, []byte(record)))
	})
}

// A try that is open at a boot into another version is taken back before the
// migrations, which may give its setting another name: whether they succeed or
// not, and in the rehearsal too.
func TestTryAcrossAnUpdate(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "rename")
	w.Step("1.1.0", "1.2.0", "fail")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"old": "proved"})
	try(w, "settings.old", `"proved"`, `"tried"`)

	h := migrate.Host{Root: w.Root, OS: osrelease.Release{VariantID: "metal-dev", VersionID: "1.0.0", Arch: "x86_64"}}
	report, err := h.Rehearse(t.Context(), w.Version("1.1.0"))
	if err != nil || len(report.Warnings) != 1 {
		t.Fatalf("got %+v, %v", report, err)
	}
	expect(t, w, "1.0.0", `{"old":"tried"}`) // a copy was rehearsed

	if _, err := migrate.Run(t.Context(), options(t, w, "1.2.0")); err == nil {
		t.Error("migrated, although that fails")
	}
	expect(t, w, "1.0.0", `{"old":"proved"}`)
	run(t, w, "1.1.0")
	expect(t, w, "1.1.0", `{"motd":"proved"}`)
	s := w.Open()
	defer s.Close()
	if open, err := s.OpenChanges(); len(open) > 0 || err != nil {
		t.Errorf("still open: %q, %v", open, err)
	}
}
