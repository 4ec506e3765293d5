package tufrepo

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"

	"github.com/hostler-os/hostler/internal/durable"
)

// store keeps what is trusted across runs: the newest believed metadata of each
// role under its plain name (root.json, timestamp.json, …), and below
// root_history the chain of roots that leads from the image's to the newest.
//
// Each file is replaced durably and on its own. A crash between two leaves a
// state that an earlier step of a refresh had, so nothing ties them together.
type store struct {
	dir string // empty: nothing is kept
	fs  durable.FS
}

const history = "root_history"

func rootName(version int64) string { return fmt.Sprintf("%d.root.json", version) }

// load reads a file of the store; nil if there is none.
func (s store) load(name string, most int64) ([]byte, error) {
	if s.dir == "" {
		return nil, nil
	}
	data, err := durable.ReadFile(filepath.Join(s.dir, name), announced{length: math.MaxInt64}.limit(most))
	// What is too large was not written by us.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, durable.ErrTooLarge) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read trusted metadata: %w", err)
	}
	return data, nil
}

func (s store) save(name string, data []byte) error {
	if s.dir == "" {
		return nil
	}
	if err := writeFile(s.fs, filepath.Join(s.dir, name), data); err != nil {
		return fmt.Errorf("keep trusted metadata: %w", err)
	}
	return nil
}

// saveRoot puts the chain on disk before the name that shows its end.
func (s store) saveRoot(version int64, data []byte) error {
	if err := s.save(filepath.Join(history, rootName(version)), data); err != nil {
		return err
	}
	return s.save(rootRole+".json", data)
}

func writeFile(fsys durable.FS, path string, data []byte) error {
	if err := durable.Clean(fsys, path); err != nil {
		return err
	}
	return durable.WriteFile(fsys, path, data, durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep})
}
