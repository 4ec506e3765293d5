package delta

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sort"
)

// Plan says where each chunk of an image comes from.
type Plan struct {
	Kept     int64 // bytes of the image that are in their place already
	Copied   int64 // that the running image has, or the new one has twice
	Fetch    int64 // bytes to fetch, those between chunks that are fetched together included
	Requests int   // that this takes

	index *Index
	from  []int64 // for each chunk: where it is in the running image, or one of the constants
	spans []span
}

// Where a chunk comes from that the running image does not have.
const (
	inPlace   = -1 // nothing is to be done
	byFetch   = -2
	byEarlier = -3 // it is the same as an earlier one, which is in its place by then
)

// Progress is how far looking, assembling or proving has come, in bytes.
type Progress struct {
	Phase   Phase
	Done    int64 // of Total
	Total   int64
	Fetched int64
	Written int64
}

// Phase is what is being done.
type Phase string

// The phases, in order.
const (
	Looking    Phase = "look"     // for what is there
	Assembling Phase = "assemble" // the image
	Proving    Phase = "prove"    // that it is on the disk
)

// Plan looks for what is there already: in the image's own place, where an
// interrupted attempt may have left much, and anywhere in the running image.
// Both are only read; what cannot be read is not there. progress, if not nil, is called now and then.
func (x *Index) Plan(ctx context.Context, place, running *io.SectionReader, progress func(Progress)) (*Plan, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	p := &Plan{index: x, from: make([]int64, len(x.chunks))}
	now := Progress{Phase: Looking, Total: x.Size + running.Size()}
	looked := func(n int) {
		before := now.Done
		if now.Done += int64(n); now.Done>>20 != before>>20 {
			progress(now)
		}
	}
	if err := p.look(ctx, place, looked); err != nil {
		return nil, err
	}
	if err := p.search(ctx, running, looked); err != nil {
		return nil, err
	}
	p.add()
	return p, nil
}

// look finds chunks that are in their place.
func (p *Plan) look(ctx context.Context, place io.ReaderAt, looked func(int)) error {
	buf := make([]byte, mostChunk)
	for i, c := range p.index.chunks {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		p.from[i] = byFetch
		if c.packed == 0 {
			p.from[i] = byEarlier
		}
		data := buf[:c.size]
		if n, _ := place.ReadAt(data, c.at); n == len(data) && sumOf(data) == c.sum {
			p.from[i] = inPlace
		}
		looked(len(data))
	}
	return nil
}

// search looks for the rest in the running image.
func (p *Plan) search(ctx context.Context, running *io.SectionReader, looked func(int)) error {
	missing := p.missing()
	chunks := newCutter(running)
	for at := int64(0); len(missing) > 0; {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		chunk, err := chunks.next()
		if err != nil {
			// The end, or a place that cannot be read: what is behind it is fetched.
			return nil
		}
		p.found(missing, sumOf(chunk), at)
		at += int64(len(chunk))
		looked(len(chunk))
	}
	return nil
}

// missing lists the chunks that would have to be fetched, sorted by their sums.
func (p *Plan) missing() []uint32 {
	var list []uint32
	for i, from := range p.from {
		if from == byFetch {
			list = append(list, uint32(i))
		}
	}
	slices.SortFunc(list, func(a, b uint32) int {
		return bytes.Compare(p.index.chunks[a].sum[:], p.index.chunks[b].sum[:])
	})
	return list
}

func (p *Plan) found(missing []uint32, s sum, at int64) {
	i := sort.Search(len(missing), func(i int) bool {
		return bytes.Compare(p.index.chunks[missing[i]].sum[:], s[:]) >= 0
	})
	if i < len(missing) && p.index.chunks[missing[i]].sum == s {
		p.from[missing[i]] = at
	}
}

// add adds up what is to be done.
func (p *Plan) add() {
	for i, c := range p.index.chunks {
		switch from := p.from[i]; from {
		case inPlace:
			p.Kept += int64(c.size)
		case byFetch:
			p.spans = join(p.spans, c.block, int64(c.packed))
		default:
			p.Copied += int64(c.size)
		}
	}
	for _, s := range p.spans {
		p.Fetch += s.length
	}
	p.Requests = len(p.spans)
}
