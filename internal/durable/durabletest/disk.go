package durabletest

import (
	"fmt"
	"io/fs"
	"maps"
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
	content // of a file, on the disk
	dir     bool
	entries map[string]*inode // on the disk
	seen    map[string]*inode // with the changes in the cache
}

type content struct {
	mode fs.FileMode
	data []byte
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
		child := &inode{content: content{t[p].Mode, slices.Clone(t[p].Data)}}
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
		c.child = &inode{content: content{mode: o.Mode}}
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
			c.applyContent(&n.content, whole)
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

// applyContent makes the change, in place.
func (c *change) applyContent(to *content, f fate) {
	switch {
	case f == lost:
	case c.op.Kind == Chmod:
		to.mode = c.op.Mode
	case c.op.Kind == Truncate:
		to.resize(c.op.Offset)
	case c.op.Kind == Write:
		c.write(to, f)
	}
}

// resize cuts the data, or adds zeros.
func (c *content) resize(size int64) {
	have := int64(len(c.data))
	c.data = append(c.data[:min(size, have)], make([]byte, max(0, size-have))...)
}

// write writes sector by sector.
func (c *change) write(to *content, f fate) {
	begin, end := c.op.Offset, c.op.Offset+int64(len(c.op.Data))
	if end > int64(len(to.data)) {
		to.resize(end)
	}
	for at := begin; at < end; at = at/sector*sector + sector {
		if f.keeps(at/sector, begin/sector, (end-1)/sector) {
			stop := min(end, at/sector*sector+sector)
			copy(to.data[at:stop], c.op.Data[at-begin:])
		}
	}
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
		after := d.contentAfter(child, of)
		t[p] = Node{Mode: after.mode, Data: after.data}
	}
}

func (d *disk) contentAfter(n *inode, of []fate) content {
	after, own := n.content, false
	for i, c := range d.cache {
		if c.file != n || of[i] == lost {
			continue
		}
		if !own {
			after.data, own = slices.Clone(after.data), true
		}
		c.applyContent(&after, of[i])
	}
	return after
}

func (d *disk) namesAfter(n *inode, of []fate) map[string]*inode {
	names := map[string]*inode{}
	maps.Copy(names, n.entries)
	for i, c := range d.cache {
		if c.file == n && of[i] != lost {
			c.applyNames(names)
		}
	}
	return names
}
