package image

import (
	"context"
	"crypto/sha256"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Sum is the SHA-256 of the first size bytes that the disk has of a partition that
// [OpenBack] has opened. The disk reads on while it is summed up. Memory is two blocks.
func (p *Partition) Sum(ctx context.Context, size int64, progress func(done int64)) ([]byte, error) {
	if size > p.size {
		return nil, fmt.Errorf("%w: it has %d bytes, the partition %d", ErrTooLarge, size, p.size)
	}
	free, full := make(chan []byte, readers), make(chan []byte, readers)
	for range readers {
		free <- make([]byte, blockSize)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(full)
		return p.readAll(ctx, size, free, full)
	})
	sum, done := sha256.New(), int64(0)
	for block := range full {
		sum.Write(block)
		done += int64(len(block))
		progress(done)
		free <- block[:blockSize] // there is always room
	}
	return sum.Sum(nil), group.Wait()
}

// readAll reads the first size bytes, a block at a time, into buffers that are free.
func (p *Partition) readAll(ctx context.Context, size int64, free <-chan []byte, full chan<- []byte) error {
	for at := int64(0); at < size; at += blockSize {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		block := (<-free)[:min(blockSize, size-at)]
		if err := p.ReadBack(block, at); err != nil {
			return fmt.Errorf("read back at %d: %w", at, err)
		}
		full <- block // there is always room: there are no more buffers than that
	}
	return nil
}
