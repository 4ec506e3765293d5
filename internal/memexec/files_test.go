package memexec

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// someFiles are a folder to read, with one file, and one to write to.
func someFiles(t *testing.T) *Files {
	t.Helper()
	f := &Files{Bytes: 4 << 20, Count: 100, Read: []string{"in"}, Write: []string{"out"}, Fill: fillSome}
	t.Cleanup(func() { f.Close() })
	return f
}

func fillSome(dir string) error {
	return errors.Join(os.Mkdir(dir+"/in", 0o700), os.Mkdir(dir+"/out", 0o700), os.WriteFile(dir+"/in/a", []byte("text"), 0o644))
}

func tryWith(t *testing.T, s Sandbox, f *Files, args ...string) (Result, error) {
	t.Helper()
	p, err := s.StartWith(loadGuest(t), f, args...)
	if err != nil {
		return Result{}, err
	}
	return p.Run(t.Context(), nil)
}

func TestFiles(t *testing.T) {
	f := someFiles(t)
	r, err := tryWith(t, Sandbox{}, f, "copy")
	if err != nil || len(r.Output) > 0 {
		t.Fatalf("%s, %v", r.Output, err)
	}
	if r, err := tryWith(t, Sandbox{}, someFiles(t), "files"); err != nil || string(r.Output) != "0 1 2 " {
		t.Errorf("it has inherited %s, %v", r.Output, err)
	}
	if text, err := os.ReadFile(f.Dir() + "/out/b/d"); string(text) != "text" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := os.Stat(f.Dir() + "/out/b/c"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("removed, but %v", err)
	}
}

// What it may not do without files it may not do with them, nor anything but
// to read the one and to write to the other.
const forbiddenWithFiles = forbidden + ",alter,discard,add,beside,mode,symlink,link,fifo,device"

func TestForbiddenWithFiles(t *testing.T) {
	refused := []string{"operation not permitted", "permission denied", "no such file or directory"}
	r, err := tryWith(t, Sandbox{}, someFiles(t), "all", forbiddenWithFiles)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.Message)
	}
	for line := range strings.Lines(string(r.Output)) {
		_, said, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if !slices.Contains(refused, said) {
			t.Errorf("not refused: %s", line)
		}
	}
	if got, want := strings.Count(string(r.Output), "\n"), strings.Count(forbiddenWithFiles, ",")+1; got != want {
		t.Errorf("%d of %d were tried", got, want)
	}
}

// Each layer holds on its own what it is there for.
func TestLayersAloneWithFiles(t *testing.T) {
	all := []string{"limits", "identity", "landlock", "seccomp"}
	tests := []struct{ layer, tries string }{
		{"landlock", "alter,discard,add,beside,symlink,link,fifo,device"},
		{"seccomp", "mode,symlink,link,fifo,device"},
	}
	for _, test := range tests {
		s := Sandbox{}
		for _, l := range all {
			if l != test.layer {
				s.without = append(s.without, l)
			}
		}
		r, err := tryWith(t, s, someFiles(t), "all", test.tries)
		if err != nil {
			t.Fatalf("%s: %v\n%s", test.layer, err, r.Message)
		}
		if strings.Contains(string(r.Output), ": done\n") {
			t.Errorf("%s alone does not refuse all of it:\n%s", test.layer, r.Output)
		}
	}
}

// Without anything else, the root is the program's own: there is nothing of the host in it.
func TestNothingOfTheHost(t *testing.T) {
	s := Sandbox{without: []string{"limits", "identity", "landlock", "seccomp"}}
	r, err := tryWith(t, s, someFiles(t), "all", "read,self,execute")
	if err != nil || strings.Count(string(r.Output), ": no such file or directory\n") != 3 {
		t.Errorf("%v\n%s", err, r.Output)
	}
}

func TestFilesAreLimited(t *testing.T) {
	for _, name := range []string{"stuff", "litter"} {
		r, err := tryWith(t, Sandbox{}, someFiles(t), name)
		if err != nil || string(r.Output) != "no space left on device" {
			t.Errorf("%s: got %s, %v", name, r.Output, err)
		}
	}
}

func TestFillFails(t *testing.T) {
	broken := errors.New("broken")
	f := &Files{Bytes: 1 << 20, Count: 10, Fill: func(string) error { return broken }}
	if _, err := tryWith(t, Sandbox{}, f, "copy"); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// Nothing is left of them: no mount, no file.
func TestFilesAreGone(t *testing.T) {
	count := func() (mounts string, files int) {
		text, err := os.ReadFile("/proc/self/mountinfo")
		entries, err2 := os.ReadDir("/proc/self/fd")
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		return string(text), len(entries)
	}
	program := loadGuest(t)
	mounts, files := count()
	for range 3 {
		f := someFiles(t)
		s := Sandbox{}
		p, err := s.StartWith(program, f, "hang")
		if err != nil {
			t.Fatal(err)
		}
		if during, _ := count(); during != mounts {
			t.Errorf("it can be seen by others:\n%s", during)
		}
		p.Kill()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if after, now := count(); after != mounts || now > files {
		t.Errorf("%d files are open, not %d", now, files)
	}
}

// victim is the argument that makes the test's program one that is killed while
// something runs that it has started.
const victim = "TestMainIsKilled"

// When the caller is killed, the program ends too, and with it the last that had the files.
func TestMainIsKilled(t *testing.T) {
	if os.Getenv(victim) != "" {
		s := Sandbox{}
		p, err := s.StartWith(loadGuest(t), someFiles(t), "hang")
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("\nhangs " + strconv.Itoa(p.cmd.Process.Pid) + "\n")
		time.Sleep(time.Hour)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+victim+"$")
	cmd.Env = append(os.Environ(), victim+"=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	pid := readPID(t, out)
	if err := unix.Kill(pid, 0); err != nil && !errors.Is(err, unix.EPERM) {
		t.Errorf("it does not run: %v", err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for deadline := time.Now().Add(time.Minute); !errors.Is(unix.Kill(pid, 0), unix.ESRCH); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it still runs")
		}
	}
}

func readPID(t *testing.T, r io.Reader) int {
	t.Helper()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "hangs "); ok {
			pid, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("it has not said which")
	return 0
}
