package apply

import (
	"context"
	"slices"
	"sync"

	"github.com/hostler-os/hostler/internal/api"
)

// find returns a change that is not over; nil if there is none with this id.
func (e *Engine) find(id uint64) *running {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.live[id]
}

func (e *Engine) adopt(r *running) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live[r.rec.Change.ID] = r
}

// owe keeps a change in memory until the store has its last state.
func (e *Engine) owe(r *running) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unsaved[r.rec.Change.ID] = r
}

// shown is a change as it was last published.
func (e *Engine) shown(r *running) *api.Change {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := r.present()
	return &c
}

// present is a copy of what is shown, Engine.mu being held. Tasks that move
// later are not seen to move in it.
func (r *running) present() api.Change {
	c := r.shown
	c.Tasks = slices.Clone(c.Tasks)
	return c
}

// settled shows that a change has come to rest: over, or waiting for its
// confirmation, from when on its record is no longer the caller's.
func (e *Engine) settled(r *running) {
	if r.ends != nil {
		e.publish(r.ends)
		e.forget(r.ends)
	}
	phase, left := r.rec.Phase, r.rec.remaining(e.cfg.Now())
	r.draft = nil // a try may wait for long, and its files are written
	e.publish(r)
	switch phase {
	case phaseOver:
		e.forget(r)
	case phaseTrying:
		e.startClock(r, left)
	}
}

// forget leaves a change that is over to the store, if that has it.
func (e *Engine) forget(r *running) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if id := r.shown.ID; e.unsaved[id] == nil {
		delete(e.live, id)
	}
}

// publish shows everyone how a change stands now.
func (e *Engine) publish(r *running) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.shown = r.rec.Change
	r.shown.Tasks = slices.Clone(r.rec.Change.Tasks)
	r.size = r.rec.size
	e.tell(r, nil)
}

// publishTask is publish for a change of which one task has moved and nothing
// else. A boot comes here some eighty times.
func (e *Engine) publishTask(r *running, task int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.shown.Tasks[task] = r.rec.Change.Tasks[task]
	e.tell(r, &task)
}

// tell wakes those who wait for what a change has come to, Engine.mu being
// held, and nobody who waits for more than that.
func (e *Engine) tell(r *running, task *int) {
	settled := r.shown.State.Settled()
	if settled {
		close(r.settled)
		r.settled = make(chan struct{})
	}
	for w := range e.watchers {
		if settled || !w.patient {
			w.push(api.Event{Change: r.present(), Task: task})
		}
	}
}

// Wait returns the change once it is applied: in a final state or trying; or
// its present state when ctx ends.
func (e *Engine) Wait(ctx context.Context, id uint64) (*api.Change, error) {
	r := e.find(id)
	if r == nil {
		return e.Change(id)
	}
	return e.await(ctx, r), nil
}

// Await is Wait without the change.
func (e *Engine) Await(ctx context.Context, id uint64) {
	if r := e.find(id); r != nil {
		e.await(ctx, r)
	}
}

func (e *Engine) await(ctx context.Context, r *running) *api.Change {
	for {
		e.mu.Lock()
		c, settled := r.present(), r.settled
		e.mu.Unlock()
		if c.State.Settled() {
			return &c
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return &c
		case <-e.background.Done():
			return &c
		}
	}
}

// Bounds of what a slow watcher has not heard of yet: changes, and bytes of
// their plans, which nobody else may hold any more.
const (
	maxEvents     = 1024
	maxEventBytes = 8 << 20
)

// watcher holds the events that a watcher has not taken yet: at most one a
// change, the latest, since each holds the whole change.
type watcher struct {
	patient bool // is told only of changes that have settled

	mu     sync.Mutex
	events []api.Event
	bytes  int
	wake   chan struct{} // holds a token when there is something new
	ended  bool
}

// Watch delivers the events of all changes until ctx ends or the engine is
// closed. A slow watcher loses intermediate events, never the last, and holds up nobody.
func (e *Engine) Watch(ctx context.Context) <-chan api.Event {
	return e.watch(ctx, &watcher{wake: make(chan struct{}, 1)})
}

// WatchSettled is Watch for the events of changes that have settled: that are
// over, or being tried.
func (e *Engine) WatchSettled(ctx context.Context) <-chan api.Event {
	return e.watch(ctx, &watcher{wake: make(chan struct{}, 1), patient: true})
}

func (e *Engine) watch(ctx context.Context, w *watcher) <-chan api.Event {
	out := make(chan api.Event)
	e.mu.Lock()
	w.ended = e.closed
	e.watchers[w] = struct{}{}
	e.mu.Unlock()
	go func() {
		defer close(out)
		defer e.unwatch(w)
		w.deliver(ctx, out)
	}()
	return out
}

func (e *Engine) unwatch(w *watcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.watchers, w)
}

func (e *Engine) closeWatchers() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for w := range e.watchers {
		w.end()
	}
}

func (w *watcher) push(event api.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	same := func(other api.Event) bool { return other.Change.ID == event.Change.ID }
	if i := slices.IndexFunc(w.events, same); i >= 0 {
		w.bytes -= weight(w.events[i])
		w.events[i] = event
	} else {
		w.events = append(w.events, event)
	}
	w.bytes += weight(event)
	for len(w.events) > maxEvents || w.bytes > maxEventBytes && len(w.events) > 1 {
		w.take()
	}
	w.signal()
}

func (w *watcher) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.signal()
}

func (w *watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// next takes the oldest event.
func (w *watcher) next() (event api.Event, ok, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) == 0 {
		return api.Event{}, false, w.ended
	}
	return w.take(), true, false
}

// take removes the oldest event.
func (w *watcher) take() api.Event {
	event := w.events[0]
	w.events = slices.Delete(w.events, 0, 1)
	w.bytes -= weight(event)
	return event
}

// weight is about how many bytes an event keeps in memory.
func weight(event api.Event) int {
	total := 1 << 10
	for _, f := range event.Change.Plan.Files {
		total += len(f.Diff)
	}
	for _, edit := range event.Change.Plan.Edits {
		total += len(edit.Key) + len(edit.Before) + len(edit.After)
	}
	return total
}

func (w *watcher) deliver(ctx context.Context, out chan<- api.Event) {
	for {
		event, ok, ended := w.next()
		if ended {
			return
		}
		if ok {
			select {
			case out <- event:
			case <-ctx.Done():
				return
			}
			continue
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
	}
}
