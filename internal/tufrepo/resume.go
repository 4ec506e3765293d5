package tufrepo

import (
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
)

// ErrState is returned for a state that is not one of the target's.
var ErrState = errors.New("a state of another target, or of none")

// state is what [Stream.State] gives: what was read so far, as the hashes know it.
type state struct {
	Length    int64             `json:"length"` // of the target
	Hashes    map[string]string `json:"hashes"` // of the target
	Read      int64             `json:"read"`
	Sums      map[string][]byte `json:"sums"` // hashes in the midst, by algorithm
	Validator string            `json:"validator,omitempty"`
}

// State is what [Repository.Resume] needs to go on behind the last byte that was
// read, in another process too. Whoever can change it can change what is proved:
// it is to be kept where only those may write who may write the content itself.
func (s *Stream) State() ([]byte, error) {
	now := state{Length: s.check.target.Length, Hashes: s.check.target.Hashes, Read: s.check.n, Sums: map[string][]byte{}, Validator: s.body.Validator}
	for name, h := range s.check.hashes {
		sum, err := h.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return nil, err
		}
		now.Sums[name] = sum
	}
	return json.Marshal(now)
}

// Resume goes on with a stream of which text is a state. At its end the whole
// target is proved, as with [Repository.Open]. The error is ErrState if the target is not the same any more.
func (r *Repository) Resume(ctx context.Context, name string, text []byte) (*Stream, error) {
	t, err := r.Target(ctx, name)
	if err != nil {
		return nil, err
	}
	s := &Stream{check: newCheck(t)}
	var from state
	if err := json.Unmarshal(text, &from); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	if err := s.check.restore(from); err != nil {
		return nil, err
	}
	s.body, err = r.openBody(ctx, t, Fetch{Offset: from.Read, Validator: from.Validator, Known: s.check.known})
	if err != nil {
		return nil, err
	}
	s.check.where = s.body.Where
	if s.body.Offset == from.Read {
		return s, nil
	}
	// A source that begins again sends what was read and hashed before.
	if err := s.check.known(s.body, from.Read); err != nil {
		return nil, errors.Join(fmt.Errorf("pass over what is known of target %s: %w", printable(name), err), s.body.Close())
	}
	return s, nil
}

// restore makes the check know what was read before.
func (c *check) restore(from state) error {
	if from.Length != c.target.Length || !maps.Equal(from.Hashes, c.target.Hashes) || from.Read < 0 || from.Read > from.Length {
		return ErrState
	}
	for name, h := range c.hashes {
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(from.Sums[name]); err != nil {
			return fmt.Errorf("%w: %w", ErrState, err)
		}
	}
	c.n = from.Read
	return nil
}
