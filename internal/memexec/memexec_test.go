package memexec

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// guest is testdata/guest, compiled once.
var guest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "guest")
	build := exec.Command("go", "build", "-trimpath", "-o", path, "./testdata/guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, errors.New(string(out))
	}
	return os.ReadFile(path)
})

func loadGuest(t *testing.T) *Program {
	t.Helper()
	code, err := guest()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Load("guest", bytes.NewReader(code), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func try(t *testing.T, s Sandbox, input string, args ...string) (Result, error) {
	t.Helper()
	return s.Run(t.Context(), loadGuest(t), []byte(input), args...)
}

func TestAnswer(t *testing.T) {
	document := strings.Repeat("a document ", 1<<17)
	r, err := try(t, Sandbox{}, document, "echo")
	if err != nil || string(r.Output) != document {
		t.Errorf("got %d bytes, %v; want %d", len(r.Output), err, len(document))
	}
}

func TestWhatItSees(t *testing.T) {
	t.Setenv("SECRET", "1")
	tests := []struct{ try, want string }{
		{"environment", "0 guest environment"},
		{"identity", "65534 65534 [0 0 0 0 0 0] "},
		{"files", "0 1 2 "},
		{"threads", "done"},
	}
	for _, test := range tests {
		// capget is only to be asked where seccomp lets it.
		s := Sandbox{without: []string{"seccomp"}}
		if r, err := try(t, s, "", test.try); err != nil || string(r.Output) != test.want {
			t.Errorf("%s: got %q, %v, want %q", test.try, r.Output, err, test.want)
		}
	}
}

const forbidden = "read,list,write,remove,self,tcp,socket,execute,fork,unshare,mount,ptrace,kill,root,memory file,code,shared,stack,huge pages"

func TestForbidden(t *testing.T) {
	r, err := try(t, Sandbox{}, "", "all", forbidden)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.Message)
	}
	for line := range strings.Lines(string(r.Output)) {
		if !strings.HasSuffix(line, ": operation not permitted\n") && !strings.HasSuffix(line, ": permission denied\n") {
			t.Errorf("not refused: %s", line)
		}
	}
	if got, want := strings.Count(string(r.Output), "\n"), strings.Count(forbidden, ",")+1; got != want {
		t.Errorf("%d of %d were tried", got, want)
	}
}

// Each layer holds on its own what it is there for.
func TestLayersAlone(t *testing.T) {
	all := []string{"namespaces", "limits", "identity", "landlock", "seccomp"}
	tests := []struct {
		layer string
		tries string
	}{
		{"landlock", "list,read,self,write"},
		{"seccomp", forbidden},
		{"identity", "root,mount"},
	}
	for _, test := range tests {
		s := Sandbox{}
		for _, l := range all {
			if l != test.layer {
				s.without = append(s.without, l)
			}
		}
		r, err := try(t, s, "", "all", test.tries)
		if err != nil {
			t.Fatalf("%s: %v\n%s", test.layer, err, r.Message)
		}
		for line := range strings.Lines(string(r.Output)) {
			if strings.HasSuffix(line, ": done\n") {
				t.Errorf("%s alone does not refuse %s", test.layer, line)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	tests := []struct {
		try    string
		limits Limits
		want   string
	}{
		{"hang", Limits{Time: 200 * time.Millisecond}, "limit exceeded: guest ran longer than 200ms"},
		{"spin", Limits{CPU: time.Second}, "limit exceeded: the kernel killed guest, which may take 1s of the processor"},
		{"flood", Limits{Output: 1 << 20}, "limit exceeded: guest wrote more than 1048576 bytes in its answer"},
		{"rant", Limits{Message: 1 << 10}, "limit exceeded: guest wrote more than 1024 bytes on standard error"},
		{"eat", Limits{Memory: 96 << 20}, "guest: exit status 2"},
		{"fail", Limits{}, "guest: exit status 3"},
	}
	for _, test := range tests {
		t.Run(test.try, func(t *testing.T) {
			r, err := try(t, Sandbox{Limits: test.limits}, "", test.try)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if r.Memory > 200<<20 {
				t.Errorf("%d MiB were used", r.Memory>>20)
			}
		})
	}
}

func TestAddressSpaceIsLimited(t *testing.T) {
	r, err := try(t, Sandbox{}, "", "tables")
	if err != nil || string(r.Output) != "cannot allocate memory" {
		t.Errorf("got %q, %v", r.Output, err)
	}
}

func TestExitError(t *testing.T) {
	_, err := try(t, Sandbox{}, "", "fail")
	got, _ := errors.AsType[*ExitError](err)
	want := &ExitError{Name: "guest", Status: "exit status 3", Code: 3, Message: "the cause\n"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := Sandbox{}
	p, err := s.Start(loadGuest(t), "hang")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := p.Run(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestKill(t *testing.T) {
	s := Sandbox{}
	p, err := s.Start(loadGuest(t), "hang")
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if err := unix.Kill(p.cmd.Process.Pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("it lives: %v", err)
	}
}

func TestSealed(t *testing.T) {
	p := loadGuest(t)
	if _, err := p.file.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("write: %v", err)
	}
	if err := p.file.Truncate(1); !errors.Is(err, unix.EPERM) {
		t.Errorf("truncate: %v", err)
	}
	if _, err := unix.FcntlInt(p.file.Fd(), unix.F_ADD_SEALS, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("seal: %v", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	if _, err := Load("large", strings.NewReader("12345"), 4); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	broken := errors.New("broken")
	if _, err := Load("broken", &failing{broken}, 4); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestNotAnExecutable(t *testing.T) {
	for _, content := range []string{"#!/bin/sh\necho hello\n", "nonsense", ""} {
		p, err := Load("script", strings.NewReader(content), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		s := Sandbox{}
		if r, err := s.Run(t.Context(), p, nil); err == nil {
			t.Errorf("%q ran: %s", content, r.Output)
		} else if !strings.Contains(err.Error(), "a static executable for this machine is needed") {
			t.Errorf("%q: %v", content, err)
		}
		p.Close()
	}
}

func TestReport(t *testing.T) {
	tests := []struct {
		said    string
		missing []string
		err     string
		errno   unix.Errno
	}{
		{said: ""},
		{said: "missing landlock\nmissing seccomp\n", missing: []string{"landlock", "seccomp"}},
		{said: "missing landlock\nfailed 1 identity: drop groups: operation not permitted\n", err: "identity: drop groups: operation not permitted", errno: unix.EPERM},
	}
	for _, test := range tests {
		missing, err := readReport(strings.NewReader(test.said))
		if !slices.Equal(missing, test.missing) || (err == nil) != (test.err == "") {
			t.Errorf("%q: got %q, %v", test.said, missing, err)
		}
		if err != nil && (err.Error() != test.err || !errors.Is(err, test.errno)) {
			t.Errorf("%q: got %v, want %s", test.said, err, test.err)
		}
	}
}
