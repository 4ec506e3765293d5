package image

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"io"

	"golang.org/x/sync/errgroup"
)

const (
	blockSize = 1 << 20  // what is decompressed, compared and read back at a time
	partSize  = 64 << 10 // what is written at least: a block's parts that differ
	blocks    = 6        // in memory at a time
	writers   = 2        // blocks that are written at a time
	foreign   = 16       // blocks in a row without a part in common, that tell another image
	spanSize  = 16 << 20 // what is read back at a time
	aheadSize = 8 << 20  // how long before its need the disk is told to begin to read
)

// ErrTooLarge is returned for an image that does not fit into its partition.
var ErrTooLarge = errors.New("the image is larger than its partition")

// ErrMismatch is returned when what is read back is not what was written.
var ErrMismatch = errors.New("what is read back from the disk is not what was written")

// Phase is what Write is doing.
type Phase string

// The phases, in order. Write neither looks, which is for those who know what to look
// for, nor proves again.
const (
	Looking   Phase = "look" // for what need not be fetched
	Writing   Phase = "write"
	Verifying Phase = "verify"
	Proving   Phase = "prove" // once more, what was written long before: see Sum
)

// Progress is how far Write has come, in bytes.
type Progress struct {
	Phase   Phase
	Read    int64 // of the compressed image, or of what is fetched of it
	Done    int64 // of the image itself: compared and written, or read back
	Changed int64 // of those written, because they differed
}

// Report is what Write has done.
type Report struct {
	Format  Format
	Size    int64  // of the image in bytes
	Changed int64  // bytes written, because they differed
	SHA256  []byte // of the image; nil if nobody wanted marks
}

// Options are what a caller of [Write] may choose.
type Options struct {
	// Progress, if not nil, is called by one goroutine at a time, for each block that is
	// written, and for each 16 MiB that are read back when all is written.
	Progress func(Progress)
	// Keep, if not nil, is given marks where the source's format allows them: all that
	// is before a mark is on the disk. Note tells what to remember of the source with
	// it; it is asked when just the bytes before the mark have been read.
	Keep func(Mark) error
	Note func() ([]byte, error)
	// KeepEvery is how many bytes of the source are between marks, 0: 32 MiB. So much
	// is read again at most after an interruption; each mark costs a sync.
	KeepEvery int64
	// From, if not nil, is a mark of an earlier call that wrote into the same place;
	// src begins behind it.
	From *Mark
}

// Write streams the image of src into p. It returns without an error only when
// src has been read to its end, the image is on the disk and has been read
// back; after an error the partition's content is undefined.
func Write(ctx context.Context, p *Partition, src io.Reader, o Options) (Report, error) {
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.KeepEvery == 0 {
		o.KeepEvery = 32 << 20
	}
	w := newWriter(p, o)
	if err := w.begin(ctx, src); err != nil {
		return Report{}, err
	}
	defer w.d.close()
	if w.d.size > p.size {
		return Report{}, fmt.Errorf("%w: it has %d bytes, the partition %d", ErrTooLarge, w.d.size, p.size)
	}
	if err := w.run(ctx); err != nil {
		return Report{}, err
	}
	if err := p.Sync(); err != nil {
		return Report{}, fmt.Errorf("sync: %w", err)
	}
	if err := w.verify(ctx); err != nil {
		return Report{}, err
	}
	return Report{Format: w.d.Format, Size: w.done, Changed: w.changed, SHA256: w.sum()}, nil
}

// writer is one call of Write.
type writer struct {
	Options
	p       *Partition
	d       *decompressor
	seed    maphash.Seed
	sums    []uint64  // of the image's blocks
	whole   hash.Hash // of the image as far as it is done; nil: nobody wants marks
	old     []byte    // what is in the place of a block
	done    int64
	changed int64
	kept    int64 // bytes of the source before the last mark
	foreign int   // blocks in a row that had no part in common with the image
	writes  errgroup.Group

	told     chan span     // what has been written; there is always room
	settled  int64         // bytes of it
	written  chan struct{} // closed when nothing more comes
	back     [readers][]byte
	verified int64 // bytes that have been read back
}

func newWriter(p *Partition, o Options) *writer {
	w := &writer{
		Options: o, p: p, seed: maphash.MakeSeed(), old: make([]byte, blockSize),
		told: make(chan span, p.size/spanSize+1), written: make(chan struct{}),
	}
	for r := range w.back {
		w.back[r] = make([]byte, blockSize)
	}
	w.writes.SetLimit(writers)
	return w
}

