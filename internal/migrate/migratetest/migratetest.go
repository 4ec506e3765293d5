// Package migratetest lays out hosts whose next boot has something to migrate.
//
// Start with [New]. The repository is real and signed, the migrations are real
// programs: one, compiled once, which does what the name says that it was
// published as (testdata/guest), and another one that keeps the reference's
// contract (testdata/reference).
package migratetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/pierrec/lz4/v4"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// World is a host, and the repository that it is updated from.
type World struct {
	Root     paths.Root
	Repo     *tufrepotest.Repo
	Manifest manifest.Manifest

	t testing.TB
}

// New is a host without a datastore.
func New(t testing.TB) *World {
	t.Helper()
	w := &World{Root: paths.Root(t.TempDir()), Repo: tufrepotest.New(t), t: t}
	w.Write(w.Root.TrustedRoot(), w.Repo.Root())
	w.Runs("1.0.0")
	return w
}

// Write writes a file of the host.
func (w *World) Write(path string, data []byte) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// Runs lets the host boot the image of a version.
func (w *World) Runs(version string) {
	w.t.Helper()
	w.Write(w.Root.OSRelease(), fmt.Appendf(nil, "PRETTY_NAME=Test\nVARIANT_ID=metal-dev\nVERSION_ID=%s\nBUILD_ID=abcdef\n", version))
}

// Version parses a version.
func (w *World) Version(text string) manifest.Version {
	w.t.Helper()
	v, err := manifest.ParseVersion(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// Step adds a step between two versions to the manifest, and its migrations to
// the repository: names such as motd or fail, see testdata/guest, or ref-motd,
// see testdata/reference.
func (w *World) Step(from, to string, kinds ...string) []string {
	w.t.Helper()
	var names []string
	for _, kind := range kinds {
		name := fmt.Sprintf("migrate_v%s_%s.lz4", to, kind)
		names = append(names, name)
		w.Repo.AddTarget("targets", name, executable(w.t, kind))
	}
	w.Manifest.Migrations = append(w.Manifest.Migrations, manifest.Migration{From: w.Version(from), To: w.Version(to), Targets: names})
	return names
}

// Publish signs the repository.
func (w *World) Publish() {
	w.t.Helper()
	text, err := w.Manifest.Format()
	if err != nil {
		w.t.Fatal(err)
	}
	w.Repo.AddTarget("targets", manifest.Name, text)
	w.Repo.Publish("targets", "snapshot", "timestamp")
}

// Prepare publishes the repository and puts everything into the host's caches, as an update does.
func (w *World) Prepare() {
	w.t.Helper()
	w.Publish()
	ctx := context.Background()
	source, err := tufrepo.Remote(w.Repo.URL+"/metadata", w.Repo.URL+"/targets", tufrepo.RemoteOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	repo, err := tufrepo.Open(ctx, source, tufrepo.Options{TrustedRoot: w.Repo.Root(), Expiry: tufrepo.IgnoreExpiry})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := repo.Cache(ctx, w.Root.CachedMetadata(), w.Root.Migrations(), repo.Targets()...); err != nil {
		w.t.Fatal(err)
	}
	if err := tufrepo.SaveVersions(durable.OS{}, w.Root.CachedVersions(), repo.Versions()); err != nil {
		w.t.Fatal(err)
	}
}

// Store makes the datastore of a version, with settings of the user.
func (w *World) Store(version string, settings map[string]any) {
	w.t.Helper()
	w.Edit(func(tx *datastore.Tx) error {
		e := datastore.Edits{Layer: api.LayerUser}
		for k, v := range settings {
			text, err := json.Marshal(v)
			if err != nil {
				return err
			}
			e.Set = append(e.Set, key.Pair{Key: key.Key("settings." + k), Value: text})
		}
		if err := tx.Edit(e); err != nil || version == "" {
			return err
		}
		return tx.SetRelease(datastore.Release{Version: version})
	})
}

// Edit updates the datastore.
func (w *World) Edit(fn func(*datastore.Tx) error) {
	w.t.Helper()
	s := w.Open()
	if err := s.Update(context.Background(), datastore.Author{Caller: api.Caller{Program: "test"}}, fn); err != nil {
		w.t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// Open opens the datastore; the caller closes it.
func (w *World) Open() *datastore.Store {
	w.t.Helper()
	s, err := datastore.Open(w.Root.Datastore(), datastore.Options{CopyAfter: -1})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// Settings are the version that the datastore is of and its effective settings.
func (w *World) Settings() (version, settings string) {
	w.t.Helper()
	s := w.Open()
	defer s.Close()
	return s.Release().Version, string(s.Snapshot().JSON())
}

// Cache is where an update has put what the next boot needs.
func (w *World) Cache() migrate.Cache { return migrate.CacheBelow(w.Root) }

// Guest is the compressed executable of every migration.
func Guest(t testing.TB) []byte {
	t.Helper()
	code, err := guest()
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// Reference is the compressed executable of every migration that keeps the reference's contract.
func Reference(t testing.TB) []byte {
	t.Helper()
	code, err := reference()
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func executable(t testing.TB, kind string) []byte {
	t.Helper()
	if strings.HasPrefix(kind, "ref-") {
		return Reference(t)
	}
	return Guest(t)
}

var (
	guest     = sync.OnceValues(func() ([]byte, error) { return buildTestdata("guest") })
	reference = sync.OnceValues(func() ([]byte, error) { return buildTestdata("reference") })
)

func buildTestdata(name string) ([]byte, error) {
	_, here, _, _ := runtime.Caller(0)
	return Build(filepath.Join(filepath.Dir(here), "testdata", name))
}

// Build compiles the program in a folder and compresses it.
func Build(folder string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "guest")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Dir = folder
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w\n%s", folder, err, out)
	}
	code, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	w := lz4.NewWriter(&packed)
	if _, err := w.Write(code); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// Context is that of the test.
func (w *World) Context() context.Context { return w.t.Context() }

// Document is what the datastore's migrations are given.
func (w *World) Document() ([]byte, error) {
	s := w.Open()
	defer s.Close()
	return migrate.Document(s.Snapshot())
}

// Executable is [Guest], unpacked.
func (w *World) Executable() []byte {
	w.t.Helper()
	code, err := io.ReadAll(lz4.NewReader(bytes.NewReader(Guest(w.t))))
	if err != nil {
		w.t.Fatal(err)
	}
	return code
}
