package main

import (
	"context"
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

const bootUserData = "[settings]\nmotd = \"a bench\"\n[settings.aws]\nregion = \"eu-west-1\"\n"

// boot measures a first boot of aws-dev: user data, generators, every file.
func boot(ctx context.Context, b *bench) ([]row, error) {
	var cpu, wall []time.Duration
	for range b.times(21, 5) {
		used, took, err := bootOnce(ctx, b)
		if err != nil {
			return nil, err
		}
		cpu, wall = append(cpu, used), append(wall, took)
	}
	took := row{what: "boot of aws-dev, time from sundog's start to its end", ours: duration(median(wall)), ok: true}
	return []row{within("boot of aws-dev, CPU time of apiserver and sundog", median(cpu), aimedBoot), took}, nil
}

func bootOnce(ctx context.Context, b *bench) (cpu, wall time.Duration, err error) {
	s, err := startSandbox(ctx, b, "aws-dev")
	if err != nil {
		return 0, 0, err
	}
	defer s.stop()
	document := filepath.Join(s.root, "var/lib/bottlerocket/user-data.toml")
	if err := os.MkdirAll(filepath.Dir(document), 0o755); err != nil {
		return 0, 0, err
	}
	if err := os.WriteFile(document, []byte(bootUserData), 0o600); err != nil {
		return 0, 0, err
	}
	sundog := exec.CommandContext(ctx, filepath.Join(b.bin, "hostler"), "sundog", "--root", s.root)
	sundog.Env = append(os.Environ(), "GOGC=off") // as its unit has it
	began := time.Now()
	if out, err := sundog.CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("sundog: %w\n%s", err, out)
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
