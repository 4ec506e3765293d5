package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
)

// retryUndo is the pause after which a try's undo that could not even begin is
// begun again.
const retryUndo = 5 * time.Second

// suite is the caller of what nobody asked for.
func suite() api.Caller { return api.Caller{Program: "apiserver"} }

// beginTrying makes an applied change one that waits for its confirmation.
func (e *Engine) beginTrying(rec *record) {
	now := e.cfg.Now().UTC()
	rec.Phase, rec.Files = phaseTrying, nil
	rec.Change.State = api.StateTrying
	rec.Try.Since = now
	rec.Change.Try = &api.Try{Until: now.Add(rec.Try.Length)}
}

// remaining is how much of a try's time is left. A clock that has gone back
// behind the try's begin cannot tell, so all of it is.
func (r *record) remaining(now time.Time) time.Duration {
	if r.Phase != phaseTrying || now.Before(r.Try.Since) {
		return r.Try.Length
	}
	return max(0, r.Change.Try.Until.Sub(now))
}

// startClock undoes a change after the time that is left.
func (e *Engine) startClock(r *running, left time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		r.clock = time.AfterFunc(left, func() { e.expire(r) })
	}
}

// stopClock is called with Engine.mu held.
func (r *running) stopClock() {
	if r.clock != nil {
		r.clock.Stop()
	}
}

// endClock makes it impossible to confirm a change.
func (e *Engine) endClock(r *running) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.expired = true
	r.stopClock()
}

// expire undoes a change whose time is up, however long that takes.
func (e *Engine) expire(r *running) {
	leave, err := e.enter()
	if err != nil {
		return // the next start sees to it
	}
	defer leave()
	if !e.trying(r) {
		return
	}
	e.endClock(r)
	for !e.endTry(r) {
		select {
		case <-time.After(retryUndo):
		case <-e.closing:
			return
		}
	}
}

// endTry begins to undo a change that was not confirmed; false: it could not.
func (e *Engine) endTry(r *running) bool {
	if err := e.turn.take(e.background, e.closing); err != nil {
		return false
	}
	if !e.trying(r) { // somebody undid it meanwhile
		e.turn.give()
		return true
	}
	id := e.shown(r).ID
	_, err := e.submit(e.background, e.endOf(r, suite(), fmt.Sprintf("change %d was not confirmed in time", id)))
	if err != nil {
		e.cfg.Log.Error("undo a change that was not confirmed", "change", id, "err", err)
	}
	return err == nil
}

// endOf is the request that ends a try by taking its change back. It keeps its
// own settings, which are the ones from before, even if applying them fails.
func (e *Engine) endOf(r *running, by api.Caller, reason string) Request {
	e.committing.Lock()
	defer e.committing.Unlock()
	rec := r.rec
	return Request{Caller: by, Keep: true, Reason: reason, undoes: &rec, expiring: r}
}

// trying tells whether a change still waits for its confirmation.
func (e *Engine) trying(r *running) bool {
	return e.shown(r).State == api.StateTrying
}

// Confirm keeps a change that is being tried. One that is confirmed already is
// no error; one whose time is up is.
func (e *Engine) Confirm(ctx context.Context, id uint64, by api.Caller) (*api.Change, error) {
	leave, err := e.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	e.committing.Lock()
	defer e.committing.Unlock()
	r := e.find(id)
	if r == nil || !e.trying(r) || e.isExpired(r) {
		return e.notTrying(id, r)
	}
	rec := r.rec
	rec.over(api.StateDone, e.cfg.Now())
	rec.Change.Try = &api.Try{Until: rec.Change.Try.Until, Confirmed: true}
	if err := e.update(ctx, datastore.Author{Caller: by, Change: id}, rec.put); err != nil {
		return nil, err
	}
	r.rec = rec
	e.endClock(r)
	e.publish(r)
	e.forget(r)
	return e.shown(r), nil
}

func (e *Engine) isExpired(r *running) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return r.expired
}

// notTrying says why a change cannot be confirmed.
func (e *Engine) notTrying(id uint64, r *running) (*api.Change, error) {
	if r != nil && e.isExpired(r) {
		return nil, conflict("make the change again", "the time to confirm change %d is over; it is being undone", id)
	}
	c, err := e.Change(id)
	switch {
	case err != nil:
		return nil, err
	case c.Try != nil && c.Try.Confirmed:
		return c, nil
	case c.Try != nil && c.State == api.StateUndone:
		return nil, conflict("make the change again", "change %d was not confirmed in time and has been undone", id)
	case !c.State.Final():
		return nil, conflict("wait until it is applied", "change %d is still being applied", id)
	}
	return nil, conflict("only a change made with --try needs it", "change %d does not wait for a confirmation", id)
}

// Undo reverts a change by a new one; settings that later changes set again stay, unless those were taken back too.
func (e *Engine) Undo(ctx context.Context, id uint64, by api.Caller) (*api.Change, error) {
	leave, err := e.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := e.turn.take(ctx, e.closing); err != nil {
		return nil, err
	}
	r, err := e.undoing(id, by)
	if err != nil {
		e.turn.give()
		return nil, err
	}
	return e.submit(ctx, r)
}

// undoing is the request that undoes a change.
func (e *Engine) undoing(id uint64, by api.Caller) (Request, error) {
	reason := fmt.Sprintf("undo of change %d", id)
	if r := e.find(id); r != nil && e.trying(r) {
		return e.endOf(r, by, reason), nil
	}
	c, err := e.Change(id)
	switch {
	case err != nil:
		return Request{}, err
	case c.State == api.StateUndone:
		return Request{}, conflict("", "change %d has been undone already", id)
	case !c.State.Final():
		return Request{}, conflict("wait until it is applied", "change %d is still being applied", id)
	}
	rec, err := e.load(id)
	if err != nil {
		return Request{}, err
	}
	return Request{Caller: by, Reason: reason, undoes: rec}, nil
}
