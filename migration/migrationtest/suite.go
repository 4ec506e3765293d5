package migrationtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/migration"
)

// Suite says what is true of a migration.
type Suite struct {
	Migration migration.Migration

	// Cases is the folder with the documents; "" stands for testdata.
	Cases string

	// Package is the folder of the migration's main package, such as ".". If it
	// is given, it is built as hosts run it, and the cases are run through it too.
	Package string

	// Older and Newer are the settings that the migration names, as they may be
	// in the two versions. Random documents of these versions are made of them
	// and of settings that the migration does not name.
	Older, Newer Version

	// Loses says that a document that went forward and back may differ from
	// what it was, because the newer version has no place for something.
	Loses bool

	// Idempotent claims that forward changes nothing a second time.
	Idempotent bool
}

// Version is what the settings that a migration names may be in one version.
// Each may be absent too.
type Version struct {
	Settings map[string][]any            // key → values
	Metadata map[string]map[string][]any // key → name → values
}

// Run tries all that the suite says.
func (s Suite) Run(t *testing.T) {
	t.Helper()
	t.Run("cases", s.cases)
	t.Run("from the older version", func(t *testing.T) { rapid.Check(t, s.fromOlder) })
	t.Run("from the newer version", func(t *testing.T) { rapid.Check(t, s.fromNewer) })
}

func (s Suite) cases(t *testing.T) {
	folder := s.Cases
	if folder == "" {
		folder = "testdata"
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	ways := map[string]program{"": s.inProcess}
	if s.Package != "" {
		path := Build(t, s.Package)
		ways[", as a process"] = func(t failer, d migration.Direction, document []byte) []byte { return runProcess(t, path, d, document) }
	}
	tried := 0
	for _, e := range entries {
		if !e.IsDir() || e.Name() == "rapid" || e.Name() == "fuzz" {
			continue // what those libraries keep
		}
		tried++
		for how, run := range ways {
			t.Run(e.Name()+how, func(t *testing.T) { oneCase(t, filepath.Join(folder, e.Name()), run) })
		}
	}
	if tried == 0 {
		t.Errorf("%s has no folder with a case", folder)
	}
}

// program is one way to run a migration over a document.
type program func(t failer, d migration.Direction, document []byte) []byte

// failer is a test, of this package's callers or of rapid.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func oneCase(t *testing.T, folder string, run program) {
	before := read(t, filepath.Join(folder, "before.json"))
	after := read(t, filepath.Join(folder, "after.json"))
	back, err := os.ReadFile(filepath.Join(folder, "back.json"))
	if errors.Is(err, fs.ErrNotExist) {
		back, err = before, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "forward", run(t, migration.Forward, before), after)
	compare(t, "backward", run(t, migration.Backward, after), back)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// compare compares documents, whatever their spelling and their os.
func compare(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if diff := cmp.Diff(canonical(t, got), canonical(t, want)); diff != "" {
		t.Errorf("%s (-got +want):\n%s", what, diff)
	}
}

// canonical is the one spelling of a document, a member a line.
func canonical(t failer, document []byte) string {
	t.Helper()
	d, err := migration.Parse(document)
	if err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	text, err := d.Append(nil, false)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		t.Fatalf("%v", err)
	}
	return out.String()
}

// inProcess runs the migration as its program would.
func (s Suite) inProcess(t failer, d migration.Direction, document []byte) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	if code := migration.Run(s.Migration, []string{"migration", d.Flag()}, bytes.NewReader(document), &out, &errs); code != migration.ExitOK {
		t.Fatalf("%s exits %d: %s\nof document %s", d, code, errs.String(), document)
	}
	return out.Bytes()
}
