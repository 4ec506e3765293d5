// Package boltfile reads a bbolt file without trusting a byte of it.
//
// bbolt maps its file into memory and follows the numbers it finds there: in a
// damaged file they lead out of the mapping (the process dies of SIGBUS, and
// not in a goroutine that could stop it), or round in circles until the stack
// is full. Its own check does the same. So the datastore first reads the file
// with this package, which looks at every page that is in use, in bounds and
// once, and hands out the records on the way; bbolt opens only what passed.
//
// Start with [Open] and [File.Walk]. Only what the datastore uses is
// understood: buckets at the top level, no freelist in the file, pages of
// [PageSize] bytes. The layout is that of bbolt's internal/common (page.go,
// meta.go, bucket.go), version 2, in the byte order of the machine.
package boltfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// PageSize is the size of a page in bytes, for bbolt.Options: fixed, so that a
// file can be read on a machine whose memory has other pages.
const PageSize = 4096

const (
	magic      = 0xED0CDAED
	version    = 2
	noFreelist = 1<<64 - 1

	headerSize  = 16 // id u64, flags u16, count u16, overflow u32
	metaSize    = 64 // see parseMeta
	elementSize = 16
	bucketSize  = 16 // root u64, sequence u64

	flagBranch = 0x01
	flagLeaf   = 0x02
	flagMeta   = 0x04

	elementBucket = 0x01

	// maxDepth is more than a file of any size can need.
	maxDepth = 40
)

// Damage is returned for a file that is not as bbolt writes it.
type Damage struct {
	Page uint64
	What string
}

func (d *Damage) Error() string { return fmt.Sprintf("page %d: %s", d.Page, d.What) }

func damage(page uint64, format string, args ...any) error {
	return &Damage{page, fmt.Sprintf(format, args...)}
}

// Meta is one of the two pages that say which pages make up a commit.
type Meta struct {
	Txid uint64 // ascending with each commit
	root uint64 // the page where the tree of buckets begins
	end  uint64 // the first page beyond those in use
	page []byte // the whole page, to be written again
}

// File is a file to be read.
type File struct {
	r     io.ReaderAt
	pages uint64

	Metas   []Meta // those that are sound, the newest first
	Damaged error  // why one of the two is not; nil if both are
}

// Open reads the two meta pages of a file of size bytes. It fails if neither is sound.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, pages: uint64(size) / PageSize}
	for slot := range uint64(2) {
		m, err := f.meta(slot)
		if err != nil {
			f.Damaged = errors.Join(f.Damaged, err)
			continue
		}
		f.Metas = append(f.Metas, m)
	}
	if len(f.Metas) == 0 {
		return nil, f.Damaged
	}
	if len(f.Metas) == 2 && f.Metas[1].Txid > f.Metas[0].Txid {
		f.Metas[0], f.Metas[1] = f.Metas[1], f.Metas[0]
	}
	return f, nil
}

func (f *File) meta(slot uint64) (Meta, error) {
	page := make([]byte, PageSize)
	if err := f.readPages(page, slot); err != nil {
		return Meta{}, err
	}
	h := parseHeader(page)
	if h.id != slot || h.flags != flagMeta {
		return Meta{}, damage(slot, "not a meta page")
	}
	return f.parseMeta(slot, page)
}

// parseMeta reads magic, version, page size, flags (u32 each), root page and
// sequence of the root bucket, freelist page, end, txid and the FNV-1a hash of
// all these (u64 each).
func (f *File) parseMeta(slot uint64, page []byte) (Meta, error) {
	b, order := page[headerSize:headerSize+metaSize], binary.NativeEndian
	m := Meta{Txid: order.Uint64(b[48:]), root: order.Uint64(b[16:]), end: order.Uint64(b[40:]), page: page}
	switch {
	case order.Uint32(b) != magic || order.Uint32(b[4:]) != version:
		return m, damage(slot, "not of a bbolt file")
	case order.Uint64(b[56:]) != metaSum(page):
		return m, damage(slot, "checksum is wrong")
	case order.Uint32(b[8:]) != PageSize:
		return m, damage(slot, "pages of %d bytes, not %d", order.Uint32(b[8:]), PageSize)
	case order.Uint64(b[32:]) != noFreelist:
		return m, damage(slot, "a freelist, where none is written")
	case m.end > f.pages:
		return m, damage(slot, "file has %d pages, not %d", f.pages, m.end)
	}
	return m, nil
}

func metaSum(page []byte) uint64 {
	hash := fnv.New64a()
	hash.Write(page[headerSize : headerSize+56])
	return hash.Sum64()
}

// FixChecksum makes the checksum of a meta page right. It is for tests that
// damage files on purpose.
func FixChecksum(page []byte) {
	binary.NativeEndian.PutUint64(page[headerSize+56:], metaSum(page))
}

// Size is how many bytes of the file the commit reaches into.
func (m Meta) Size() int64 { return int64(m.end) * PageSize }

func (f *File) readPages(into []byte, id uint64) error {
	_, err := f.r.ReadAt(into, int64(id)*PageSize)
	if errors.Is(err, io.EOF) {
		return damage(id, "beyond the end of the file")
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// Image writes the commit of m as a file of its own, in which both meta pages are m.
func (f *File) Image(w io.Writer, m Meta) error {
	for slot := range uint64(2) {
		if _, err := w.Write(m.Page(slot)); err != nil {
			return err
		}
	}
	n := int64(m.end-2) * PageSize
	_, err := io.Copy(w, io.NewSectionReader(f.r, 2*PageSize, n))
	return err
}

// Page is the page that makes m the meta of a slot, 0 or 1.
func (m Meta) Page(slot uint64) []byte {
	page := bytes.Clone(m.page)
	binary.NativeEndian.PutUint64(page, slot)
	return page
}

type header struct {
	id       uint64
	flags    uint16
	count    int
	overflow uint64
}

func parseHeader(page []byte) header {
	order := binary.NativeEndian
	return header{order.Uint64(page), order.Uint16(page[8:]), int(order.Uint16(page[10:])), uint64(order.Uint32(page[12:]))}
}
