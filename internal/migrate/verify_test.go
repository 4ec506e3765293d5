package migrate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
)

// cached is the path of a target in the host's cache.
func cached(t *testing.T, w *migratetest.World, name string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.Root.Migrations(), "*."+name))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %v, %v", name, files, err)
	}
	return files[0]
}

// alter rewrites a file.
func alter(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(bytes.Clone(data)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func flip(data []byte) []byte {
	data[len(data)/2] ^= 1
	return data
}

const theMigration = "migrate_v1.1.0_motd.lz4"

// Whoever can write to the caches may do all of this. Nothing of it runs.
func TestAttacks(t *testing.T) {
	target := func(change func([]byte) []byte) func(*testing.T, *migratetest.World) {
		return func(t *testing.T, w *migratetest.World) { alter(t, cached(t, w, theMigration), change) }
	}
	metadata := func(name string, change func([]byte) []byte) func(*testing.T, *migratetest.World) {
		return func(t *testing.T, w *migratetest.World) {
			alter(t, filepath.Join(w.Root.CachedMetadata(), name), change)
		}
	}
	const loading = "Error loading migration '" + theMigration + "': "
	tests := []struct {
		name   string
		attack func(*testing.T, *migratetest.World)
		want   string
	}{
		{"a byte is altered", target(flip), loading},
		{"the migration is replaced", target(func([]byte) []byte { return []byte("#!/bin/sh\nrm -rf /\n") }), loading},
		{"it is truncated", target(func(b []byte) []byte { return b[:len(b)/2] }), loading},
		{"something is added", target(func(b []byte) []byte { return append(b, 0) }), loading},
		{"it is gone", func(t *testing.T, w *migratetest.World) { remove(t, cached(t, w, theMigration)) }, loading},
		{"it is a link to elsewhere", link(flip), loading},
		{"it is a link to elsewhere, where the right thing is", link(func(b []byte) []byte { return b }), loading},
		{"it is a pipe", pipe, loading},
		{"its folder is a pipe", func(t *testing.T, w *migratetest.World) {
			if err := errors.Join(os.RemoveAll(w.Root.Migrations()), unix.Mkfifo(w.Root.Migrations(), 0o600)); err != nil {
				t.Fatal(err)
			}
		}, "Error loading manifest: "},
		{"the manifest is altered", func(t *testing.T, w *migratetest.World) { alter(t, cached(t, w, "manifest.json"), flip) }, "Error loading manifest: "},
		{"the manifest is emptied", func(t *testing.T, w *migratetest.World) {
			alter(t, cached(t, w, "manifest.json"), func([]byte) []byte { return nil })
		}, "Error loading manifest: "},
		{"the timestamp is altered", metadata("timestamp.json", flip), "Failed to load TUF repo: "},
		{"the targets metadata is altered", metadata("2.targets.json", flip), "Failed to load TUF repo: "},
		{"the snapshot is gone", func(t *testing.T, w *migratetest.World) {
			remove(t, filepath.Join(w.Root.CachedMetadata(), "2.snapshot.json"))
		}, "Failed to load TUF repo: "},
		{"everything is signed again, by others", signAgain, "Failed to load TUF repo: "},
		{"a root of others is added", addRoot, "Failed to load TUF repo: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := prepared(t)
			test.attack(t, w)
			_, err := migrate.Run(t.Context(), options(t, w, "1.1.0"))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			expect(t, w, "1.0.0", `{"motd":"hi"}`)
		})
	}
}

func prepared(t *testing.T) *migratetest.World {
	t.Helper()
	w := host(t, "motd")
	return w
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func link(change func([]byte) []byte) func(*testing.T, *migratetest.World) {
	return func(t *testing.T, w *migratetest.World) {
		t.Helper()
		path, elsewhere := cached(t, w, theMigration), filepath.Join(t.TempDir(), "elsewhere")
		if err := os.Rename(path, elsewhere); err != nil {
			t.Fatal(err)
		}
		alter(t, elsewhere, change)
		if err := os.Symlink(elsewhere, path); err != nil {
			t.Fatal(err)
		}
	}
}

func pipe(t *testing.T, w *migratetest.World) {
	t.Helper()
	path := cached(t, w, theMigration)
	remove(t, path)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// signAgain puts another repository, whole, into the caches.
func signAgain(t *testing.T, w *migratetest.World) {
	t.Helper()
	other := migratetest.New(t)
	other.Step("1.0.0", "1.1.0", "fail")
	other.Prepare()
	for from, to := range map[string]string{
		other.Root.CachedMetadata(): w.Root.CachedMetadata(), other.Root.Migrations(): w.Root.Migrations(),
	} {
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
}

func addRoot(t *testing.T, w *migratetest.World) {
	t.Helper()
	other := tufrepotest.New(t)
	other.Publish("root")
	w.Write(filepath.Join(w.Root.CachedMetadata(), "2.root.json"), other.Get("metadata/2.root.json"))
}

// All of older metadata is signed as well as the newer.
func TestOlderMetadataPutBack(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "fail")
	w.Prepare()
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(w.Root.CachedMetadata())); err != nil {
		t.Fatal(err)
	}
	w.Manifest.Migrations = nil
	w.Step("1.0.0", "1.1.0", "motd")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	if err := os.RemoveAll(w.Root.CachedMetadata()); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(w.Root.CachedMetadata(), os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	_, err := migrate.Run(t.Context(), options(t, w, "1.1.0"))
	if err == nil || !strings.Contains(err.Error(), "timestamp metadata in "+w.Root.CachedMetadata()+" has version 2, but the last update put version 3 there") {
		t.Errorf("got %v", err)
	}
}

func TestRecordOfVersionsThatCannotBeRead(t *testing.T) {
	w := prepared(t)
	w.Write(w.Root.CachedVersions(), []byte("{"))
	if _, err := migrate.Run(t.Context(), options(t, w, "1.1.0")); err == nil || !strings.Contains(err.Error(), "read versions of metadata") {
		t.Errorf("got %v", err)
	}
	// Hosts that were prepared by an earlier version have none.
	remove(t, w.Root.CachedVersions())
	run(t, w, "1.1.0")
}

func TestExpiryDoesNotMatter(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "motd")
	past := tufrepotest.Expires(time.Now().Add(-24 * time.Hour))
	for _, role := range []string{"timestamp", "snapshot", "targets"} {
		w.Repo.Roles[role]["expires"] = past
	}
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	run(t, w, "1.1.0")
	expect(t, w, "1.1.0", `{"motd":"hi+"}`)
}

func TestMigrationNotInTheManifest(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "motd")
	w.Repo.AddTarget("targets", "migrate_v1.1.0_fail.lz4", migratetest.Guest(t)) // signed, but nobody asks for it
	w.Prepare()
	w.Write(filepath.Join(w.Root.Migrations(), "migrate_v1.1.0_evil.lz4"), migratetest.Guest(t))
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	if report := run(t, w, "1.1.0"); len(report.Steps) != 1 {
		t.Errorf("got %+v", report.Steps)
	}
}

func TestManifestNamesWhatNobodySigned(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "motd")
	w.Manifest.Migrations[0].Targets = append(w.Manifest.Migrations[0].Targets, "migrate_v1.1.0_evil.lz4")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	_, err := migrate.Run(t.Context(), options(t, w, "1.1.0"))
	if err == nil || err.Error() != "Migration 'migrate_v1.1.0_evil.lz4' not found" {
		t.Errorf("got %v", err)
	}
}

