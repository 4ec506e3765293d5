package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/service"
)

// script writes an executable shell script and returns its path.
func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "command")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPlain(t *testing.T) {
	t.Setenv("CHANGED_SETTINGS", "from the parent")
	show := script(t, `pwd; echo "$#:$2:${CHANGED_SETTINGS-unset}"`)
	for _, tc := range []struct {
		name    string
		command service.Command
		output  string
		failure string
	}{
		{"arguments", service.Command{Line: show + " a  c"}, "/\n3::unset", ""},
		{"changed", service.Command{Line: show, Changed: []string{"settings.a", `settings."b.c"`}}, "/\n0::settings.a settings.\"b.c\"", ""},
		{"none changed", service.Command{Line: show, Changed: []string{}}, "/\n0::", ""},
		{"in PATH", service.Command{Line: "echo hi"}, "hi", ""},
		{"status", service.Command{Line: script(t, "echo why >&2; exit 3")}, "why", "exited with status 3"},
		{"signal", service.Command{Line: script(t, "kill -TERM $$")}, "", "ended by signal 15 (terminated)"},
		{"missing", service.Command{Line: "/nonexistent/program"}, "", "no such file or directory"},
		{"not in PATH", service.Command{Line: "no-such-program-here"}, "", "executable file not found"},
		{"empty", service.Command{Line: " x"}, "", "does not begin with a program"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			output, err := plainManager(time.Minute).Run(t.Context(), tc.command)
			if diff := cmp.Diff(output, tc.output); diff != "" {
				t.Errorf("output (-got +want):\n%s", diff)
			}
			if tc.failure == "" && err != nil || tc.failure != "" && (err == nil || !strings.Contains(err.Error(), tc.failure)) {
				t.Errorf("got %v, want %q", err, tc.failure)
			}
		})
	}
}

func plainManager(deadline time.Duration) service.Manager {
	return service.Plain(slog.New(slog.DiscardHandler), deadline)
}

func TestPlainKeepsTheEnd(t *testing.T) {
	output, err := plainManager(time.Minute).Run(t.Context(), service.Command{Line: "seq 1 100000"})
	if err != nil || len(output) > 4200 || !strings.HasPrefix(output, "…") || !strings.HasSuffix(output, "\n99999\n100000") {
		t.Errorf("%v, %d bytes: %.40q", err, len(output), output)
	}
}

func TestPlainDeadlineKillsTheGroup(t *testing.T) {
	pidfile := filepath.Join(t.TempDir(), "pid")
	line := script(t, "sleep 60 & echo $! >"+pidfile+"; wait")
	started := time.Now()
	_, err := plainManager(300*time.Millisecond).Run(t.Context(), service.Command{Line: line})
	if !errors.Is(err, service.ErrDeadline) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	pid, err := os.ReadFile(pidfile)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

// waitFor polls until ok, for ten seconds at most.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("condition never came true")
}

// A command that leaves a daemon behind which holds its output has still ended.
func TestPlainLeavesDaemons(t *testing.T) {
	started := time.Now()
	output, err := plainManager(time.Minute).Run(t.Context(), service.Command{Line: script(t, "echo up; sleep 30 & ")})
	if err != nil || output != "up" || time.Since(started) > 20*time.Second {
		t.Errorf("%q, %v after %v", output, err, time.Since(started))
	}
}

