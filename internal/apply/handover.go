package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
)

// HandOver ends every change that is not over, for whoever hands the settings
// over to another version of the image, and returns the ids of the tries among
// them, the newest first. There keys and values may have another form, so that
// no change could go on, nor be taken back any more:
//
//	a try             is taken back, since nobody has confirmed it
//	being applied     keeps its settings, of which its caller may have been told
//	being taken back  has lost its settings already
//
// Nothing is applied: the boot renders every file and starts every service. No
// engine may have the store open.
func HandOver(ctx context.Context, s *datastore.Store, by api.Caller, why string, now time.Time) (tries []uint64, err error) {
	e := &Engine{cfg: Config{Store: s}}
	records, err := s.OpenChanges()
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	for _, data := range slices.Backward(records) {
		rec, err := parseRecord(data)
		if err != nil {
			return tries, err
		}
		if err := e.end(ctx, rec, by, why, now); err != nil {
			return tries, fmt.Errorf("end change %d: %w", rec.Change.ID, err)
		}
		if rec.Try.Length > 0 {
			tries = append(tries, rec.Change.ID)
		}
	}
	return tries, nil
}

// end ends a change in one commit.
func (e *Engine) end(ctx context.Context, rec *record, by api.Caller, why string, now time.Time) error {
	state, reason, back := rec.handedOver()
	author := datastore.Author{Caller: by, Change: rec.Change.ID, Reason: fmt.Sprintf("change %d %s when %s", rec.Change.ID, reason, why)}
	var inverse reversal
	if back {
		var err error
		if inverse, err = e.inverse(rec, e.cfg.Store.Snapshot()); err != nil {
			return err
		}
	}
	rec.over(state, now)
	rec.Change.Reason = author.Reason
	return e.cfg.Store.Update(ctx, author, func(tx *datastore.Tx) error {
		if !empty(inverse.edits) {
			if err := tx.Edit(inverse.edits); err != nil {
				return err
			}
		}
		if _, err := e.inherit(tx, inverse.heirs); err != nil {
			return err
		}
		return rec.put(tx)
	})
}

// handedOver is how a change ends that another version cannot go on with, why,
// and whether its settings must be taken back for that. What was shown as its
// end stays that.
func (r *record) handedOver() (state api.State, reason string, back bool) {
	switch {
	case r.Phase == phaseBack:
		return api.StateUndone, "was being taken back", false
	case r.Try.Length > 0:
		return api.StateUndone, "was not confirmed", true
	case r.Change.State.Final():
		return r.Change.State, "was to be taken back", false
	}
	return api.StateDone, "was being applied", false
}
