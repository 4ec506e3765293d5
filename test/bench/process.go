package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/hostler-os/hostler/internal/durable"
)

const (
	aimedSetRatio = 2.0
	aimedSetTime  = 8 * time.Millisecond
	aimedMemory   = 16 << 20
	aimedSize     = 25 << 20
)

// set compares the whole of `apiclient set motd=…` with what cannot be avoided:
// one synced commit, one synced file, one process.
func set(ctx context.Context, b *bench) ([]row, error) {
	noop := filepath.Join(b.dir, "noop")
	if out, err := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", noop, "./test/bench/noop").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build noop: %w\n%s", err, out)
	}
	bare, err := openBare(filepath.Join(b.dir, "few.db"), 100)
	if err != nil {
		return nil, err
	}
	defer bare.Close()
	s, err := startSandbox(ctx, b, "metal-dev")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := s.run(ctx, "set", "motd=warm"); err != nil {
		return nil, err
	}
	p, err := inTurns(b.times(200, 60),
		func(i int) error { return floorOfSet(ctx, bare, noop, filepath.Join(b.dir, "motd"), i) },
		func(i int) error { return s.run(ctx, "set", fmt.Sprintf("motd=message number %d", i)) })
	if err != nil {
		return nil, err
	}
	what := "apiclient set motd=… to its exit"
	return []row{p.atMost(what, aimedSetRatio), within(what+", time", median(p.ours), aimedSetTime)}, nil
}

func floorOfSet(ctx context.Context, db *bbolt.DB, noop, file string, i int) error {
	if err := exec.CommandContext(ctx, noop).Run(); err != nil {
		return err
	}
	if err := putBare(db, i%100, i); err != nil {
		return err
	}
	return durable.WriteFile(durable.OS{}, file, fmt.Appendf(nil, "message number %d\n", i), durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep})
}

// memory is what apiserver keeps resident once it has served and rests.
func memory(ctx context.Context, b *bench) ([]row, error) {
	s, err := startSandbox(ctx, b, "aws-dev")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := s.run(ctx, "set", "motd=one change"); err != nil {
		return nil, err
	}
	select {
	case <-time.After(time.Duration(b.times(10, 4)) * time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	resident, err := memoryOf(s.server.Process.Pid, "VmRSS")
	return []row{below("resident memory of an idle apiserver", resident, aimedMemory)}, err
}

// memoryOf is a number in bytes of a process's status: VmRSS what it has, VmHWM the most that it had.
func memoryOf(pid int, field string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, found := strings.Cut(string(status), field+":")
	var kilobytes int64
	if _, err := fmt.Sscanf(after, "%d kB", &kilobytes); !found || err != nil {
		return 0, fmt.Errorf("no %s in the status of process %d", field, pid)
	}
	return kilobytes << 10, nil
}

// size is what the host's programs take on disk as installed.
func size(ctx context.Context, b *bench) ([]row, error) {
	root := filepath.Join(b.dir, "installed")
	if out, err := exec.CommandContext(ctx, "make", "install", "DESTDIR="+root).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make install: %w\n%s", err, out)
	}
	var total int64
	err := fs.WalkDir(os.DirFS(root), "usr/bin", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return []row{below("installed size of all host programs", total, aimedSize)}, err
}
