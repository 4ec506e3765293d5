package server

import (
	"context"
	"sync"
)

// Of the answers that take tens of MiB, so many are worked out at the same time,
// and so many for one user: whoever asks for hundreds waits behind himself.
const (
	maxHeavy    = 4
	maxHeavyOwn = 2
)

// tokens are what such answers need.
type tokens struct {
	all chan struct{}

	mu  sync.Mutex
	own map[uint32]chan struct{} // by uid; there are few users with a role
}

func newTokens() *tokens {
	return &tokens{all: make(chan struct{}, maxHeavy), own: make(map[uint32]chan struct{})}
}

// take waits for a token of the user's, and then for one of all, until a context ends.
func (t *tokens) take(ctx, stopping context.Context, uid uint32) (give func(), err error) {
	own := t.of(uid)
	if err := put(ctx, stopping, own); err != nil {
		return nil, err
	}
	if err := put(ctx, stopping, t.all); err != nil {
		<-own
		return nil, err
	}
	return func() { <-t.all; <-own }, nil
}

func (t *tokens) of(uid uint32) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.own[uid] == nil {
		t.own[uid] = make(chan struct{}, maxHeavyOwn)
	}
	return t.own[uid]
}

func put(ctx, stopping context.Context, held chan<- struct{}) error {
	select {
	case held <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-stopping.Done():
		return stopping.Err()
	}
}