// filled is a block of the image and how far the source had been read for it.
type filled struct {
	data []byte
	read int64
	mark *Mark // what a mark behind this block would be; nil: none can be there
}

// run decompresses in one goroutine, compares and writes in others, and reads
// back in one more.
func (w *writer) run(ctx context.Context) error {
	free, full := make(chan []byte, blocks), make(chan filled, blocks)
	for range blocks {
		free <- make([]byte, blockSize)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(full)
		return w.fill(ctx, free, full)
	})
	group.Go(func() error {
		defer close(w.told)
		defer close(w.written)
		err := w.drain(free, full)
		return cmp.Or(w.writes.Wait(), err) // the former may be why there is the latter
	})
	group.Go(func() error { return w.follow(ctx) })
	if err := group.Wait(); err != nil {
		return err
	}
	if w.done == 0 {
		return errors.New("the image is empty")
	}
	return nil
}

// drain takes blocks until there are no more.
func (w *writer) drain(free chan<- []byte, full <-chan filled) error {
	for block := range full {
		w.put(block.data, func() { free <- block.data[:blockSize] })
		if err := errors.Join(w.settle(), w.keep(block.mark)); err != nil {
			return err
		}
		w.Progress(Progress{Writing, block.read, w.done, w.changed})
	}
	return nil
}

func (w *writer) fill(ctx context.Context, free <-chan []byte, full chan<- filled) error {
	for at := w.done; ; {
		var block []byte
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case block = <-free:
		}
		n, err := w.d.next(block)
		if at += int64(n); at > w.p.size {
			return fmt.Errorf("%w, which has %d bytes", ErrTooLarge, w.p.size)
		}
		if err != nil && err != io.EOF {
			return err
		}
		next := filled{block[:n], w.d.source.read, nil}
		if err == nil {
			if next.mark, err = w.mark(at); err != nil {
				return err
			}
		}
		full <- next // there is always room: there are no more blocks than that
		if err == io.EOF {
			return nil
		}
	}
}

// put has the parts of a block written that differ from what is there, and then the block released.
func (w *writer) put(block []byte, release func()) {
	if len(block) == 0 {
		return
	}
	w.add(block)
	at, parts := w.done, w.changes(block)
	w.done += int64(len(block))
	w.writes.Go(func() error {
		defer release()
		for _, p := range parts {
			if err := w.p.WriteThrough(block[p.start:p.end], at+int64(p.start)); err != nil {
				return fmt.Errorf("write at %d: %w", at+int64(p.start), err)
			}
		}
		return nil
	})
}

// part is one of a block.
type part struct{ start, end int }

// changes are the parts of a block that differ from what is there.
func (w *writer) changes(block []byte) (parts []part) {
	old, same := w.before(block), 0
	for start := 0; start < len(block); {
		end := start
		for end < len(block) && differ(block, old, end) {
			end = min(end+partSize, len(block))
		}
		if end == start {
			same++
			start = min(start+partSize, len(block))
			continue
		}
		parts = append(parts, part{start, end})
		w.changed += int64(end - start)
		start = end
	}
	w.foreign++
	if same > 0 {
		w.foreign = 0
	}
	return parts
}

// settle waits for what is being written, if it is enough for a span, and gives whole ones to be read back.
func (w *writer) settle() error {
	if w.done-w.settled < spanSize {
		return nil
	}
	if err := w.writes.Wait(); err != nil {
		return err
	}
	for ; w.done-w.settled >= spanSize; w.settled += spanSize {
		w.p.Flush(w.settled, spanSize)
		w.told <- w.span(w.settled, w.settled+spanSize)
	}
	return nil
}

// before is what is in the place of a block; nil counts as different. Reading
// it is in vain where another image lies: after some blocks without any part in
// common, a block's first part decides whether the rest is read.
func (w *writer) before(block []byte) []byte {
	old := w.old[:len(block)]
	probe := old
	if w.foreign >= foreign {
		probe = old[:min(partSize, len(old))]
		w.p.Ahead(w.done+aheadSize, partSize)
	}
	if _, err := w.p.ReadAt(probe, w.done); err != nil {
		// A sector that cannot be read may be mended by writing it.
		return nil
	}
	if len(probe) == len(old) {
		return old
	}
	if differ(block, old, 0) {
		return nil
	}
	if _, err := w.p.ReadAt(old[len(probe):], w.done+int64(len(probe))); err != nil {
		return nil
	}
	return old
}

// differ compares the part that begins at start.
func differ(block, old []byte, start int) bool {
	end := min(start+partSize, len(block))
	return old == nil || !bytes.Equal(block[start:end], old[start:end])
}
