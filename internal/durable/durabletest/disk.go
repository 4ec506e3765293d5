package durabletest

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// sector is what a disk writes whole or not at all, in bytes.
const sector = 512

// disk is the state of a folder's disk and of the cache above it.
type disk struct {
	root  *inode
	cache []*change // made but not on the disk yet, oldest first
}

// inode is a file or a folder as it lies on the disk, and, for folders, as
// programs see it.
type inode struct {
	dir     bool
	mode    fs.FileMode
	data    []byte
	entries map[string]*inode // on the disk
	seen    map[string]*inode // with the changes in the cache
}

// change is one operation in the cache. Exactly what kind it is says op.Kind.
type change struct {
	op    Op
	file  *inode // whose content or mode changes; or the folder whose names do
	child *inode // the file that gets, changes or loses its name
}

func newFolder() *inode {
	return &inode{dir: true, entries: map[string]*inode{}, seen: map[string]*inode{}}
}

// newDisk is a disk that holds t.
func newDisk(t Tree) (*disk, error) {
	d := &disk{root: newFolder()}
	for _, p := range sortedPaths(t) {
		parent, name, err := d.parent(p)
		if err != nil {
			return nil, err
		}
		child := &inode{mode: t[p].Mode, data: t[p].Data}
		if t[p].Dir {
			child = newFolder()
		}
		parent.entries[name], parent.seen[name] = child, child
	}
	return d, nil
}

// find returns the inode that programs see at p.
func (d *disk) find(p string) (*inode, error) {
	if p == "." {
		return d.root, nil
	}
	parent, name, err := d.parent(p)
	if err != nil {
		return nil, err
	}
	n, ok := parent.seen[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", p, fs.ErrNotExist)
	}
	return n, nil
}

func (d *disk) parent(p string) (*inode, string, error) {
	dir, err := d.find(path.Dir(p))
	if err != nil {
		return nil, "", err
	}
	if !dir.dir {
		return nil, "", fmt.Errorf("%s: not a folder", path.Dir(p))
	}
	return dir, path.Base(p), nil
}

// do carries out one operation of a program.
func (d *disk) do(o Op) error {
	switch o.Kind {
	case Create, Mkdir, Rename, Link, Remove:
		return d.rename(o)
	case Write, Truncate, Chmod:
		f, err := d.find(o.Path)
		if err != nil {
			return err
		}
		d.cache = append(d.cache, &change{op: o, file: f})
		return nil
	case Sync, DataSync, SyncDir:
		return d.sync(o)
	}
	return nil
}

// rename carries out an operation that changes names, as programs see it.
func (d *disk) rename(o Op) error {
	dir, name, err := d.parent(o.Path)
	if err != nil {
		return err
	}
	c := &change{op: o, file: dir, child: dir.seen[name]}
	switch o.Kind {
	case Create:
		c.child = &inode{mode: o.Mode}
	case Mkdir:
		c.child = newFolder()
	case Rename, Link:
		if path.Dir(o.Path) != path.Dir(o.To) {
			return fmt.Errorf("%s %s to %s: only within a folder", o.Kind, o.Path, o.To)
		}
	}
	if c.child == nil {
		return fmt.Errorf("%s: %w", o.Path, fs.ErrNotExist)
	}
	c.applyNames(dir.seen)
	d.cache = append(d.cache, c)
	return nil
}

// applyNames makes a change of names in a folder's table.
func (c *change) applyNames(names map[string]*inode) {
	switch c.op.Kind {
	case Create, Mkdir:
		names[path.Base(c.op.Path)] = c.child
	case Remove:
		delete(names, path.Base(c.op.Path))
	case Rename:
		delete(names, path.Base(c.op.Path))
		names[path.Base(c.op.To)] = c.child
	case Link:
		names[path.Base(c.op.To)] = c.child
	}
}

// sync puts the changes of one file or folder on the disk.
func (d *disk) sync(o Op) error {
	n, err := d.find(o.Path)
	if err != nil {
		return err
	}
	d.cache = slices.DeleteFunc(d.cache, func(c *change) bool {
		if c.file != n || o.Kind == DataSync && c.op.Kind == Chmod {
			return false
		}
		if n.dir {
			c.applyNames(n.entries)
		} else {
			n.data, n.mode = c.applyContent(n.data, n.mode, whole)
		}
		return true
	})
	return nil
}

// fate is what becomes of a change in a crash: lost, whole, or, for writes, torn.
type fate int

const (
	lost fate = iota
	whole
	sizeOnly   // the file has grown, but the data is missing
	firstOnly  // only the first sector
	lastOnly   // only the last sector
	allButLast // all but the last sector
	evenOnly   // every other sector
	fates
)

// canTear tells whether parts of the change may be lost on their own.
func (c *change) canTear() bool {
	end := c.op.Offset + int64(len(c.op.Data))
	return c.op.Kind == Write && c.op.Offset/sector != (end-1)/sector
}

// applyContent is what a file with this content becomes.
func (c *change) applyContent(data []byte, mode fs.FileMode, f fate) ([]byte, fs.FileMode) {
	switch {
	case f == lost:
	case c.op.Kind == Chmod:
		mode = c.op.Mode
	case c.op.Kind == Truncate:
		data = resize(data, c.op.Offset)
	case c.op.Kind == Write:
		data = c.write(data, f)
	}
	return data, mode
}

func resize(data []byte, size int64) []byte {
	out := make([]byte, size)
	copy(out, data)
	return out
}

func (c *change) write(data []byte, f fate) []byte {
	end := c.op.Offset + int64(len(c.op.Data))
	first, last := c.op.Offset/sector, (end-1)/sector
	out := resize(data, max(end, int64(len(data))))
	for i, b := range c.op.Data {
		at := (c.op.Offset + int64(i)) / sector
		if f.keeps(at, first, last) {
			out[c.op.Offset+int64(i)] = b
		}
	}
	return out
}

func (f fate) keeps(at, first, last int64) bool {
	switch f {
	case whole:
		return true
	case firstOnly:
		return at == first
	case lastOnly:
		return at == last
	case allButLast:
		return at != last
	case evenOnly:
		return (at-first)%2 == 0
	}
	return false
}

// crash is what is found on the disk when the changes in the cache had these fates.
func (d *disk) crash(of []fate) Tree {
	t := Tree{}
	d.collect(t, "", d.root, of)
	return t
}

func (d *disk) collect(t Tree, dir string, n *inode, of []fate) {
	for name, child := range d.namesAfter(n, of) {
		p := path.Join(dir, name)
		if child.dir {
			t[p] = Node{Dir: true}
			d.collect(t, p, child, of)
			continue
		}
		node := Node{Mode: child.mode, Data: child.data}
		for i, c := range d.cache {
			if c.file == child {
				node.Data, node.Mode = c.applyContent(node.Data, node.Mode, of[i])
			}
		}
		t[p] = node
	}
}

func (d *disk) namesAfter(n *inode, of []fate) map[string]*inode {
	names := map[string]*inode{}
	for name, child := range n.entries {
		names[name] = child
	}
	for i, c := range d.cache {
		if c.file == n && of[i] != lost {
			c.applyNames(names)
		}
	}
	return names
}
