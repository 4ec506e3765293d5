package boltfile

import (
	"bytes"
	"encoding/binary"
)

// Bucket is a bucket at the top level.
type Bucket struct {
	Name     string
	Sequence uint64
}

// Visitor receives what [File.Walk] finds. Keys and values are good for the call only.
type Visitor interface {
	Bucket(b Bucket) error              // a bucket begins
	Record(b Bucket, k, v []byte) error // in the order of the keys
	EndBucket(b Bucket) error           // all its records were visited
}

// Walk visits all records of the commit of m. The error is a [*Damage], one of
// reading, or the visitor's.
func (f *File) Walk(m Meta, v Visitor) error {
	w := &walker{file: f, meta: m, used: make([]bool, m.end)}
	return w.tree(m.root, bounds{}, 0, func(e element) error { return w.bucket(e, v) })
}

type walker struct {
	file *File
	meta Meta
	used []bool // pages that have been visited
}

// bounds are those that a branch sets for the keys below it: from low, and
// below high. nil is no bound.
type bounds struct{ low, high []byte }

func (b bounds) contain(k []byte) bool {
	return bytes.Compare(k, b.low) >= 0 && (b.high == nil || bytes.Compare(k, b.high) < 0)
}

// element is an entry of a page: of a branch (child) or of a leaf (value).
type element struct {
	page   uint64 // where it stands
	key    []byte
	child  uint64
	value  []byte
	bucket bool
}

// tree visits the leaf elements of the tree that begins at page id.
func (w *walker) tree(id uint64, b bounds, depth int, visit func(element) error) error {
	page, err := w.page(id, depth)
	if err != nil {
		return err
	}
	if h := parseHeader(page); h.flags == flagBranch {
		return w.branch(id, page, h.count, b, depth, visit)
	}
	return leaf(id, page, b, visit)
}

// page reads a page with its overflow pages, each of which may be used once.
func (w *walker) page(id uint64, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, damage(id, "too deep in the tree")
	}
	if id < 2 || id >= w.meta.end {
		return nil, damage(id, "not one of the pages 2 to %d", w.meta.end)
	}
	page := make([]byte, PageSize)
	if err := w.file.readPages(page, id); err != nil {
		return nil, err
	}
	h := parseHeader(page)
	switch {
	case h.id != id:
		return nil, damage(id, "says that it is page %d", h.id)
	case h.flags != flagBranch && h.flags != flagLeaf:
		return nil, damage(id, "neither branch nor leaf")
	case h.overflow >= w.meta.end-id:
		return nil, damage(id, "%d pages long, beyond the end", h.overflow+1)
	}
	for i := id; i <= id+h.overflow; i++ {
		if w.used[i] {
			return nil, damage(i, "used twice")
		}
		w.used[i] = true
	}
	if h.overflow == 0 {
		return page, nil
	}
	page = append(page, make([]byte, h.overflow*PageSize)...)
	return page, w.file.readPages(page[PageSize:], id+1)
}

func (w *walker) branch(id uint64, page []byte, count int, b bounds, depth int, visit func(element) error) error {
	elements, err := elements(id, page, count, branchElement)
	if err != nil {
		return err
	}
	if count == 0 {
		return damage(id, "empty branch")
	}
	for i, e := range elements {
		if !b.contain(e.key) {
			return damage(id, "key out of order")
		}
		below := bounds{e.key, b.high}
		if i+1 < count {
			below.high = elements[i+1].key
		}
		if bytes.Compare(e.key, below.high) >= 0 && below.high != nil {
			return damage(id, "key out of order")
		}
		if err := w.tree(e.child, below, depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}

func leaf(id uint64, page []byte, b bounds, visit func(element) error) error {
	elements, err := elements(id, page, parseHeader(page).count, leafElement)
	if err != nil {
		return err
	}
	for i, e := range elements {
		if !b.contain(e.key) || i > 0 && bytes.Compare(elements[i-1].key, e.key) >= 0 {
			return damage(id, "key out of order")
		}
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}

// elements reads the table of a page. Positions in it count from the element itself.
func elements(id uint64, page []byte, count int, parse func(e []byte) (element, int, int, int)) ([]element, error) {
	if headerSize+count*elementSize > len(page) {
		return nil, damage(id, "%d elements, more than fit", count)
	}
	all := make([]element, count)
	for i := range all {
		start := headerSize + i*elementSize
		e, at, ksize, vsize := parse(page[start : start+elementSize])
		at += start
		// All are below 2^33, so that the sum does not overflow.
		if at+ksize+vsize > len(page) || at < headerSize+count*elementSize {
			return nil, damage(id, "element %d out of bounds", i)
		}
		if ksize == 0 {
			return nil, damage(id, "element %d without a key", i)
		}
		e.page = id
		e.key = page[at : at+ksize : at+ksize]
		e.value = page[at+ksize : at+ksize+vsize : at+ksize+vsize]
		all[i] = e
	}
	return all, nil
}

// branchElement reads position and size of the key (u32) and the child (u64).
func branchElement(b []byte) (e element, at, ksize, vsize int) {
	order := binary.NativeEndian
	return element{child: order.Uint64(b[8:])}, int(order.Uint32(b)), int(order.Uint32(b[4:])), 0
}

// leafElement reads flags, position, and the sizes of key and value (u32 each).
func leafElement(b []byte) (e element, at, ksize, vsize int) {
	order := binary.NativeEndian
	return element{bucket: order.Uint32(b) == elementBucket},
		int(order.Uint32(b[4:])), int(order.Uint32(b[8:])), int(order.Uint32(b[12:]))
}

// bucket visits a bucket, whose only page may be in the value itself.
func (w *walker) bucket(e element, v Visitor) error {
	if !e.bucket || len(e.value) < bucketSize {
		return damage(e.page, "not a bucket at the top level")
	}
	order := binary.NativeEndian
	b := Bucket{string(e.key), order.Uint64(e.value[8:])}
	if err := v.Bucket(b); err != nil {
		return err
	}
	record := func(r element) error {
		if r.bucket {
			return damage(r.page, "a bucket in a bucket")
		}
		return v.Record(b, r.key, r.value)
	}
	if err := w.records(e, order.Uint64(e.value), record); err != nil {
		return err
	}
	return v.EndBucket(b)
}

func (w *walker) records(e element, root uint64, record func(element) error) error {
	if root != 0 {
		return w.tree(root, bounds{}, 0, record)
	}
	page := e.value[bucketSize:]
	if len(page) < headerSize || parseHeader(page).flags != flagLeaf {
		return damage(e.page, "bucket %s has no page", e.key)
	}
	return leaf(e.page, page, bounds{}, record)
}
