package image

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"golang.org/x/sync/errgroup"
)

// readers is how many blocks are read back at a time: a disk that is asked for
// one after the other rests between them.
const readers = 2

// span is a part of the image that has been written. It begins where a block does.
type span struct {
	at, end int64
	sums    []uint64 // of its blocks
}

// readFunc reads what is on the disk; data has room for a whole block, whatever is needed of it.
type readFunc func(data []byte, at int64) error

// follow reads back what the disk was told to write, while more is being
// written. It ends with the writing: the rest is read back after the sync. Where
// the kernel's cache cannot be passed by, all is the rest.
func (w *writer) follow(ctx context.Context) error {
	for next := range w.told {
		select {
		case <-w.written:
			return nil
		default:
		}
		err := w.readBack(ctx, next, w.p.readDirect)
		if errors.Is(err, errNotDirect) {
			return nil
		}
		if err != nil {
			return err
		}
		w.p.Forget(next.at, next.end-next.at)
	}
	return nil
}

// verify reads back what follow has not, or tells that it has all.
func (w *writer) verify(ctx context.Context) error {
	for first := true; first || w.verified < w.done; first = false {
		next := w.span(w.verified, min(w.verified+spanSize, w.done))
		if err := w.readBack(ctx, next, w.p.ReadBack); err != nil {
			return err
		}
		w.Progress(Progress{Verifying, w.d.source.read, w.verified, w.changed})
	}
	return nil
}

// span is what was written from at to end.
func (w *writer) span(at, end int64) span {
	return span{at, end, w.sums[at/blockSize : (end+blockSize-1)/blockSize]}
}

// readBack reads a span and compares it with its sums.
func (w *writer) readBack(ctx context.Context, s span, read readFunc) error {
	group, ctx := errgroup.WithContext(ctx)
	for r := range readers {
		group.Go(func() error {
			for i := r; i < len(s.sums); i += readers {
				if err := context.Cause(ctx); err != nil {
					return err
				}
				at := s.at + int64(i)*blockSize
				if err := w.compare(w.back[r][:min(blockSize, s.end-at)], at, s.sums[i], read); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	if err == nil {
		w.verified = s.end
	}
	return err
}

// compare reads a block. The sums are keyed at random, so a disk cannot have
// answered with something else of the same sum but by a chance of 1 in 2^64.
func (w *writer) compare(block []byte, at int64, sum uint64, read readFunc) error {
	if err := read(block, at); err != nil {
		return fmt.Errorf("read back at %d: %w", at, err)
	}
	if maphash.Bytes(w.seed, block) != sum {
		return fmt.Errorf("%w: in the %d bytes from %d on", ErrMismatch, len(block), at)
	}
	return nil
}
