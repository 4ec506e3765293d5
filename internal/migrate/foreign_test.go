package migrate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/osrelease"
)

// Migrations of the reference and ours take turns, forward and back.
func TestMixedChain(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "ref-motd", "motd", "ref-motd-again")
	w.Step("1.1.0", "1.2.0", "motd-last", "ref-say")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": "hi", "ntp.time-servers": []string{"a.example.com"}})

	report := run(t, w, "1.2.0")
	expect(t, w, "1.2.0", `{"motd":"hi++++","ntp":{"time-servers":["a.example.com"]}}`)
	var references []bool
	for _, s := range report.Steps {
		references = append(references, s.Reference)
	}
	if len(references) != 5 || !references[0] || references[1] || !references[4] {
		t.Errorf("which were of the reference: %v", references)
	}
	search(w)
	if report := run(t, w, "1.0.0"); report.Way != api.WayBackward {
		t.Errorf("went %s", report.Way)
	}
	expect(t, w, "1.0.0", `{"dns":{"search-list":["x"]},"motd":"hi","ntp":{"time-servers":["a.example.com"]}}`)
}

func TestForeignFailures(t *testing.T) {
	tests := []struct{ kind, want string }{
		{"fail", "Migration returned '1' - stderr: it cannot be done"},
		{"hang", "run migration migrate_v1.1.0_ref-hang.lz4: limit exceeded: migrate_v1.1.0_ref-hang.lz4 ran longer than "},
		{"outside", "Migration returned '1' - stderr: open /escaped: permission denied"},
		{"text", "run migration migrate_v1.1.0_ref-text.lz4: read what it wrote: read datastore target/datastore: live/settings/motd: the value is not JSON"},
		{"break", "after the migration, the model of 1.1.0 refuses 1 value; settings.ntp.time-servers: "},
	}
	for _, test := range tests {
		t.Run(test.kind, func(t *testing.T) {
			w := host(t, "motd", "ref-"+test.kind, "ref-motd", "motd-2")
			o := options(t, w, "1.1.0")
			if test.kind == "hang" {
				o.Limits.Time = time.Second
			}
			report, err := migrate.Run(t.Context(), o)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
			if report == nil || report.OK() || report.Error == nil || report.Error.Message != err.Error() {
				t.Errorf("report: %+v", report)
			}
			expect(t, w, "1.0.0", `{"motd":"hi"}`)
		})
	}
}

// An answer of ours that is none is refused before one of the reference's sees it.
func TestForeignAfterGarbage(t *testing.T) {
	w := host(t, "garbage", "ref-motd")
	report, err := migrate.Run(t.Context(), options(t, w, "1.1.0"))
	if err == nil || !strings.HasPrefix(err.Error(), "migration migrate_v1.1.0_garbage.lz4 answered what is no document") || len(report.Steps) != 1 {
		t.Errorf("got %v, %+v", err, report)
	}
}

func TestForeignIsVerified(t *testing.T) {
	w := host(t, "ref-motd")
	alter(t, cached(t, w, "migrate_v1.1.0_ref-motd.lz4"), flip)
	if _, err := migrate.Run(t.Context(), options(t, w, "1.1.0")); err == nil || !strings.HasPrefix(err.Error(), "Error loading migration ") {
		t.Errorf("got %v", err)
	}
	expect(t, w, "1.0.0", `{"motd":"hi"}`)
}

