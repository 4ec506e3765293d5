package migrate_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
)

// journeys is how many random datastores travel; each costs six processes.
const journeys = 10

// Up, down and up again: what the migrations do not name stays byte for byte,
// in its layer, and what they do comes back.
func TestUpDownUp(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "rename", "motd")
	w.Prepare()
	stored := rapid.SliceOfN(rapid.Custom(drawPair), 0, 40)
	for n := range journeys {
		w.Edit(func(tx *datastore.Tx) error {
			for _, layer := range []api.Layer{api.LayerGenerated, api.LayerUserData, api.LayerUser} {
				e := datastore.Edits{Layer: layer, Set: stored.Example(3*n + len(layer)), Unset: tx.Snapshot().InLayer(layer, "")}
				if err := tx.Edit(e); err != nil {
					return err
				}
			}
			return tx.SetRelease(datastore.Release{Version: "1.0.0"})
		})
		down := all(w)
		travel(t, w, "1.1.0")
		up := all(w)
		// A change in between, so that the way back is by migrations.
		w.Edit(func(tx *datastore.Tx) error {
			return tx.Edit(datastore.Edits{Layer: api.LayerUser, Set: []key.Pair{{Key: "settings.since", Value: []byte("true")}}})
		})
		travel(t, w, "1.0.0")
		w.Edit(func(tx *datastore.Tx) error {
			return tx.Edit(datastore.Edits{Layer: api.LayerUser, Unset: []key.Key{"settings.since"}})
		})
		if got := all(w); got != down {
			t.Fatalf("journey %d: back is\n%s, not\n%s", n, got, down)
		}
		travel(t, w, "1.1.0")
		if got := all(w); got != up {
			t.Fatalf("journey %d: up again is\n%s, not\n%s", n, got, up)
		}
	}
}

// drawPair draws a setting; settings.motd is the migrations' own.
func drawPair(t *rapid.T) key.Pair {
	name := rapid.OneOf(rapid.Just("old"), rapid.StringMatching(`[a-d](\.[e-h]){0,2}(\."x\.y")?`)).Draw(t, "key")
	value := rapid.SampledFrom([]string{`"text"`, `""`, `1`, `-2.5e300`, `true`, `null`, `[1,"two",{"three":3}]`, `"ü\u0001\\"`}).Draw(t, "value")
	if name == "old" {
		value = fmt.Sprintf("%q", rapid.StringMatching(`[a-z]{0,5}`).Draw(t, "text"))
	}
	return key.Pair{Key: key.Key("settings." + name), Value: []byte(value)}
}

func travel(t *testing.T, w *migratetest.World, to string) {
	t.Helper()
	o := migrate.Options{Datastore: w.Root.Datastore(), Cache: w.Cache(), To: w.Version(to)}
	if report, err := migrate.Run(t.Context(), o); err != nil || report.Way == api.WayKept {
		t.Fatal(report, err)
	}
}

// all is everything that a datastore holds, layer by layer.
func all(w *migratetest.World) string {
	s := w.Open()
	defer s.Close()
	var text strings.Builder
	for _, layer := range []api.Layer{api.LayerGenerated, api.LayerUserData, api.LayerUser} {
		for _, k := range s.Snapshot().InLayer(layer, "") {
			value, _ := s.Snapshot().ValueIn(layer, k)
			fmt.Fprintf(&text, "%s %s = %s\n", layer, k, value)
		}
	}
	return text.String()
}
