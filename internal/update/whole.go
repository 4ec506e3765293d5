package update

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/update/image"
)

// mark is how far an image has come that is fetched whole. It is kept beside the
// journal, and is what the next attempt goes on from: nothing else is, the
// compressed image is nowhere on the disk. What the partition holds up to the mark is compared with the
// mark's hash then, and the image's own hash goes on from where it was.
type mark struct {
	Slot   string     `json:"slot"`
	Target string     `json:"target"`
	At     image.Mark `json:"at"` // its note is the state of the stream
}

// maxMarkSize is far above what a mark has.
const maxMarkSize = 64 << 10

// whole streams the whole image into its partition, or what an interrupted
// attempt has left of it to stream.
func (w *writing) whole(ctx context.Context) error {
	from := w.marked()
	err := w.stream(ctx, from)
	if from != nil && err != nil && !final(ctx, err) {
		w.Catalog.host.Log.Warn("fetching the image from its beginning: an interrupted attempt cannot be gone on with", "target", w.target.Name, "why", err)
		err = w.stream(ctx, nil)
	}
	if err != nil && final(ctx, err) {
		return err
	}
	// Of what is proved wrong nothing is kept; what is done needs no mark.
	path := w.Catalog.host.Root.UpdateMark()
	return errors.Join(err, durable.MakeWay(durable.OS{}, path), durable.Remove(durable.OS{}, path))
}

// marked is the mark that an attempt left of this image in this slot; nil if there is none.
func (w *writing) marked() *image.Mark {
	text, err := durable.ReadFile(w.Catalog.host.Root.UpdateMark(), maxMarkSize)
	var m mark
	if err != nil || json.Unmarshal(text, &m) != nil || m.Slot != w.slot() || m.Target != w.target.Name {
		return nil
	}
	return &m.At
}

func (w *writing) slot() string { return w.sets.Active.Other().String() }

// keep keeps a mark. Without one an interruption costs more, and nothing else.
func (w *writing) keep(at image.Mark) error {
	text, err := json.Marshal(mark{w.slot(), w.target.Name, at})
	if err == nil {
		attributes := durable.Attributes{Mode: 0o600, UID: durable.Keep, GID: durable.Keep}
		err = durable.Reclaim(durable.OS{}, w.Catalog.host.Root.UpdateMark(), text, attributes)
	}
	if err != nil {
		w.Catalog.host.Log.Warn("how far the image has come cannot be kept", "err", err)
	}
	return nil
}

// stream streams the image, from a mark on if there is one.
func (w *writing) stream(ctx context.Context, from *image.Mark) error {
	body, err := w.open(ctx, from)
	if err != nil {
		return err
	}
	defer body.Close()
	done := api.UpdateWritten{Image: w.done.Image, Way: api.ByWhole, Whole: w.target.Length, Fetched: w.target.Length, NoDelta: w.done.NoDelta}
	if from != nil {
		done.Fetched, done.Reused = w.target.Length-from.Read, from.Done
	}
	w.now.Size, w.now.Reused = done.Fetched, done.Reused
	report, err := image.Write(ctx, w.place, body, image.Options{
		Progress: func(now image.Progress) {
			now.Read -= done.Whole - done.Fetched
			w.tell(now)
		},
		Keep: w.keep, KeepEvery: w.Catalog.host.keepEvery, Note: body.State, From: from,
	})
	if err != nil {
		return err
	}
	done.Fetched += w.done.Fetched // in vain, by ranges
	done.Written = report.Changed
	done.Size, done.SHA256 = report.Size, hex.EncodeToString(report.SHA256)
	w.done = done
	return nil
}

func (w *writing) open(ctx context.Context, from *image.Mark) (*tufrepo.Stream, error) {
	if from == nil {
		return w.Catalog.repo.Open(ctx, w.target.Name)
	}
	if from.Read > w.target.Length {
		return nil, fmt.Errorf("%w: it is behind the image's end", image.ErrStale)
	}
	return w.Catalog.repo.Resume(ctx, w.target.Name, from.Note)
}
