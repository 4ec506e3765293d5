//go:build integration

package powerloss

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/durable/durabletest"
)

// traced are all calls by which a file or a name could change. Those that the
// parser does not know make it fail if they touch the store.
const traced = "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate," +
	"fsync,fdatasync,sync_file_range,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat," +
	"rmdir,mkdir,mkdirat,fchmod,chmod,fchmodat,copy_file_range,sendfile,splice,msync"

// run runs the test binary as the program that variable names below strace, with
// further options of strace's, in dir, and returns the trace.
func run(t *testing.T, variable, dir string, options ...string) ([]byte, error) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("install strace: this proof needs it:", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	args := append([]string{"-f", "-y", "-xx", "-s", "16777216", "-o", trace, "-e", "trace=" + traced}, options...)
	c := exec.CommandContext(t.Context(), strace, append(args, self)...)
	c.Env = append(os.Environ(), variable+"="+dir, "GOMAXPROCS=2")
	var stderr bytes.Buffer
	c.Stdout, c.Stderr = new(bytes.Buffer), &stderr
	err = c.Run()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, &stderr)
	}
	text, readErr := os.ReadFile(trace)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return text, err
}

// call is one finished system call.
type call struct {
	thread string
	name   string
	args   []string
	result int64
}

var (
	whole      = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += (-?\d+)`)
	unfinished = regexp.MustCompile(`^(\d+) +(\w+\(.*) <unfinished \.\.\.>$`)
	resumed    = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)$`)
)

// parseCalls reads a trace. A call that was interrupted in the trace by others
// stands where it ended.
func parseCalls(trace []byte) []call {
	var calls []call
	begun := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(trace))
	lines.Buffer(nil, 1<<28)
	for lines.Scan() {
		line := lines.Text()
		if m := unfinished.FindStringSubmatch(line); m != nil {
			begun[m[1]] = m[2]
			continue
		}
		if m := resumed.FindStringSubmatch(line); m != nil {
			line = m[1] + " " + begun[m[1]] + m[2]
		}
		if m := whole.FindStringSubmatch(line); m != nil {
			// The result is a number by the pattern.
			result, _ := strconv.ParseInt(m[4], 10, 64)
			calls = append(calls, call{m[1], m[2], strings.Split(m[3], ", "), result})
		}
	}
	return calls
}

// recorder makes a log of the calls that touched what is below root.
type recorder struct {
	root    string
	log     durabletest.Log
	known   map[string]bool  // the names that exist
	offsets map[string]int64 // of files that are written from front to back
}

// parse reads the trace of a program that found base below root.
func parse(root string, base durabletest.Tree, trace []byte) (durabletest.Log, error) {
	r := recorder{root: root, log: durabletest.Log{Base: base}, known: map[string]bool{}, offsets: map[string]int64{}}
	for path, node := range base {
		r.known[path] = !node.Dir
	}
	for i, c := range parseCalls(trace) {
		if err := r.add(c); err != nil {
			return r.log, fmt.Errorf("call %d, %s: %w", i, c.name, err)
		}
	}
	return r.log, nil
}

func (r *recorder) add(c call) error {
	if c.name == "write" && strings.HasPrefix(c.args[0], "1<") {
		text, err := unhex(c.args[1])
		if mark, ok := strings.CutPrefix(strings.TrimSpace(text), "mark "); ok {
			r.log.Ops = append(r.log.Ops, durabletest.Op{Kind: durabletest.Mark, Mark: mark})
		}
		return err
	}
	paths, err := r.paths(c)
	if err != nil || len(paths) == 0 {
		return err
	}
	if c.result < 0 {
		return nil // nothing happened
	}
	return r.touch(c, paths)
}

