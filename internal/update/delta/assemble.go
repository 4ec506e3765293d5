package delta

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
)

// Place is where an image is assembled: a partition.
type Place interface {
	io.ReaderAt
	io.WriterAt
	Flush(at, length int64) // begins to bring it to the disk
	Sync() error            // brings it there, and makes reading read the disk
}

// ErrMismatch is returned when what is read back is not the image.
var ErrMismatch = errors.New("what is read back from the disk is not the image")

// Report is what Assemble has done, in bytes.
type Report struct {
	Fetched int64
	Written int64             // because it differed
	Size    int64             // of the image
	SHA256  [sha256.Size]byte // of the image, as it was read back
}

// Assemble makes the image in its place, where nothing may have changed since
// the plan was made. It returns without an error only when the image is on the disk, has been
// read back, and has the SHA-256 that the index says. What a call that failed, or was
// killed, has done counts for the next plan.
func (p *Plan) Assemble(ctx context.Context, place Place, running io.ReaderAt, blocks Blocks, progress func(Progress)) (Report, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	a := &assembly{Plan: p, place: place, running: running, progress: progress, buf: make([]byte, mostChunk)}
	if err := a.run(ctx, blocks); err != nil {
		return a.report, err
	}
	if err := place.Sync(); err != nil {
		return a.report, fmt.Errorf("sync: %w", err)
	}
	err := a.prove(ctx)
	return a.report, err
}

// assembly is one call of Assemble.
type assembly struct {
	*Plan
	place    Place
	running  io.ReaderAt
	progress func(Progress)
	report   Report

	fetch *fetcher
	buf   []byte
	sum   sum    // of
	last  []byte // the last chunk that was not in its place

	pending []byte // to write
	at      int64  // there
}

func (a *assembly) run(ctx context.Context, blocks Blocks) error {
	f, err := newFetcher(blocks, a.spans)
	if err != nil {
		return err
	}
	defer f.close()
	a.fetch = f
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return f.run(ctx, group) })
	group.Go(func() error { return a.assemble(ctx) })
	err = group.Wait()
	a.report.Fetched = f.fetched
	return err
}

func (a *assembly) assemble(ctx context.Context) error {
	for i, c := range a.index.chunks {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if a.from[i] != inPlace {
			data, err := a.content(ctx, i)
			if err != nil {
				return errors.Join(err, a.flush()) // the next attempt finds it
			}
			a.sum, a.last = c.sum, data
			if err := a.put(data, c.at); err != nil {
				return err
			}
		}
		a.tell(c)
	}
	return a.flush()
}

// tell is called for each chunk, and tells every MiB.
func (a *assembly) tell(c chunk) {
	end := c.at + int64(c.size)
	if end>>20 != c.at>>20 || end == a.index.Size {
		a.progress(Progress{Assembling, end, a.index.Size, a.fetch.fetched, a.report.Written})
	}
}

// content brings a chunk, and proves it, wherever it is from.
func (a *assembly) content(ctx context.Context, i int) ([]byte, error) {
	c := a.index.chunks[i]
	if a.last != nil && c.sum == a.sum {
		return a.last, nil // runs of zeros are many of the same
	}
	switch from := a.from[i]; from {
	case byFetch:
		return a.fetch.next(ctx, c)
	case byEarlier:
		return a.earlier(ctx, c)
	default:
		data := a.buf[:c.size]
		if n, _ := a.running.ReadAt(data, from); n == len(data) && sumOf(data) == c.sum {
			return data, nil
		}
		// It was there when the plan was made: the disk is dying.
		return a.fetch.alone(ctx, c)
	}
}

func (a *assembly) earlier(ctx context.Context, c chunk) ([]byte, error) {
	first := a.index.chunks[c.block]
	if err := a.flush(); err != nil {
		return nil, err
	}
	data := a.buf[:c.size]
	if n, _ := a.place.ReadAt(data, first.at); n == len(data) && sumOf(data) == c.sum {
		return data, nil
	}
	return a.fetch.alone(ctx, first)
}

// mostPending is what is written at a time, in bytes, where neighbours differ:
// a disk has to read what is around something smaller first.
const mostPending = 1 << 20

func (a *assembly) put(data []byte, at int64) error {
	if a.at+int64(len(a.pending)) != at || len(a.pending)+len(data) > mostPending {
		if err := a.flush(); err != nil {
			return err
		}
		a.at = at
	}
	a.pending = append(a.pending, data...)
	return nil
}

func (a *assembly) flush() error {
	if len(a.pending) == 0 {
		return nil
	}
	if _, err := a.place.WriteAt(a.pending, a.at); err != nil {
		return fmt.Errorf("write at %d: %w", a.at, err)
	}
	a.place.Flush(a.at, int64(len(a.pending)))
	a.report.Written += int64(len(a.pending))
	a.pending = a.pending[:0]
	return nil
}

// prove reads the image back.
func (a *assembly) prove(ctx context.Context) error {
	whole, buf := sha256.New(), make([]byte, 1<<20)
	for at := int64(0); at < a.index.Size; {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		data := buf[:min(int64(len(buf)), a.index.Size-at)]
		if _, err := a.place.ReadAt(data, at); err != nil {
			return fmt.Errorf("read back at %d: %w", at, err)
		}
		whole.Write(data)
		at += int64(len(data))
		a.progress(Progress{Proving, at, a.index.Size, a.report.Fetched, a.report.Written})
	}
	a.report.Size, a.report.SHA256 = a.index.Size, [sha256.Size]byte(whole.Sum(nil))
	if a.report.SHA256 != a.index.SHA256 {
		return ErrMismatch
	}
	return nil
}
