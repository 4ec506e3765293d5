package migrationtest

import (
	"bytes"
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hostler-os/hostler/migration"
)

// Build builds the main package in a folder as hosts run it, static and without
// symbols, and returns the program's path. It is removed with the test.
func Build(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "migrate")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Dir = folder
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build migration in %s: %v\n%s", folder, err, out)
	}
	checkStatic(t, path)
	return path
}

// checkStatic fails for a program that needs a loader: where migrations run
// there are no files, and so no libraries.
func checkStatic(t *testing.T, path string) {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Fatal("the migration is linked dynamically; a host cannot run it: build it with CGO_ENABLED=0")
		}
	}
}

// patience is how long a migration of a test may run: it ends at once, unless it hangs.
const patience = time.Minute

// runProcess runs a migration's program as a host does: with an empty environment.
func runProcess(t failer, path string, d migration.Direction, document []byte) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	program := exec.CommandContext(ctx, path, d.Flag())
	program.Env = []string{}
	program.Stdin, program.Stdout, program.Stderr = bytes.NewReader(document), &out, &errs
	if err := program.Run(); err != nil {
		t.Fatalf("%s %s: %v: %s", path, d.Flag(), err, errs.String())
	}
	return out.Bytes()
}
