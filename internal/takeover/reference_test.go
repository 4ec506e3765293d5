package takeover_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pierrec/lz4/v4"

	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/memexec"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/internal/refstore"
	"github.com/hostler-os/hostler/internal/takeover"
)

// What was exported is a datastore to programs of the reference: one of its
// migrations reads all of it through the links, and writes the same.
func TestExportIsReadByTheReference(t *testing.T) {
	o := options(t)
	path := filepath.Join(t.TempDir(), "datastore.db")
	if _, err := takeover.Import(t.Context(), small(t), path, o); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "datastore")
	exported, err := takeover.Export(t.Context(), path, to, o)
	if err != nil {
		t.Fatal(err)
	}
	written := migrateByReference(t, to, "noop")
	written.Live.Data = withoutImage(written.Live.Data)
	if len(exported.Live.Metadata) < 10 || len(exported.Live.Data) < 50 {
		t.Errorf("only %d values and %d metadata were exported", len(exported.Live.Data), len(exported.Live.Metadata))
	}
	again, err := refstore.Read(to)
	if err != nil {
		t.Fatal(err)
	}
	same := cmp.Comparer(func(a, b json.RawMessage) bool { return sameJSON(t, a, b) })
	if diff := cmp.Diff(written.Live, again.Live, same); diff != "" {
		t.Errorf("it has written (-) what it was not given (+):\n%s", diff)
	}
}

// migrateByReference lets a migration of the reference's contract migrate a
// datastore as it lies there.
func migrateByReference(t *testing.T, datastore, kind string) *refstore.Store {
	t.Helper()
	program, err := memexec.Load("migrate_v1.1.0_ref-"+kind+".lz4", lz4.NewReader(bytes.NewReader(migratetest.Reference(t))), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	files := &memexec.Files{
		Bytes: 64 << 20, Count: 100_000, Read: []string{"datastore", "usr"}, Write: []string{"target"},
		Fill: func(dir string) error {
			release := []byte("PRETTY_NAME=x\nVARIANT_ID=aws-dev\nVERSION_ID=1.2.3\nBUILD_ID=x\n")
			return errors.Join(
				os.CopyFS(dir+"/datastore", os.DirFS(datastore)), os.MkdirAll(dir+"/usr/lib", 0o755), os.Mkdir(dir+"/target", 0o755),
				os.WriteFile(dir+"/usr/lib/os-release", release, 0o644))
		},
	}
	defer files.Close()
	var s memexec.Sandbox
	p, err := s.StartWith(program, files, "--forward", "--source-datastore", "/datastore/current", "--target-datastore", "/target/datastore")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Run(t.Context(), nil); err != nil {
		t.Fatalf("%v: %s", err, r.Message)
	}
	root, err := os.OpenRoot(files.Dir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	written, err := refstore.ReadFolder(root, "target/datastore")
	if err != nil {
		t.Fatal(err)
	}
	return written
}

// withoutImage leaves out what the migration adds of the image.
func withoutImage(data []key.Pair) (settings []key.Pair) {
	for _, p := range data {
		if !p.Key.Within("os") {
			settings = append(settings, p)
		}
	}
	return settings
}