func TestRecorder(t *testing.T) {
	dir := t.TempDir()
	records, faults := filepath.Join(dir, "run", "restarts.jsonl"), filepath.Join(dir, "faults.json")
	m := service.Recorder(records, faults, 50*time.Millisecond)
	run := func(line string) error {
		_, err := m.Run(t.Context(), service.Command{Line: line, Service: "s", Changed: []string{"settings.a"}})
		return err
	}
	if err := run("one"); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(faults, []byte(`{"two": "fail", "three": "hang", "four": "explode"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run("two"); err == nil || err.Error() != "run 'two': exited with status 1" {
		t.Errorf("two: %v", err)
	}
	if err := run("three"); !errors.Is(err, service.ErrDeadline) {
		t.Errorf("three: %v", err)
	}
	if err := run("four"); err == nil || !strings.Contains(err.Error(), "'explode' is neither fail nor hang") {
		t.Errorf("four: %v", err)
	}
	if err := m.DaemonReload(t.Context()); err != nil {
		t.Error(err)
	}
	want := []service.Record{
		{Service: "s", Command: "one", Changed: []string{"settings.a"}, Result: "done"},
		{Service: "s", Command: "two", Changed: []string{"settings.a"}, Result: "failed"},
		{Service: "s", Command: "three", Changed: []string{"settings.a"}, Result: "timeout"},
		{Command: "systemctl daemon-reload", Result: "done"},
	}
	if diff := cmp.Diff(readRecords(t, records), want, cmpopts.IgnoreFields(service.Record{}, "Time")); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

func TestRecorderFailsOnce(t *testing.T) {
	dir := t.TempDir()
	faults := filepath.Join(dir, "faults.json")
	if err := os.WriteFile(faults, []byte(`{"one": "fail-once", "two": "fail"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	m := service.Recorder(filepath.Join(dir, "restarts.jsonl"), faults, time.Minute)
	for _, want := range []bool{true, false, false} {
		if _, err := m.Run(t.Context(), service.Command{Line: "one"}); (err != nil) != want {
			t.Errorf("got %v, want an error: %v", err, want)
		}
	}
	if _, err := m.Run(t.Context(), service.Command{Line: "two"}); err == nil {
		t.Error("the other fault is gone too")
	}
}

// Who heals a command that hangs needs not wait for the deadline.
func TestRecorderIsHealed(t *testing.T) {
	for _, fault := range []service.Fault{service.Hang, service.Hang.Once()} {
		faults := filepath.Join(t.TempDir(), "faults.json")
		if err := service.WriteFaults(faults, map[string]service.Fault{"one": fault}); err != nil {
			t.Fatal(err)
		}
		m := service.Recorder(faults+".records", faults, time.Minute)
		ended := make(chan error, 1)
		go func() {
			_, err := m.Run(t.Context(), service.Command{Line: "one"})
			ended <- err
		}()
		select {
		case err := <-ended:
			t.Fatalf("%s: ended by itself: %v", fault, err)
		case <-time.After(300 * time.Millisecond):
		}
		if err := service.WriteFaults(faults, nil); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if got := readRecords(t, faults+".records"); err != nil || len(got) != 1 || got[0].Result != "done" {
				t.Errorf("%s: %v, records %+v", fault, err, got)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: still hangs", fault)
		}
	}
}

func TestRecorderHangsOnce(t *testing.T) {
	faults := filepath.Join(t.TempDir(), "faults.json")
	for _, tc := range []struct {
		fault string
		want  error
	}{{"hang-once", service.ErrDeadline}, {"hanging", nil}} { // the second is left by a server that was killed
		if err := os.WriteFile(faults, []byte(`{"one": "`+tc.fault+`"}`), 0o644); err != nil {
			t.Fatal(err)
		}
		m := service.Recorder(faults+".records", faults, 50*time.Millisecond)
		for _, want := range []error{tc.want, nil} {
			if _, err := m.Run(t.Context(), service.Command{Line: "one"}); !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", tc.fault, err, want)
			}
		}
		if left, err := service.ReadFaults(faults); err != nil || len(left) != 0 {
			t.Errorf("%s: left %v, %v", tc.fault, left, err)
		}
	}
}

func readRecords(t *testing.T, file string) []service.Record {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []service.Record
	for line := range strings.Lines(string(data)) {
		var r service.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// TestRecorderOfOtherThings: a FIFO must not be waited for, a link not be followed.
func TestRecorderOfOtherThings(t *testing.T) {
	dir := t.TempDir()
	fifo, link, beyond := filepath.Join(dir, "fifo"), filepath.Join(dir, "link"), filepath.Join(dir, "beyond")
	if err := errors.Join(unix.Mkfifo(fifo, 0o600), os.Symlink(beyond, link)); err != nil {
		t.Fatal(err)
	}
	for _, records := range []string{fifo, link} {
		if _, err := service.Recorder(records, fifo+".faults", 0).Run(t.Context(), service.Command{Line: "x"}); err == nil {
			t.Errorf("recorded in %s", records)
		}
	}
	if _, err := os.Lstat(beyond); err == nil {
		t.Error("a file was made where a link leads")
	}
}

func TestRecorderRefusesAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := filepath.Join(t.TempDir(), "records")
	if _, err := service.Recorder(file, file+".faults", 0).Run(ctx, service.Command{Line: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the command was recorded")
	}
}
