package migration_test

import (
	"testing"

	"github.com/hostler-os/hostler/migration"
	"github.com/hostler-os/hostler/migration/migrationtest"
)

// settings are the values that keys may have.
type settings = map[string][]any

// Every kind keeps what it promises on random documents.
func TestProperties(t *testing.T) {
	for name, s := range map[string]migrationtest.Suite{
		"rename": {
			Migration: migration.Rename("settings.a", "settings.b.c"), Idempotent: true,
			Older: migrationtest.Version{Settings: settings{"settings.a": {1}, "settings.a.x": {"y"}}, Metadata: map[string]settings{"settings.a": {"m": {1}}}},
			Newer: migrationtest.Version{Settings: settings{"settings.b.c": {1}, "settings.b.c.x": {"y"}}},
		},
		"add": {
			Migration: migration.Sequence(migration.AddSettings("settings.a"), migration.AddPrefixes("settings.b."), migration.AddSubtrees("settings.c")), Idempotent: true,
			Newer: migrationtest.Version{Settings: settings{"settings.a": {1}, "settings.b.x": {2}, "settings.c": {3}, "settings.c.y": {4}}},
		},
		"remove": {
			Migration: migration.RemoveSettings("settings.a"), Idempotent: true, Loses: true,
			Older: migrationtest.Version{Settings: settings{"settings.a": {1}}},
		},
		"replace": {
			Migration: migration.Sequence(
				migration.ReplaceValue("settings.a", 1, []string{"one"}),
				migration.ReplaceLists(migration.List{Key: "settings.l", Old: []string{"a"}, New: []string{"a", "b"}}),
				migration.ReplaceMetadata(migration.MetadataString{Key: "settings.a", Name: "m", Old: "x", New: "y"}),
			), Idempotent: true,
			Older: migrationtest.Version{Settings: settings{"settings.a": {1, 2}, "settings.l": {[]string{"a"}, []string{}}}, Metadata: map[string]settings{"settings.a": {"m": {"x", 1}}}},
			Newer: migrationtest.Version{Settings: settings{"settings.a": {[]string{"one"}, 2}, "settings.l": {[]string{"a", "b"}, "x"}}, Metadata: map[string]settings{"settings.a": {"m": {"y", 1}}}},
		},
		"weak": {
			Migration: migration.RemoveWeakSettings(), Idempotent: true, Loses: true,
			Older: migrationtest.Version{Settings: settings{"settings.a": {1}}, Metadata: map[string]settings{"settings.a": {"strength": {"weak", "strong"}, "setting-generator": {"g"}}}},
		},
		"sequence": {
			Migration: migration.Sequence(migration.Rename("settings.a", "settings.b"), migration.ReplaceValue("settings.b", 1, 2), migration.Rename("settings.b", "settings.c")), Idempotent: true,
			Older: migrationtest.Version{Settings: settings{"settings.a": {1, 3}}}, Newer: migrationtest.Version{Settings: settings{"settings.c": {2, 3}}},
		},
	} {
		s.Cases = "migrationtest/testdata/good"
		t.Run(name, s.Run)
	}
}
