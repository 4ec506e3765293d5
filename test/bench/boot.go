package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// aimedBoot is the CPU time of a whole boot: both programs, from their start
// to every file rendered. The reference's chain needs about 45 ms.
const aimedBoot = 25 * time.Millisecond

// memoryFolder is a tmpfs that anyone may write to.
const memoryFolder = "/dev/shm"

const bootUserData = "[settings]\nmotd = \"a bench\"\n[settings.aws]\nregion = \"eu-west-1\"\n"

// costs is what boots took, one value a boot.
type costs struct{ cpu, wall []time.Duration }

// boot measures a first boot of aws-dev: user data, generators, every file. The
// aim is for a host, where /etc and /run are in memory and /var on a disk. A root
// that is wholly on the disk is shown beside it: what it costs more, the disk's
// file system costs.
func boot(ctx context.Context, b *bench) ([]row, error) {
	var host, disk costs
	for range b.times(21, 5) {
		if err := host.add(ctx, b, layOutAsHost); err != nil {
			return nil, err
		}
		if err := disk.add(ctx, b, layOut); err != nil {
			return nil, err
		}
	}
	const what = "boot of aws-dev"
	return []row{
		within(what+", CPU time of apiserver and sundog; /etc and /run in memory", median(host.cpu), aimedBoot),
		{what: what + ", time from sundog's start to its end; likewise", ours: duration(median(host.wall)), ok: true},
		{what: what + ", CPU time; all on the disk", ours: duration(median(disk.cpu)), ok: true},
		{what: what + ", time; all on the disk", ours: duration(median(disk.wall)), ok: true},
	}, nil
}

// add boots once, in a sandbox of its own.
func (c *costs) add(ctx context.Context, b *bench, layOut func(context.Context, *bench, string) (*sandbox, error)) error {
	s, err := layOut(ctx, b, "aws-dev")
	if err != nil {
		return err
	}
	defer s.remove()
	if err := s.start(ctx); err != nil {
		return err
	}
	defer s.stop()
	cpu, wall, err := bootIn(ctx, b, s)
	c.cpu, c.wall = append(c.cpu, cpu), append(c.wall, wall)
	return err
}

// layOutAsHost makes a sandbox in memory whose /var is on the disk.
func layOutAsHost(ctx context.Context, b *bench, variant string) (*sandbox, error) {
	memory := *b
	memory.dir = memoryFolder
	s, err := layOut(ctx, &memory, variant)
	if err != nil {
		return nil, err
	}
	if err := moveVar(s, b.dir); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// moveVar puts the sandbox's /var, in which nothing is yet but folders, below dir.
func moveVar(s *sandbox, dir string) error {
	to, err := os.MkdirTemp(dir, "var-")
	if err != nil {
		return err
	}
	name := filepath.Join(s.root, "var")
	return errors.Join(os.MkdirAll(filepath.Join(to, "lib/hostler"), 0o700), os.RemoveAll(name), os.Symlink(to, name))
}

func bootIn(ctx context.Context, b *bench, s *sandbox) (cpu, wall time.Duration, err error) {
	document := filepath.Join(s.root, "var/lib/bottlerocket/user-data.toml")
	if err := os.MkdirAll(filepath.Dir(document), 0o755); err != nil {
		return 0, 0, err
	}
	if err := os.WriteFile(document, []byte(bootUserData), 0o600); err != nil {
		return 0, 0, err
	}
	sundog := exec.CommandContext(ctx, filepath.Join(b.bin, "hostler"), "sundog", "--root", s.root)
	sundog.Env = append(os.Environ(), "GOGC=off", "GOMAXPROCS=1") // as its unit has it
	var out bytes.Buffer
	sundog.Stdout, sundog.Stderr = &out, &out
	began := time.Now()
	if err := errors.Join(startAsUnit(sundog), sundog.Wait()); err != nil {
		return 0, 0, fmt.Errorf("sundog: %w\n%s", err, &out)
	}
	wall = time.Since(began)
	server, err := cpuOf(s.server.Process.Pid)
	return server + sundog.ProcessState.UserTime() + sundog.ProcessState.SystemTime(), wall, err
}

// cpuOf is the CPU time of all threads of a running process.
func cpuOf(pid int) (time.Duration, error) {
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/schedstat")
	if err != nil || len(threads) == 0 {
		return 0, fmt.Errorf("no threads of process %d: %w", pid, syscall.ESRCH)
	}
	var total time.Duration
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		nanoseconds, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(nanoseconds)
	}
	return total, nil
}