// paths returns what a call names below root, relative to it.
func (r *recorder) paths(c call) ([]string, error) {
	var paths []string
	for i, arg := range c.args {
		text := ""
		switch {
		case strings.HasPrefix(arg, `"`) && !strings.Contains(c.name, "write"):
			text = arg
		case strings.Contains(arg, "<") && !strings.HasPrefix(arg, "AT_FDCWD") && i == 0:
			text = `"` + arg[strings.Index(arg, "<")+1:strings.LastIndex(arg, ">")] + `"`
		default:
			continue
		}
		path, err := unhex(text)
		if err != nil {
			return nil, err
		}
		rel, err := filepath.Rel(r.root, path)
		if err == nil && filepath.IsLocal(rel) {
			paths = append(paths, rel)
		}
	}
	return paths, nil
}

// touch logs a call that succeeded.
func (r *recorder) touch(c call, paths []string) error {
	op := durabletest.Op{Path: paths[0]}
	switch c.name {
	case "openat":
		return r.opened(c, paths[0])
	case "mkdirat":
		op.Kind = durabletest.Mkdir
	case "renameat", "linkat", "renameat2":
		op.Kind = map[bool]durabletest.Kind{true: durabletest.Link, false: durabletest.Rename}[c.name == "linkat"]
		op.To = paths[1]
		r.known[op.To] = true
		r.known[op.Path] = c.name == "linkat"
	case "unlinkat":
		op.Kind = durabletest.Remove
		r.known[op.Path] = false
	case "fsync", "fdatasync":
		op.Kind = r.syncKind(c)
	case "sync_file_range":
		return nil // advice
	case "fallocate":
		if c.args[1] != "FALLOC_FL_KEEP_SIZE" {
			return fmt.Errorf("not known to the replay: %v", c.args)
		}
		return nil // room beyond the end of a file is no content
	case "write", "pwrite64":
		return r.written(c, op)
	case "ftruncate":
		op.Kind = durabletest.Truncate
		op.Offset = number(c.args[1])
	case "fchmod":
		op.Kind = durabletest.Chmod
		op.Mode = fs.FileMode(number(c.args[1]))
	default:
		return fmt.Errorf("not known to the replay: %v", c.args)
	}
	r.log.Ops = append(r.log.Ops, op)
	return nil
}

func (r *recorder) syncKind(c call) durabletest.Kind {
	switch {
	case c.name == "fdatasync":
		return durabletest.DataSync
	case r.isDir(c):
		return durabletest.SyncDir
	}
	return durabletest.Sync
}

// isDir tells folders from files by what was seen being made: a file was
// created by openat.
func (r *recorder) isDir(c call) bool {
	paths, err := r.paths(c)
	return err == nil && len(paths) == 1 && !r.known[paths[0]]
}

func (r *recorder) opened(c call, path string) error {
	flags := c.args[2]
	if strings.Contains(flags, "O_CREAT") && !r.known[path] {
		r.known[path] = true
		r.offsets[path] = 0
		mode := fs.FileMode(number(c.args[3]))
		r.log.Ops = append(r.log.Ops, durabletest.Op{Kind: durabletest.Create, Path: path, Mode: mode})
	}
	if strings.Contains(flags, "O_TRUNC") {
		return fmt.Errorf("%s is truncated", path)
	}
	return nil
}

func (r *recorder) written(c call, op durabletest.Op) error {
	text, err := unhex(c.args[1])
	if err != nil {
		return err
	}
	op.Kind, op.Data = durabletest.Write, []byte(text)[:c.result]
	if c.name == "pwrite64" {
		op.Offset = number(c.args[3])
	} else {
		op.Offset = r.offsets[op.Path]
		r.offsets[op.Path] += c.result
	}
	r.log.Ops = append(r.log.Ops, op)
	return nil
}

// number reads decimal or octal digits as strace prints them.
func number(text string) int64 {
	// strace prints nothing else there.
	n, _ := strconv.ParseInt(text, 0, 64)
	return n
}

// unhex reads a string of \x escapes in quotes.
func unhex(text string) (string, error) {
	digits := strings.ReplaceAll(strings.Trim(text, `"`), `\x`, "")
	raw, err := hex.DecodeString(digits)
	return string(raw), err
}
