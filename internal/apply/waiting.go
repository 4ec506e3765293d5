package apply

import (
	"github.com/hostler-os/hostler/internal/api"
)

// What is journalled of changes that wait, be it for their turn or for their
// confirmation, is kept however long that takes, in the store and in memory.
const (
	maxTries        = 32       // at a time
	maxWaitingBytes = 32 << 20 // from which on no more are taken, for each of the two
)

// checkWaiting refuses a change that would wait, when too much does already.
// What takes back a change is always taken: it makes room.
func (e *Engine) checkWaiting(r Request, rec record) error {
	state := rec.Change.State
	if r.undoes != nil || r.Try == 0 && state != api.StatePlanned {
		return nil
	}
	if r.Try > 0 {
		state = api.StateTrying
	}
	count, bytes := e.waiting(state)
	switch {
	case state == api.StateTrying && (count >= maxTries || bytes >= maxWaitingBytes):
		return conflict("confirm or undo some of them: apiclient changes lists them",
			"%d changes with records of %d bytes are being tried already; at most %d can be, or %d bytes", count, bytes, maxTries, maxWaitingBytes)
	case bytes >= maxWaitingBytes:
		return &api.Error{
			Code: api.CodeUnavailable, Message: "the changes that wait already are too large for one more", Hint: "try again later",
		}
	}
	return nil
}

// waiting counts the changes that are in a state, and the bytes of their records.
func (e *Engine) waiting(in api.State) (count, bytes int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.live {
		if r.shown.State == in {
			count++
			bytes += r.size
		}
	}
	return count, bytes
}
