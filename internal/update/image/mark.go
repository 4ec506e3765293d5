package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
)

// Mark is a place in an lz4 image, between two blocks, from which another call
// of [Write] can go on after this one was interrupted. It can be kept as JSON.
type Mark struct {
	Read   int64  `json:"read"`   // bytes of the source before it
	Done   int64  `json:"done"`   // bytes of the image before it
	SHA256 []byte `json:"sha256"` // of these bytes of the image
	Frame  Frame  `json:"frame"`  // that it is in
	Note   []byte `json:"note"`   // the caller's
}

// ErrStale is returned for a mark when what is in the partition is not what was
// there: the image is to be written from its beginning.
var ErrStale = errors.New("the disk has not what an interrupted attempt wrote")

// begin finds out what the source is, or goes on from a mark.
func (w *writer) begin(ctx context.Context, src io.Reader) (err error) {
	if w.Keep != nil {
		w.whole = sha256.New()
	}
	if w.From == nil {
		w.d, err = decompress(src)
		return err
	}
	m := w.From
	if m.Done <= 0 || m.Done > w.p.size || m.Done%blockSize != 0 || m.Read <= 0 || !slices.Contains([]int{64 << 10, 256 << 10, 1 << 20, 4 << 20}, m.Frame.Most) {
		return fmt.Errorf("%w: the mark makes no sense", ErrStale)
	}
	w.whole = sha256.New()
	for at := int64(0); at < m.Done; at += blockSize {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if _, err := w.p.ReadAt(w.old, at); err != nil {
			return fmt.Errorf("%w: read at %d: %w", ErrStale, at, err)
		}
		w.add(w.old)
	}
	if !bytes.Equal(w.whole.Sum(nil), m.SHA256) {
		return ErrStale
	}
	w.done, w.kept = m.Done, m.Read
	w.d = &decompressor{Format: LZ4, source: &source{r: src, read: m.Read}, close: func() {}}
	// The end of the last block that was read is what was before the mark.
	w.d.lz4 = goOn(w.d.source, m.Frame, w.old[blockSize-dictionary:])
	w.d.plain = w.d.lz4
	return nil
}

// add sums up a block, to be compared when it is read back.
func (w *writer) add(block []byte) {
	w.sums = append(w.sums, maphash.Bytes(w.seed, block))
	if w.whole != nil {
		w.whole.Write(block)
	}
}

// sum is the SHA-256 of what is done, if it was asked for.
func (w *writer) sum() []byte {
	if w.whole == nil {
		return nil
	}
	return w.whole.Sum(nil)
}

// mark is one behind what has just been decompressed, of which at bytes make the
// image up to there; nil if none can be there.
func (w *writer) mark(at int64) (*Mark, error) {
	if w.Keep == nil || w.d.lz4 == nil || !w.d.lz4.between() {
		return nil, nil
	}
	m := &Mark{Read: w.d.source.read, Done: at, Frame: w.d.lz4.Frame}
	if w.Note == nil {
		return m, nil
	}
	var err error
	m.Note, err = w.Note()
	return m, err
}

// keep gives a mark to the caller, if it is time.
func (w *writer) keep(m *Mark) error {
	if m == nil || m.Read-w.kept < w.KeepEvery {
		return nil
	}
	if err := w.writes.Wait(); err != nil {
		return err
	}
	if err := w.p.file.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	w.kept, m.SHA256 = m.Read, w.whole.Sum(nil)
	return w.Keep(*m)
}
