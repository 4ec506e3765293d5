package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// Beside the datastore NAME lie the files NAME.v1.2.0 of versions before, as
// they were when the host left them. They are there for the slot that still has
// that version.
const (
	infixKept = ".v"
	keepOld   = 2
)

// keptPath is where the datastore of a version is kept.
func keptPath(path, version string) string { return path + infixKept + version }

// keep gives the present datastore a second name. The first one is about to be
// given to its successor; until then both are the same file.
func keep(fsys durable.FS, path, version string) error {
	kept := keptPath(path, version)
	if err := durable.Remove(fsys, kept); err != nil {
		return err
	}
	return durable.Link(fsys, path, kept)
}

// Kept is a datastore that an earlier version has left.
type Kept struct {
	Version string    `json:"version"`
	Path    string    `json:"path"`
	Time    time.Time `json:"time"` // of its last commit
}

// KeptFiles lists what is kept beside the datastore at path, the newest first.
func KeptFiles(path string) ([]Kept, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []Kept
	for _, e := range entries {
		version, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+infixKept)
		if _, err := manifest.ParseVersion(version); !ok || err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		all = append(all, Kept{version, filepath.Join(filepath.Dir(path), e.Name()), info.ModTime().UTC()})
	}
	slices.SortFunc(all, func(a, b Kept) int {
		if c := b.Time.Compare(a.Time); c != 0 {
			return c
		}
		return strings.Compare(b.Version, a.Version)
	})
	return all, nil
}

// prune removes what is kept beyond keepOld files, the oldest first, but not
// that of the version that the host has just left.
func prune(fsys durable.FS, path, left string) error {
	all, err := KeptFiles(path)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(f Kept) bool { return f.Version == left })
	for _, f := range all[min(len(all), keepOld-1):] {
		if err := durable.Remove(fsys, f.Path); err != nil {
			return err
		}
	}
	return nil
}

// lost says what going back to a kept datastore would lose.
func lost(s *datastore.Store, since uint64) string {
	entries, err := s.History("", 0, maxLost)
	if err != nil {
		return "what was changed since"
	}
	var keys []string
	for _, e := range entries {
		for _, edit := range e.Edits {
			if e.ID > since {
				keys = append(keys, edit.Key)
			}
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	text := count(len(keys), "setting") + " changed since"
	if len(keys) > 0 {
		text += ": " + strings.Join(keys[:min(len(keys), maxLostNamed)], ", ")
	}
	if len(keys) > maxLostNamed {
		text += ", …"
	}
	return text
}

const (
	maxLost      = 1000 // commits that are looked at
	maxLostNamed = 20
)

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// errChanged is returned by keptDraft if going back would lose something.
var errChanged = errors.New("settings were changed since")

// keptDraft opens the datastore that was kept of a version, if the present one
// was made from it. With force it may lose what was changed since.
func keptDraft(ctx context.Context, s *datastore.Store, path, version string, force bool, opts datastore.Options) (*datastore.Draft, error) {
	now := s.Release()
	if now.From != version {
		return nil, fmt.Errorf("settings of %s are not what these were made from: %w", version, fs.ErrNotExist)
	}
	if s.LastHistory() != now.History && !force {
		return nil, errChanged
	}
	d, err := datastore.ReadDraft(ctx, keptPath(path, version), opts)
	if err != nil {
		return nil, err
	}
	if r := d.Release(); r.Version != version || d.Commit() != now.Commit {
		return nil, errors.Join(fmt.Errorf("%s has other settings of %s: %w", keptPath(path, version), version, fs.ErrNotExist), d.Close())
	}
	return d, nil
}
