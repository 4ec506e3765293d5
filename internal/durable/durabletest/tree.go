package durabletest

import (
	"fmt"
	"hash/maphash"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Tree is the content of a folder: paths, relative and with slashes, to nodes.
// The folder itself is not in it.
type Tree map[string]Node

// Node is a file or a folder.
type Node struct {
	Dir  bool
	Mode fs.FileMode // permission bits of a file
	Data []byte
}

// ReadTree reads a folder.
func ReadTree(dir string) (Tree, error) {
	t := Tree{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		t[filepath.ToSlash(rel)], err = readNode(path, d)
		return err
	})
	return t, err
}

func readNode(path string, d fs.DirEntry) (Node, error) {
	if d.IsDir() {
		return Node{Dir: true}, nil
	}
	info, err := d.Info()
	if err != nil {
		return Node{}, err
	}
	data, err := os.ReadFile(path)
	return Node{Mode: info.Mode().Perm(), Data: data}, err
}

// Write makes dir, which must be empty, hold the tree.
func (t Tree) Write(dir string) error {
	// Parents sort before what is in them.
	for _, path := range slices.Sorted(maps.Keys(t)) {
		if err := t[path].write(filepath.Join(dir, filepath.FromSlash(path))); err != nil {
			return err
		}
	}
	return nil
}

func (n Node) write(path string) error {
	if n.Dir {
		return os.Mkdir(path, 0o755)
	}
	if err := os.WriteFile(path, n.Data, 0o600); err != nil {
		return err
	}
	return os.Chmod(path, n.Mode)
}

// digest identifies the tree's content.
func (t Tree) digest(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, path := range slices.Sorted(maps.Keys(t)) {
		n := t[path]
		fmt.Fprintf(&h, "%q %v %o %d\n", path, n.Dir, n.Mode, len(n.Data))
		h.Write(n.Data)
	}
	return h.Sum64()
}
