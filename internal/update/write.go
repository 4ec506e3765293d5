package update

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/update/delta"
	"github.com/hostler-os/hostler/internal/update/image"
)

// writing is one image on its way into its partition.
type writing struct {
	*Installation
	kind   slot.Kind
	target tufrepo.Target // the whole image
	place  *image.Partition
	now    Progress
	done   Written
}

// write brings one image into its partition: what is missing of it, if there is
// an index of it and nothing is wrong, or else the whole.
func (i *Installation) write(ctx context.Context, what, name string, kind slot.Kind) (err error) {
	target, err := i.Catalog.target(ctx, name)
	if err != nil {
		return err
	}
	extent := i.extent(kind)
	place, err := image.Open(extent.Path, extent.Offset, extent.Size)
	if err != nil {
		return fixed("Failed to open partition %s: %w", extent.Path, err)
	}
	defer func() { err = errors.Join(err, place.Close()) }()
	w := &writing{
		Installation: i, kind: kind, target: target, place: place,
		now:  Progress{Step: "write " + what, Target: name, Whole: target.Length, Size: target.Length},
		done: Written{Image: what, Whole: target.Length},
	}
	if err := w.run(ctx); err != nil {
		return fixed("Failed writing update data to disk: %s image %s: %w", what, name, err)
	}
	return i.Journal.note(i.Catalog.host.Now(), func(a *Attempt) { a.Images = append(a.Images, w.done) })
}

func (w *writing) run(ctx context.Context) error {
	err := w.fromDelta(ctx)
	switch {
	case err == nil, final(ctx, err):
		return err
	case errors.Is(err, errNoIndex):
	default:
		w.done.NoDelta = err.Error()
		w.Catalog.host.Log.Warn("fetching the whole image: a part does not do", "target", w.target.Name, "why", err)
	}
	return w.whole(ctx)
}

// final tells whether fetching the whole would not help: nobody wants it any
// more, or the network is away. What a delta has written by then counts for the next run.
func final(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, tufrepo.ErrNetwork)
}

// tell tells of progress.
func (w *writing) tell(now image.Progress) {
	if w.Progress != nil {
		w.now.Progress = now
		w.Progress(w.now)
	}
}

// errNoIndex is returned for an image that was published without an index.
var errNoIndex = errors.New("the image has no index")

// fromDelta makes the image out of what is here and what is fetched.
func (w *writing) fromDelta(ctx context.Context) error {
	x, size, err := w.Catalog.index(ctx, w.target.Name)
	if err != nil {
		return err
	}
	w.done.Fetched = size
	if x.Size > w.place.Size() {
		return fmt.Errorf("%w: it has %d bytes, the partition %d", image.ErrTooLarge, x.Size, w.place.Size())
	}
	blocks, err := w.Catalog.blocks(ctx, w.target.Name, x)
	if err != nil {
		return err
	}
	extent := w.sets.Extents[w.sets.Active][w.kind]
	running, err := image.OpenRead(extent.Path, extent.Offset, extent.Size)
	if err != nil {
		return fmt.Errorf("look at the running slot: %w", err)
	}
	defer running.Close()
	plan, err := x.Plan(ctx, section(w.place), section(running), w.tellDelta)
	if err != nil {
		return err
	}
	if plan.Fetch > w.target.Length {
		return fmt.Errorf("it would fetch %d bytes, more than the whole", plan.Fetch)
	}
	w.now.Size, w.now.Reused = plan.Fetch, plan.Kept+plan.Copied
	report, err := plan.Assemble(ctx, w.place, running, blocks, w.tellDelta)
	w.done.Fetched += report.Fetched
	if err != nil {
		return err
	}
	w.done.Way, w.done.Reused, w.done.Written = ByDelta, w.now.Reused, report.Written
	return nil
}

func section(p *image.Partition) *io.SectionReader { return io.NewSectionReader(p, 0, p.Size()) }

// phases are what those of a delta are to people who wait.
var phases = map[delta.Phase]image.Phase{
	delta.Looking: image.Looking, delta.Assembling: image.Writing, delta.Proving: image.Verifying,
}

func (w *writing) tellDelta(p delta.Progress) {
	w.tell(image.Progress{Phase: phases[p.Phase], Read: p.Fetched, Done: p.Done, Changed: p.Written})
}

// index reads the index of an image, proved, and tells its size in bytes;
// errNoIndex if there is none.
func (c *Catalog) index(ctx context.Context, name string) (x *delta.Index, size int64, err error) {
	t, err := c.repo.Target(ctx, delta.IndexName(name))
	if errors.Is(err, tufrepo.ErrNoTarget) {
		return nil, 0, errNoIndex
	}
	if err != nil {
		return nil, 0, err
	}
	if t.Length > delta.MaxIndexSize {
		return nil, 0, fmt.Errorf("target %s has %d bytes, an index has at most %d", t.Name, t.Length, delta.MaxIndexSize)
	}
	body, err := c.repo.Open(ctx, t.Name)
	if err != nil {
		return nil, 0, err
	}
	x, err = delta.ReadIndex(body)
	return x, t.Length, errors.Join(err, body.Close())
}

// blocks is where the chunks of an image are, of which x is the index.
func (c *Catalog) blocks(ctx context.Context, name string, x *delta.Index) (*tufrepo.Ranges, error) {
	t, err := c.repo.Target(ctx, delta.BlocksName(name))
	if err != nil {
		return nil, err
	}
	if t.Length != x.BlocksSize {
		return nil, fmt.Errorf("target %s has %d bytes, the index says %d", t.Name, t.Length, x.BlocksSize)
	}
	return c.repo.Ranges(ctx, t.Name)
}