// Values of every layer are migrated, and stay in theirs; what a program prints
// shows them, and goes nowhere.
func TestForeignKeepsLayersAndSecrets(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "ref-motd", "ref-say")
	w.Prepare()
	w.Edit(func(tx *datastore.Tx) error {
		motd := func(text string) []key.Pair { return []key.Pair{{Key: "settings.motd", Value: []byte(text)}} }
		return errors.Join(
			tx.Edit(datastore.Edits{Layer: api.LayerGenerated, Set: motd(`"low"`)}),
			tx.Edit(datastore.Edits{Layer: api.LayerUser, Set: motd(`"high"`)}),
			tx.SetRelease(datastore.Release{Version: "1.0.0"}))
	})
	var log bytes.Buffer
	o := options(t, w, "1.1.0")
	o.OS = osrelease.Release{PrettyName: "Test 1", VersionID: "1.1.0"}
	o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	report, err := migrate.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := all(w), "generated settings.motd = \"low+\"\nuser settings.motd = \"high+\"\n"; got != want {
		t.Errorf("got %s", got)
	}
	if strings.Contains(log.String(), "high") || !strings.Contains(report.Steps[1].Message, "on Test 1 1.1.0\n") {
		t.Errorf("got %+v\n%s", report.Steps, &log)
	}
}

// A rehearsal does the same, and leaves the settings.
func TestForeignRehearsal(t *testing.T) {
	w := host(t, "ref-motd", "motd")
	report, err := migrate.Rehearse(t.Context(), migrate.Rehearsal{Options: options(t, w, "1.1.0")})
	if err != nil || len(report.Diff) != 1 || string(report.Diff[0].After) != `"hi++"` {
		t.Errorf("got %+v, %v", report, err)
	}
	expect(t, w, "1.0.0", `{"motd":"hi"}`)
}

// Keys that the programs write beside settings are left out, as those of ours.
func TestForeignKeysOfTheImage(t *testing.T) {
	w := host(t, "ref-noop")
	if report := run(t, w, "1.1.0"); len(report.Diff) > 0 {
		t.Errorf("got %+v", report.Diff)
	}
	expect(t, w, "1.1.0", `{"motd":"hi"}`)
}

// A generated value becomes what the new template makes, over several versions
// and back; one that somebody has chosen stays.
func TestForeignTemplates(t *testing.T) {
	tests := []struct{ value, up, down string }{
		{"one", "three", "one"},
		{"mine", "mine", "mine"},
	}
	for _, test := range tests {
		w := migratetest.New(t)
		w.Step("1.0.0", "1.1.0", "ref-remake1", "noop")
		w.Step("1.1.0", "1.2.0", "ref-remake2")
		w.Prepare()
		made := func(by string) map[key.Key]json.RawMessage {
			return map[key.Key]json.RawMessage{"settings.motd": []byte(`"make ` + by + `"`)}
		}
		store := func(version, by, value string) {
			w.Edit(func(tx *datastore.Tx) error {
				return errors.Join(
					tx.Edit(datastore.Edits{Layer: api.LayerGenerated, Set: []key.Pair{{Key: "settings.motd", Value: []byte(`"` + value + `"`)}}}),
					tx.SetRelease(datastore.Release{Version: version, Generators: made(by)}))
			})
		}
		store("1.0.0", "one", test.value)
		report := run(t, w, "1.2.0")
		if got, want := all(w), `generated settings.motd = "`+test.up+"\"\n"; got != want {
			t.Errorf("%s: got %s", test.value, got)
		}
		for _, e := range report.Diff {
			if e.Layer != api.LayerGenerated {
				t.Errorf("%s: got %+v", test.value, e)
			}
		}
		store("1.2.0", "three", test.up)
		run(t, w, "1.0.0")
		if got, want := all(w), `generated settings.motd = "`+test.down+"\"\n"; got != want {
			t.Errorf("%s: got %s", test.value, got)
		}
	}
}

// What the new image makes settings from is noted for the version that comes after it.
func TestGeneratorsAreNoted(t *testing.T) {
	w := host(t)
	run(t, w, "1.1.0")
	s := w.Open()
	defer s.Close()
	want := theModel(t).MetadataAll(model.MetadataSettingGenerator)
	if diff := cmp.Diff(s.Release().Generators, want); diff != "" || len(want) == 0 {
		t.Errorf("%d: %s", len(want), diff)
	}
}
