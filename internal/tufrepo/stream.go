package tufrepo

import (
	"context"
	"errors"
	"hash"
	"io"
)

// Open streams a target. The bytes may be used as they come, but they are
// proved only when Read answers io.EOF: any other end means that none of them
// may be believed. The file is never held in memory.
func (r *Repository) Open(ctx context.Context, name string) (*Stream, error) {
	t, err := r.Target(ctx, name)
	if err != nil {
		return nil, err
	}
	body, err := r.openBody(ctx, t, Fetch{})
	if err != nil {
		return nil, err
	}
	return &Stream{body: body, check: newCheck(t)}, nil
}

// openBody opens a target's file under the first name that the source has.
func (r *Repository) openBody(ctx context.Context, t Target, from Fetch) (*Body, error) {
	resolved, err := resolve(t.Name)
	if err != nil {
		return nil, err
	}
	digest := ""
	if r.root.body.ConsistentSnapshot {
		if digest = t.digests().prefix(); digest == "" {
			return nil, t.digests().compare("target "+printable(t.Name), nil)
		}
	}
	from.Length = t.Length
	var first error
	for _, from.Name = range fileNames(resolved, digest) {
		body, err := r.source.Target(ctx, from)
		if err == nil {
			return body, nil
		}
		if first == nil {
			first = err
		}
		if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	return nil, first
}

// check counts and hashes a target's bytes.
type check struct {
	target Target
	hashes map[string]hash.Hash
	n      int64
}

func newCheck(t Target) *check { return &check{target: t, hashes: t.digests().hashers()} }

// Write takes the next bytes; it fails as soon as they are too many.
func (c *check) Write(data []byte) (int, error) {
	c.n += int64(len(data))
	if c.n > c.target.Length {
		return 0, wrongLength("target "+printable(c.target.Name), c.n, c.target.Length)
	}
	for _, h := range c.hashes {
		h.Write(data)
	}
	return len(data), nil
}

// done judges the whole.
func (c *check) done() error {
	what := "target " + printable(c.target.Name)
	if c.n != c.target.Length {
		return wrongLength(what, c.n, c.target.Length)
	}
	return c.target.digests().compare(what, c.hashes)
}

// Stream is the content of a target, proved by its end.
type Stream struct {
	body  *Body
	check *check
	err   error // how it ended
}

// Read implements io.Reader.
func (s *Stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.body.Read(p)
	if _, bad := s.check.Write(p[:n]); bad != nil {
		s.err = bad
		return 0, bad
	}
	if errors.Is(err, io.EOF) {
		if bad := s.check.done(); bad != nil {
			err = bad
		}
	}
	s.err = err
	return n, err
}

// Close implements io.Closer.
func (s *Stream) Close() error { return s.body.Close() }
