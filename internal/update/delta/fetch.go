package delta

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// Blocks is where the blocks file is.
type Blocks interface {
	// ReadRange fills data with the file's bytes from offset on. They need not be
	// proved. Several calls may be made at a time.
	ReadRange(ctx context.Context, data []byte, offset int64) error
}

// ErrChunk is returned when what was fetched is not the chunk that the index proves.
var ErrChunk = errors.New("a fetched chunk is not what the index says")

// span is a range of the blocks file that one request fetches.
type span struct{ offset, length int64 }

func (s span) end() int64 { return s.offset + s.length }

const (
	// widestGap is how many bytes that nobody needs are fetched rather than making
	// another request: what comes in the time that a request takes, on a slow line.
	widestGap   = 32 << 10
	longestSpan = 1 << 20
	// inMemory is how many spans are: one in use, the others under way.
	inMemory = 5
)

// join adds a chunk to the spans, which are in the order of the file.
func join(spans []span, offset, length int64) []span {
	if len(spans) > 0 {
		last := &spans[len(spans)-1]
		if end := offset + length; offset-last.end() <= widestGap && end-last.offset <= longestSpan {
			last.length = end - last.offset
			return spans
		}
	}
	return append(spans, span{offset, length})
}

// fetcher fetches spans ahead of their use, a few at a time, and hands out the
// chunks in them in order.
type fetcher struct {
	blocks  Blocks
	unpack  *zstd.Decoder
	spans   []span
	free    chan []byte
	ahead   chan chan answer // of the spans, in their order
	done    int              // spans that were received
	data    []byte           // of the last of these
	plain   []byte           // the chunk that was handed out last
	fetched int64            // bytes
}

// answer is what came of a request.
type answer struct {
	data []byte
	err  error
}

func newFetcher(blocks Blocks, spans []span) (*fetcher, error) {
	unpack, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(mostChunk), zstd.WithDecoderMaxWindow(mostChunk))
	if err != nil {
		return nil, err
	}
	f := &fetcher{blocks: blocks, unpack: unpack, spans: spans, free: make(chan []byte, inMemory), ahead: make(chan chan answer, inMemory)}
	for range min(inMemory, len(spans)) {
		f.free <- nil
	}
	return f, nil
}

// run makes the requests, in group, each when there is room for its answer. One
// that fails does not end those before it: what they bring is kept.
func (f *fetcher) run(ctx context.Context, group *errgroup.Group) error {
	for _, s := range f.spans {
		var room []byte
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case room = <-f.free:
		}
		next := make(chan answer, 1)
		f.ahead <- next // never blocks: there are no more than there is room for
		group.Go(func() error {
			data := slices.Grow(room[:0], int(s.length))[:s.length]
			next <- answer{data, f.blocks.ReadRange(ctx, data, s.offset)}
			return nil
		})
	}
	return nil
}

// next is the content of the next chunk that is fetched; it is valid until the next call.
func (f *fetcher) next(ctx context.Context, c chunk) ([]byte, error) {
	for f.done == 0 || c.block >= f.spans[f.done-1].end() {
		if err := f.receive(ctx); err != nil {
			return nil, err
		}
	}
	from := c.block - f.spans[f.done-1].offset
	return f.open(c, f.data[from:from+int64(c.packed)])
}

func (f *fetcher) receive(ctx context.Context) error {
	if f.data != nil {
		f.free <- f.data
	}
	var next chan answer
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case next = <-f.ahead:
	}
	a := <-next // which ends with the context
	if a.err != nil {
		return a.err
	}
	f.data = a.data
	f.done++
	f.fetched += int64(len(f.data))
	return nil
}

// alone fetches a chunk that was not planned to be.
func (f *fetcher) alone(ctx context.Context, c chunk) ([]byte, error) {
	packed := make([]byte, c.packed)
	f.fetched += int64(c.packed)
	if err := f.blocks.ReadRange(ctx, packed, c.block); err != nil {
		return nil, err
	}
	return f.open(c, packed)
}

// open decompresses a chunk and proves it.
func (f *fetcher) open(c chunk, packed []byte) ([]byte, error) {
	if c.packed == c.size {
		f.plain = append(f.plain[:0], packed...)
	} else {
		data, err := f.unpack.DecodeAll(packed, f.plain[:0])
		if err != nil {
			return nil, fmt.Errorf("%w: %w, at %d in the blocks", ErrChunk, err, c.block)
		}
		f.plain = data
	}
	// The sum does not prove the size, which says where the chunk ends.
	if len(f.plain) != int(c.size) || sumOf(f.plain) != c.sum {
		return nil, fmt.Errorf("%w: at %d in the blocks", ErrChunk, c.block)
	}
	return f.plain, nil
}

func (f *fetcher) close() { f.unpack.Close() }
