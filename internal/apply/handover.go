package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
)

// EndTries takes back every change that waits for its confirmation, or would once
// it is applied, the newest first, and returns their ids. It is for whoever hands the settings over to
// another version of the image: there keys and values may have another form, so
// that what they were before could not be brought back any more. Nothing is
// applied; no engine may have the store open.
func EndTries(ctx context.Context, s *datastore.Store, by api.Caller, why string, now time.Time) (ended []uint64, err error) {
	e := &Engine{cfg: Config{Store: s}}
	records, err := s.OpenChanges()
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	for _, data := range slices.Backward(records) {
		rec, err := parseRecord(data)
		if err != nil {
			return ended, err
		}
		if rec.Try.Length == 0 || rec.Phase == phaseBack {
			continue
		}
		author := datastore.Author{Caller: by, Change: rec.Change.ID, Reason: fmt.Sprintf("change %d was not confirmed before %s", rec.Change.ID, why)}
		if err := e.takeBack(ctx, rec, author, now); err != nil {
			return ended, fmt.Errorf("take back change %d: %w", rec.Change.ID, err)
		}
		ended = append(ended, rec.Change.ID)
	}
	return ended, nil
}

// takeBack reverts a change's settings in one commit.
func (e *Engine) takeBack(ctx context.Context, rec *record, by datastore.Author, now time.Time) error {
	inverse, err := e.inverse(rec, e.cfg.Store.Snapshot())
	if err != nil {
		return err
	}
	rec.over(api.StateUndone, now)
	rec.Change.Reason = by.Reason
	return e.cfg.Store.Update(ctx, by, func(tx *datastore.Tx) error {
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
