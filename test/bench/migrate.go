package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/migrate/migratetest"
)

const (
	aimedChain     = 1.5
	aimedChainTime = 2 * time.Second
	chainLength    = 100
	chainKeys      = 10_000
)

// chain carries many settings over many versions: the whole program, from its
// start to its exit, with everything verified and in the sandbox. The floor
// pipes the same document through the same executables, from files, one after
// the other.
func chain(ctx context.Context, b *bench) ([]row, error) {
	t := &stage{dir: b.dir}
	defer t.close()
	w := migratetest.New(t)
	for i := range chainLength {
		w.Step(fmt.Sprintf("1.%d.0", i), fmt.Sprintf("1.%d.0", i+1), fmt.Sprintf("motd-%d", i))
	}
	w.Prepare()
	settings := map[string]any{"motd": "hi"}
	for i := range chainKeys {
		settings[fmt.Sprintf(`kubernetes.node-labels."label-%d.example.com"`, i)] = fmt.Sprintf("value %d", i)
	}
	w.Store("1.0.0", settings)
	before, err := os.ReadFile(w.Root.Datastore())
	if err != nil {
		return nil, err
	}
	document, err := w.Document()
	if err != nil {
		return nil, err
	}
	plain := filepath.Join(b.dir, "migrate_v1_motd")
	if err := os.WriteFile(plain, w.Executable(), 0o755); err != nil {
		return nil, err
	}
	p, err := inTurns(b.times(5, 2),
		func(int) error { return pipeThrough(ctx, plain, document) },
		func(int) error {
			w.Write(w.Root.Datastore(), before)
			return command(ctx, filepath.Join(b.bin, "migrator"), "--root", string(w.Root), "--migrate-to-version", fmt.Sprintf("1.%d.0", chainLength), "--log-level", "warn")
		})
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d migrations over %d settings", chainLength, chainKeys)
	return []row{p.atMost(what, aimedChain), within(what, median(p.ours), aimedChainTime)}, nil
}

func pipeThrough(ctx context.Context, program string, document []byte) error {
	for range chainLength {
		cmd := exec.CommandContext(ctx, program, "--forward")
		cmd.Args[0], cmd.Stdin = filepath.Base(program), bytes.NewReader(document)
		out, err := cmd.Output()
		if err != nil {
			return err
		}
		document = out
	}
	return nil
}

func command(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", args[0], err, out)
	}
	return nil
}

// stage lets a program lay out what tests lay out: it has what fixtures ask of a test.
type stage struct {
	testing.TB // nil: whatever else is asked for is missing
	dir        string
	cleanups   []func()
}

func (s *stage) Helper()                   {}
func (s *stage) Cleanup(f func())          { s.cleanups = append(s.cleanups, f) }
func (s *stage) Fatal(args ...any)         { panic(fmt.Sprint(args...)) }
func (s *stage) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func (s *stage) Context() context.Context  { return context.Background() }

func (s *stage) TempDir() string {
	dir, err := os.MkdirTemp(s.dir, "stage-")
	if err != nil {
		s.Fatal(err)
	}
	return dir
}

func (s *stage) close() {
	for i := len(s.cleanups) - 1; i >= 0; i-- {
		s.cleanups[i]()
	}
}