func TestNoManifest(t *testing.T) {
	w := migratetest.New(t)
	w.Repo.Publish("targets", "snapshot", "timestamp")
	source, err := tufrepo.Remote(w.Repo.URL+"/metadata", w.Repo.URL+"/targets", tufrepo.RemoteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := tufrepo.Open(t.Context(), source, tufrepo.Options{TrustedRoot: w.Repo.Root()})
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.Cache(t.Context(), w.Root.CachedMetadata(), w.Root.Migrations()); err != nil {
		t.Fatal(err)
	}
	_, err = migrate.Verify(t.Context(), w.Cache(), w.Version("1.0.0"), w.Version("1.1.0"), slog.New(slog.DiscardHandler))
	if got := fmt.Sprint(err); got != "Manifest not found in repository" {
		t.Errorf("got %s", got)
	}
}

// What was verified is what runs, whatever becomes of the files in between.
func TestSwappedBetweenCheckAndUse(t *testing.T) {
	w := host(t, "talk", "motd")
	o := options(t, w, "1.1.0")
	swapped := false
	// The first migration says something when all of them are verified.
	o.Log = slog.New(onRecord{slog.DiscardHandler, func(r slog.Record) {
		if r.Message == "migration says" && !swapped {
			swapped = true
			signAgain(t, w)
		}
	}})
	if _, err := migrate.Run(t.Context(), o); err != nil || !swapped {
		t.Fatal(err, swapped)
	}
	expect(t, w, "1.1.0", `{"motd":"hi+"}`)
}

// onRecord sees what is logged.
type onRecord struct {
	slog.Handler
	see func(slog.Record)
}

func (h onRecord) Enabled(context.Context, slog.Level) bool { return true }

func (h onRecord) Handle(_ context.Context, r slog.Record) error {
	h.see(r)
	return nil
}
