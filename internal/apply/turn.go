package apply

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/hostler-os/hostler/internal/api"
)

// maxWaiting is how many changes may wait for their turn.
const maxWaiting = 64

// turn is held by the one change that is being applied. Waiters get it in the
// order in which they came.
type turn struct {
	token   chan struct{}
	waiting *atomic.Int32
}

func newTurn() turn {
	t := turn{make(chan struct{}, 1), new(atomic.Int32)}
	t.give()
	return t
}

func (t turn) give() { t.token <- struct{}{} }

// tryTake takes the turn if nobody has it.
func (t turn) tryTake() bool {
	select {
	case <-t.token:
		return true
	default:
		return false
	}
}

// take waits for the turn until ctx ends or stop is closed.
func (t turn) take(ctx context.Context, stop <-chan struct{}) error {
	leave, err := t.queue()
	if err != nil {
		return err
	}
	defer leave()
	select {
	case <-t.token:
		return nil
	case <-ctx.Done():
		return &api.Error{Code: api.CodeUnavailable, Message: "another change is still being applied", Hint: "see it with: apiclient changes"}
	case <-stop:
		return errStopping()
	}
}

// queue counts a waiter in, if there is room for it.
func (t turn) queue() (leave func(), err error) {
	if n := t.waiting.Add(1); n > maxWaiting {
		t.waiting.Add(-1)
		return nil, &api.Error{Code: api.CodeUnavailable, Message: fmt.Sprintf("%d changes are waiting already", maxWaiting), Hint: "try again later"}
	}
	return func() { t.waiting.Add(-1) }, nil
}
