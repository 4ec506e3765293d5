package tufrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	s := &Stream{check: newCheck(t)}
	if s.body, err = r.openBody(ctx, t, Fetch{Known: s.check.known}); err != nil {
		return nil, err
	}
	s.check.where = s.body.Where
	return s, nil
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
	where  string // they come from; empty if unknown
}

func newCheck(t Target) *check { return &check{target: t, hashes: t.digests().hashers()} }

func (c *check) what() string {
	what := "target " + printable(c.target.Name)
	if c.where != "" {
		what += " from " + c.where
	}
	return what
}

// known reads the first n bytes of a body that begins again. If they are not
// those that were checked, what comes behind them belongs to another file.
func (c *check) known(body io.Reader, n int64) error {
	again := newCheck(c.target)
	if _, err := io.CopyN(again, body, n); err != nil || n != c.n {
		return err // of fewer than were checked nothing is known: somebody is just reading them again
	}
	for name, h := range c.hashes {
		if !bytes.Equal(h.Sum(nil), again.hashes[name].Sum(nil)) {
			return &Error{
				Kind: ErrHash, What: c.what(),
				Text: fmt.Sprintf("the file was replaced while it was fetched: its first %d bytes are others now, expected the same", n),
				Hint: "try again; if it stays so, several servers behind one address have different files: tell the publisher",
			}
		}
	}
	return nil
}

// Write takes the next bytes; it fails as soon as they are too many.
func (c *check) Write(data []byte) (int, error) {
	c.n += int64(len(data))
	if c.n > c.target.Length {
		return 0, wrongLength(c.what(), c.n, c.target.Length)
	}
	for _, h := range c.hashes {
		h.Write(data)
	}
	return len(data), nil
}

// done judges the whole.
func (c *check) done() error {
	if c.n != c.target.Length {
		return wrongLength(c.what(), c.n, c.target.Length)
	}
	return c.target.digests().compare(c.what(), c.hashes)
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
