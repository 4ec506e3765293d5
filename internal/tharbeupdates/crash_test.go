package tharbeupdates

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/updater"
)

// begin begins a command in a process of its own.
func (h *host) begin(command string) {
	h.t.Helper()
	if code, errs := h.call(command); code != 0 {
		h.t.Fatalf("%s: exit code %d: %s", command, code, errs)
	}
}

// worker is the process that holds the lock.
func (h *host) worker() int {
	h.t.Helper()
	lock := h.Host.Root.UpdaterLock()
	found, err := filepath.Glob("/proc/[0-9]*/fd/3")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, fd := range found {
		if target, err := os.Readlink(fd); err != nil || target != lock {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(fd, "/")[2])
		if err == nil && pid != os.Getpid() {
			return pid
		}
	}
	h.t.Fatal("no process holds the lock")
	return 0
}

// A command whose process dies is told as failed, and the next one works.
func TestKilledAtEveryPhase(t *testing.T) {
	for _, held := range []string{"timestamp.json", "manifest.json", "migrate_", "1.21.0-0", "1.21.0-1", "1.21.0-2"} {
		t.Run(held, func(t *testing.T) {
			h := newHost(t)
			h.Offer("1.21.0", size)
			h.do("refresh")
			g := h.Gate()
			open := g.Close(held)
			h.begin("prepare")
			g.Await()
			if o := h.overview(); o.Running == nil || o.Running.Command != "prepare" || o.Status.State != api.UpdateAvailable {
				t.Errorf("while it is under way: %+v", o)
			}
			if err := syscall.Kill(h.worker(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			s := h.ended()
			h.expect(s, "Available [1.21.0] chosen 1.21.0, prepare Failed 1")
			if !strings.HasPrefix(s.Command.Stderr, "interrupted: prepare, begun at ") {
				t.Errorf("it told %q", s.Command.Stderr)
			}
			if again := h.ended(); again.Command.Timestamp != s.Command.Timestamp {
				t.Errorf("its time changes: %s, %s", s.Command.Timestamp, again.Command.Timestamp)
			}
			open()
			h.expect(h.do("prepare"), "Staged [1.21.0] chosen 1.21.0 staged 1.21.0, prepare Success 0")
			h.Check("1.21.0", size)
		})
	}
}

func (h *host) overview() api.Updates {
	h.t.Helper()
	o, err := h.Overview(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return o
}

// A refresh that dies leaves nothing on offer: nobody knows what is.
func TestKilledRefresh(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	g := h.Gate()
	defer g.Close("timestamp.json")()
	h.begin("refresh")
	g.Await()
	if err := syscall.Kill(h.worker(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.expect(h.ended(), "Idle [1.21.0] chosen 1.21.0, refresh Failed 1")
}

// A power cut leaves nothing below /run, and the same is told.
func TestPowerCut(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	g := h.Gate()
	open := g.Close("1.21.0-1")
	h.begin("prepare")
	g.Await()
	if err := syscall.Kill(h.worker(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.ended()
	open()
	if err := os.RemoveAll(h.Host.Root.Join("/run")); err != nil {
		t.Fatal(err)
	}
	h.expect(h.ended(), "Available [1.21.0] chosen 1.21.0, prepare Failed 1")
	h.expect(h.do("prepare"), "Staged [1.21.0] chosen 1.21.0 staged 1.21.0, prepare Success 0")
}

// Death between the note that a command begins and its process, or between its
// work and the note that it has ended.
func TestKilledBetweenNotes(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	h.do("prepare")
	lock, err := h.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Begin(t.Context(), "activate"); err != nil {
		t.Fatal(err)
	}
	lock.Close()
	h.expect(h.ended(), "Staged [1.21.0] chosen 1.21.0 staged 1.21.0, activate Failed 1")
	j := &job{program: newProgram(arguments{root: h.Host.Root}, streams, time.Now), said: os.Stderr}
	if _, err := j.activate(t.Context()); err != nil { // and no word of it
		t.Fatal(err)
	}
	h.expect(h.ended(), "Ready [1.21.0] chosen 1.21.0 staged 1.21.0 next, activate Failed 1")
	h.expect(h.do("deactivate"), "Staged [1.21.0] chosen 1.21.0 staged 1.21.0, deactivate Success 0")
}

func TestCancel(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	if err := h.Cancel(t.Context()); !errors.Is(err, updater.ErrNothing) {
		t.Errorf("without a command: %v", err)
	}
	g := h.Gate()
	open := g.Close("1.21.0-1")
	h.begin("prepare")
	g.Await()
	if err := h.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := h.ended()
	h.expect(s, "Available [1.21.0] chosen 1.21.0, prepare Failed 1")
	want := "Starting update to 1.21.0\ncancelled on request; what was fetched is used when it is tried again\n"
	if s.Command.Stderr != want {
		t.Errorf("it told %q, want %q", s.Command.Stderr, want)
	}
	open()
	h.expect(h.do("prepare"), "Staged [1.21.0] chosen 1.21.0 staged 1.21.0, prepare Success 0")
}

// What was spoilt since it was prepared is not activated, and what to do is told.
func TestActivateWhatIsSpoilt(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	h.do("prepare")
	h.waitForDays()
	h.Spoil()
	s := h.do("activate")
	h.expect(s, "Available [1.21.0] chosen 1.21.0, activate Failed 1")
	if text := s.Command.Stderr; !strings.HasPrefix(text, "the boot image of 1.21.0 in slot B is no longer as it was proved at ") || !strings.Contains(text, "\nhint: prepare it again") {
		t.Errorf("it told %q", text)
	}
	h.expect(h.do("prepare"), "Staged [1.21.0] chosen 1.21.0 staged 1.21.0, prepare Success 0")
	h.waitForDays()
	h.expect(h.do("activate"), "Ready [1.21.0] chosen 1.21.0 staged 1.21.0 next, activate Success 0")
	h.Check("1.21.0", size)
}

// waitForDays makes what is prepared look as if it had been for days.
func (h *host) waitForDays() {
	h.t.Helper()
	path := h.Host.Root.Attempts()
	text, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	old := regexp.MustCompile(`"proved": "[^"]+"`).ReplaceAll(text, []byte(`"proved": "2001-02-03T04:05:06Z"`))
	if err := os.WriteFile(path, old, 0o644); err != nil || bytes.Equal(old, text) {
		h.t.Fatal("the journal does not tell when what is prepared was proved", err)
	}
}

// SIGTERM, which a host that shuts down sends, is the same.
func TestTerminated(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	g := h.Gate()
	defer g.Close("1.21.0-0")()
	h.begin("prepare")
	g.Await()
	if err := syscall.Kill(h.worker(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s := h.ended()
	h.expect(s, "Available [1.21.0] chosen 1.21.0, prepare Failed 1")
	if !strings.Contains(s.Command.Stderr, "interrupted: the program was asked to end") {
		t.Errorf("it told %q", s.Command.Stderr)
	}
}

// What is told of a command's way grows until it is there.
func TestProgress(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	g := h.Gate()
	open := g.Close("1.21.0-2")
	h.begin("prepare")
	g.Await()
	w := h.overview().Running
	if w == nil || w.Version != "1.21.0" || w.Step != "write boot" || w.Total < 3*size || w.Fetched != w.Size || w.Before == 0 {
		t.Errorf("%+v", w)
	}
	open()
	h.ended()
	if o := h.overview(); o.Running != nil || o.Last.Type != "prepare" {
		t.Errorf("%+v", o)
	}
}

func TestWait(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	if code, errs := h.call("--wait", "refresh"); code != 0 || errs != "" {
		t.Errorf("%d %s", code, errs)
	}
	h.expect(h.status(), "Available [1.21.0] chosen 1.21.0, refresh Success 0")
	h.Repo.Put("metadata/timestamp.json", nil)
	if code, errs := h.call("refresh", "--wait"); code != 1 || !strings.HasPrefix(errs, "Metadata error: ") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestUsage(t *testing.T) {
	const help = "hint: thar-be-updates --help "
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "missing sub-command\n" + help},
		{[]string{"nosuch"}, "no sub-command 'nosuch'\n" + help},
		{[]string{"refesh", "--nosuch"}, "no sub-command 'refesh'\nhint: did you mean 'thar-be-updates refresh'?\n"},
		{[]string{"refresh", "prepare"}, "unexpected argument 'prepare'\n" + help},
		{[]string{"--nosuch", "refresh"}, "unknown option --nosuch\n" + help},
		{[]string{"--log-level", "loud", "refresh"}, "invalid value \"loud\" for --log-level: "},
		{[]string{"--root", "", "refresh"}, "invalid value \"\" for --root: it is empty\n" + help},
	} {
		t.Run(fmt.Sprint(test.args), func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			c := &exec.Cmd{Path: self, Args: append([]string{name}, test.args...)}
			out, _ := c.CombinedOutput()
			if c.ProcessState.ExitCode() != 2 || !strings.HasPrefix(string(out), name+": "+test.want) {
				t.Errorf("exit code %d: %s", c.ProcessState.ExitCode(), out)
			}
		})
	}
}

// What is in the spare slot is told by the flags and the journal of attempts,
// whoever wrote it last, and however that ended.
func TestWhatIsStagedIsLookedUp(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	h.do("prepare")
	h.Offer("1.22.0", size)
	h.do("refresh")
	h.Lose("1.22.0", 1, size)
	h.expect(h.do("prepare"), "Available [1.22.0 1.21.0] chosen 1.22.0, prepare Failed 1")
	if o := h.overview(); o.Attempt != nil {
		t.Errorf("the spare slot is half written, and told to hold %+v", o.Attempt)
	}
	h.Offer("1.23.0", size)
	h.do("refresh")
	lock, err := h.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Begin(t.Context(), "prepare"); err != nil {
		t.Fatal(err)
	}
	j := &job{program: newProgram(arguments{root: h.Host.Root, config: h.Host.Root.UpdaterConfig()}, streams, time.Now), said: io.Discard}
	if _, err := j.prepare(t.Context()); err != nil { // and no word of it
		t.Fatal(err)
	}
	lock.Close()
	h.expect(h.ended(), "Staged [1.23.0 1.22.0 1.21.0] chosen 1.23.0 staged 1.23.0, prepare Failed 1")
}

// What the API tells of attempts is what package update keeps of them, whole.
func TestHistoryIsWhole(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	h.do("prepare")
	told, err := h.History()
	if err != nil {
		t.Fatal(err)
	}
	kept := journal.Load(h.Host.Root, slog.New(slog.DiscardHandler)).Attempts
	got, errGot := json.Marshal(told)
	want, errWant := json.Marshal(kept)
	if err := errors.Join(errGot, errWant); err != nil || len(kept) != 1 || string(got) != string(want) {
		t.Errorf("%v\ntold %s\nkept %s", err, got, want)
	}
}
