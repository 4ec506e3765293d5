package migrate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/update/pack"
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

// small is the model of a release that knows one setting, a number.
var small = map[string]string{
	"models/types.json":          `{"$defs": {"Number": {"type": "integer", "description": "any number"}}}`,
	"models/motd/schema.json":    `{"$ref": "../types.json#/$defs/Number", "description": "a number"}`,
	"models/motd/defaults.toml":  ``,
	"variants/metal-dev.toml":    "groups = [\"motd\"]\n",
	"models/motd/README.md":      "a number",
	"models/motd/not-needed.txt": "something",
}

// modelTarget packs a model as publishers do.
func modelTarget(t *testing.T, files map[string]string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	var packed bytes.Buffer
	if err := pack.Folder(&packed, dir); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// A rehearsal judges the settings by the model that the release brings, as far
// as that is proved; without one it tells that nothing has judged them.
func TestModelOfTheRelease(t *testing.T) {
	for name, tt := range map[string]struct {
		target    []byte // nil: none
		motd      any
		tampered  bool
		why       string // it fails; "": it does not
		unchecked string
	}{
		"fits":       {modelTarget(t, small), 5, false, "", ""},
		"fits not":   {modelTarget(t, small), "five", false, "after the migration, the model of 1.1.0 refuses 1 value", ""},
		"none":       {nil, "five", false, "", migrate.ErrNoModel.Error()},
		"altered":    {modelTarget(t, small), 5, true, "read model target model-metal-dev-x86_64-1.1.0.tar.zst", "read model target"},
		"no archive": {[]byte("nothing"), 5, false, "read model target model-metal-dev-x86_64-1.1.0.tar.zst", "read model target"},
		"no variant": {modelTarget(t, map[string]string{"models/types.json": small["models/types.json"]}), 5, false, "read model target", "read model target"},
		"of nothing": {modelTarget(t, nil), 5, false, "read model target", "read model target"},
	} {
		t.Run(name, func(t *testing.T) {
			w := migratetest.New(t)
			h := migrate.Host{Root: w.Root, OS: osrelease.Release{VariantID: "metal-dev", VersionID: "1.0.0", Arch: "x86_64"}}
			target := h.ModelTarget(w.Version("1.1.0"))
			if tt.target != nil {
				w.Repo.AddTarget("targets", target, tt.target)
			}
			w.Step("1.0.0", "1.1.0", "noop")
			w.Prepare()
			if tt.tampered {
				alter(t, cached(t, w, target), flip)
			}
			w.Store("1.0.0", map[string]any{"motd": tt.motd})
			r, err := h.Rehearse(t.Context(), w.Version("1.1.0"))
			if (err != nil) != (tt.why != "") || err != nil && !strings.Contains(err.Error(), tt.why) {
				t.Errorf("got %v, expected %q", err, tt.why)
			}
			if r == nil || r.OK() != (tt.why == "") || !strings.HasPrefix(r.Unchecked, tt.unchecked) || (r.Unchecked == "") != (tt.unchecked == "") {
				t.Errorf("got %+v", r)
			}
		})
	}
}
