package tufrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Ranges reads parts of one target's file. A part cannot be proved by the hash
// of the whole: what it reads is not proved, and is for callers who have another
// proof of each, which also tells parts of two files from each other.
type Ranges struct {
	repo   *Repository
	target Target
}

// Ranges looks a target up, to read parts of it.
func (r *Repository) Ranges(ctx context.Context, name string) (*Ranges, error) {
	t, err := r.Target(ctx, name)
	if err != nil {
		return nil, err
	}
	return &Ranges{repo: r, target: t}, nil
}

// ReadRange fills data with the file's bytes from offset on. What breaks off is
// asked for again from where it broke off, as with whole targets. The error is
// ErrRange if the server sends no parts. Several calls may be made at a time.
func (r *Ranges) ReadRange(ctx context.Context, data []byte, offset int64) error {
	end := offset + int64(len(data))
	if len(data) == 0 || offset < 0 || end < offset || end > r.target.Length {
		return fmt.Errorf("read %d bytes from %d on of target %s: it has %d", len(data), offset, printable(r.target.Name), r.target.Length)
	}
	body, err := r.repo.openBody(ctx, r.target, Fetch{Offset: offset, End: end})
	if err != nil {
		return err
	}
	_, err = io.ReadFull(body, data)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = wrongLength("target "+printable(r.target.Name), offset, r.target.Length)
	}
	return errors.Join(err, body.Close())
}
