package publish

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/durable"
)

// Place is the two folders of a repository.
type Place struct{ Metadata, Targets string }

// Stage prepares the files of new targets beside those that are published:
// whole, on the disk, and under names that no client asks for.
type Stage struct {
	Place
	FS       durable.FS
	Dry      bool                             // measure only, write nothing
	Progress func(target string, bytes int64) // is told how far a target is; nil: nobody looks

	files []staged
}

// staged is a file that waits for its name.
type staged struct {
	temp  string // empty: there is nothing to rename
	final string
	size  int64
	known bool // it is published already
}

const (
	stagedPrefix = ".staged-"
	// longestName leaves room for the digest and the prefixes that publishing needs, of a name's 255 bytes.
	longestName = 255 - 65 - 40
)

var published = durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep}

// CheckName says whether a target may have this name: plain, in one folder.
func CheckName(name string) error {
	switch {
	case name == "" || strings.HasPrefix(name, "."):
		return hinted(fmt.Sprintf("target name %q is empty or begins with a dot", name), "give the file another name")
	case len(name) > longestName:
		return hinted(fmt.Sprintf("target name %.40q… has %d bytes, at most %d are possible", name, len(name), longestName), "give the file a shorter name")
	}
	for _, c := range []byte(name) {
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+", rune(c)) {
			return hinted(fmt.Sprintf("target name %q has %q in it, which not every server and client takes", name, c), "use letters, digits and -._~+")
		}
	}
	return nil
}

// Clean removes what an interrupted publication left. Nobody may be publishing.
func (s *Stage) Clean() error {
	for _, dir := range []string{s.Metadata, s.Targets} {
		if err := durable.CleanDir(s.FS, dir); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(s.Targets)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clean %s: %w", s.Targets, err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), stagedPrefix) {
			continue
		}
		if err := s.FS.Remove(filepath.Join(s.Targets, e.Name())); err != nil {
			return fmt.Errorf("clean %s: %w", s.Targets, err)
		}
	}
	return nil
}

// Discard removes what is staged and was not published.
func (s *Stage) Discard() error {
	var errs []error
	for _, f := range s.files {
		if f.temp != "" {
			if err := s.FS.Remove(f.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	s.files = nil
	return errors.Join(errs...)
}

// File stages a copy of the file at path. One that is published already is not copied.
func (s *Stage) File(ctx context.Context, name, path string) (Target, error) {
	if err := CheckName(name); err != nil {
		return Target{}, err
	}
	t, err := digestFile(ctx, path)
	if err != nil {
		return t, fmt.Errorf("read %s: %w", path, err)
	}
	final := s.final(name, t)
	same, err := holds(ctx, final, t)
	if err != nil {
		return t, err
	}
	if same || s.Dry {
		s.add(staged{"", final, t.Length, same})
		return t, nil
	}
	again, err := s.Make(ctx, name, func(w io.Writer) error {
		f, err := durable.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
	if err == nil && again.Hashes["sha256"] != t.Hashes["sha256"] {
		err = hinted(path+" changed while it was read", "try again when nobody writes it")
	}
	return again, err
}

// Make stages what fill writes; the same must come of it each time.
func (s *Stage) Make(ctx context.Context, name string, fill func(io.Writer) error) (Target, error) {
	if err := CheckName(name); err != nil {
		return Target{}, err
	}
	count := &counter{sum: sha256.New(), ctx: ctx, tell: s.telling(name)}
	if s.Dry {
		if err := fill(count); err != nil {
			return Target{}, fmt.Errorf("make target %s: %w", name, err)
		}
		final := s.final(name, count.target())
		same, err := holds(ctx, final, count.target())
		if err != nil {
			return Target{}, err
		}
		s.add(staged{"", final, count.size, same})
		return count.target(), nil
	}
	temp := filepath.Join(s.Targets, stagedPrefix+name)
	err := durable.WriteTo(s.FS, temp, published, func(w io.Writer) error { return fill(io.MultiWriter(w, count)) })
	if err != nil {
		return Target{}, fmt.Errorf("make target %s: %w", name, err)
	}
	final := s.final(name, count.target())
	same, err := holds(ctx, final, count.target())
	s.add(staged{temp, final, count.size, same})
	return count.target(), err
}

// add notes a file; one image may serve for two partitions.
func (s *Stage) add(f staged) {
	if !slices.ContainsFunc(s.files, func(o staged) bool { return o.final == f.final }) {
		s.files = append(s.files, f)
	}
}

func (s *Stage) telling(name string) func(int64) {
	if s.Progress == nil {
		return nil
	}
	return func(bytes int64) { s.Progress(name, bytes) }
}

// final is where clients find a target.
func (s *Stage) final(name string, t Target) string {
	return filepath.Join(s.Targets, TargetFile(name, t))
}

// TargetFile is the name of a target's file.
func TargetFile(name string, t Target) string { return t.Hashes["sha256"] + "." + name }

// holds tells whether the file at path is that target.
func holds(ctx context.Context, path string, t Target) (bool, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || !info.Mode().IsRegular() || info.Size() != t.Length {
		return false, err
	}
	found, err := digestFile(ctx, path)
	return err == nil && found.Hashes["sha256"] == t.Hashes["sha256"], err
}

func digestFile(ctx context.Context, path string) (Target, error) {
	f, err := durable.Open(path)
	if err != nil {
		return Target{}, err
	}
	defer f.Close()
	count := &counter{sum: sha256.New(), ctx: ctx}
	_, err = io.Copy(count, f)
	return count.target(), err
}
