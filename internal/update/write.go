package update

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/update/delta"
	"github.com/hostler-os/hostler/internal/update/image"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// writing is one image on its way into its partition.
type writing struct {
	*Installation
	kind   slot.Kind
	target tufrepo.Target // the whole image
	place  *image.Partition
	now    Progress
	done   api.UpdateWritten
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
		done: api.UpdateWritten{Image: what, Whole: target.Length},
	}
	if err := w.run(ctx); err != nil {
		return fixed("Failed writing update data to disk: %s image %s: %w", what, name, err)
	}
	return i.Journal.Note(i.Catalog.host.Now(), func(a *journal.Attempt) { a.Images = append(a.Images, w.done) })
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
	running, err := openRunning(w.sets, w.kind)
	if err != nil {
		return err
	}
	defer running.Close()
	p, err := w.Catalog.plan(ctx, w.target, w.place, running, w.tellDelta)
	w.done.Fetched = p.index
	if err != nil {
		return err
	}
	w.now.Size, w.now.Reused = p.Fetch, p.Kept+p.Copied
	report, err := p.Assemble(ctx, w.place, running, p.blocks, w.tellDelta)
	w.done.Fetched += report.Fetched
	if err != nil {
		return err
	}
	w.done.Way, w.done.Reused, w.done.Written = api.ByDelta, w.now.Reused, report.Written
	w.done.Size, w.done.SHA256 = report.Size, hex.EncodeToString(report.SHA256[:])
	return nil
}

func openRunning(s slot.Sets, kind slot.Kind) (*image.Partition, error) {
	extent := s.Extents[s.Active][kind]
	p, err := image.OpenRead(extent.Path, extent.Offset, extent.Size)
	if err != nil {
		return nil, fmt.Errorf("look at the running slot: %w", err)
	}
	return p, nil
}

// planned is how an image is made out of what is here.
type planned struct {
	*delta.Plan
	blocks *tufrepo.Ranges
	index  int64 // bytes that finding out has taken, also if it failed
}

// plan finds out what of an image is in its place and in the running slot.
func (c *Catalog) plan(ctx context.Context, t tufrepo.Target, place, running *image.Partition, tell func(delta.Progress)) (p planned, err error) {
	x, size, err := c.index(ctx, t.Name)
	if err != nil {
		return p, err
	}
	p.index = size
	if x.Size > place.Size() {
		return p, fmt.Errorf("%w: it has %d bytes, the partition %d", image.ErrTooLarge, x.Size, place.Size())
	}
	if p.blocks, err = c.blocks(ctx, t.Name, x); err != nil {
		return p, err
	}
	if p.Plan, err = x.Plan(ctx, section(place), section(running), tell); err != nil {
		return p, err
	}
	if p.Fetch > t.Length {
		return p, fmt.Errorf("it would fetch %d bytes, more than the whole", p.Fetch)
	}
	return p, nil
}

func section(p *image.Partition) *io.SectionReader { return io.NewSectionReader(p, 0, p.Size()) }

// phases are what those of a delta are to people who wait.
var phases = map[delta.Phase]image.Phase{
	delta.Looking: image.Looking, delta.Assembling: image.Writing, delta.Proving: image.Verifying,
}

func (w *writing) tellDelta(p delta.Progress) {
	w.tell(image.Progress{Phase: phases[p.Phase], Read: p.Fetched, Done: p.Done, Changed: p.Written})
}

// Missing is how many bytes a host with these sets has to fetch for a release:
// less than its images have if some of them are here, which is looked for. It takes as long
// as reading both slots.
func (c *Catalog) Missing(ctx context.Context, u manifest.Update, s slot.Sets) (bytes int64, err error) {
	for kind, name := range map[slot.Kind]string{
		slot.RootPartition: u.Images.Root, slot.BootPartition: u.Images.Boot, slot.HashPartition: u.Images.Hash,
	} {
		n, err := c.missing(ctx, name, kind, s)
		if err != nil {
			return 0, err
		}
		bytes += n
	}
	return bytes, nil
}

// missing is Missing of one image. What cannot be made out of what is here is fetched whole.
func (c *Catalog) missing(ctx context.Context, name string, kind slot.Kind, s slot.Sets) (int64, error) {
	t, err := c.target(ctx, name)
	if err != nil {
		return 0, err
	}
	running, err := openRunning(s, kind)
	if err != nil {
		return 0, err
	}
	defer running.Close()
	extent := s.Extents[s.Active.Other()][kind]
	place, err := image.OpenRead(extent.Path, extent.Offset, extent.Size)
	if err != nil {
		return 0, err
	}
	defer place.Close()
	p, err := c.plan(ctx, t, place, running, nil)
	switch {
	case err == nil:
		return p.index + p.Fetch, nil
	case final(ctx, err):
		return 0, err
	}
	return p.index + t.Length, nil
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
