package apply

import (
	"cmp"
	"errors"
	"slices"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
)

// reversal is what takes a change's settings back.
type reversal struct {
	edits datastore.Edits
	heirs []heir
}

// heir is a later change that set a key again. Its record says that the key had
// the value of the change that is taken back before; if it is taken back too,
// the key shall get the value from before both.
type heir struct {
	change uint64
	value  formerValue // of the change that is taken back
}

// inverse are the edits that revert a change's own, but for keys that were
// changed again since: those stay, unless what changed them was taken back.
func (e *Engine) inverse(rec *record, now *datastore.Snapshot) (reversal, error) {
	inv := reversal{edits: datastore.Edits{Layer: rec.Layer}}
	next, err := e.changedSince(rec)
	if err != nil {
		return inv, err
	}
	for _, v := range rec.Settings {
		value, _ := now.ValueIn(rec.Layer, v.Key)
		switch later := next[v.Key]; {
		case later != 0:
			inv.heirs = append(inv.heirs, heir{later, v})
		case string(value) != string(v.After), string(v.Before) == string(v.After):
		case v.Before == nil:
			inv.edits.Unset = append(inv.edits.Unset, v.Key)
		default:
			inv.edits.Set = append(inv.edits.Set, key.Pair{Key: v.Key, Value: v.Before})
		}
	}
	return inv, nil
}

// changedSince finds the keys of a change that others have set since, and for
// each the first that did. Changes that were taken back do not count, and
// neither does what took them back.
func (e *Engine) changedSince(rec *record) (map[key.Key]uint64, error) {
	mine := make(map[key.Key]bool, len(rec.Settings))
	for _, v := range rec.Settings {
		mine[v.Key] = true
	}
	next, reverted := map[key.Key]uint64{}, map[uint64]bool{}
	err := e.since(rec, func(entry api.HistoryEntry) error {
		edits := slices.DeleteFunc(entry.Edits, func(edit api.Edit) bool {
			return edit.Layer != rec.Layer || !mine[key.Key(edit.Key)]
		})
		if len(edits) == 0 {
			return nil
		}
		stands, err := e.stands(entry.Change, rec.Change.ID, reverted)
		if err != nil || !stands {
			return err
		}
		for _, edit := range edits {
			next[key.Key(edit.Key)] = entry.Change
		}
		return nil
	})
	return next, err
}

// sinceChunk is how many commits are looked at a time.
const sinceChunk = 16

// since calls fn for the commits after a change's own, the newest first. The
// commits of earlier changes among them only took those back.
func (e *Engine) since(rec *record, fn func(api.HistoryEntry) error) error {
	if len(rec.Settings) == 0 {
		return nil
	}
	for before := uint64(0); ; {
		entries, err := e.cfg.Store.History("", before, sinceChunk)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, entry := range entries {
			if entry.Change == rec.Change.ID {
				return nil
			}
			if entry.Change < rec.Change.ID {
				continue
			}
			if err := fn(entry); err != nil {
				return err
			}
		}
		before = entries[len(entries)-1].ID
	}
}

// stands tells whether what a later change did to the settings still holds, as
// far as the change looked at from is concerned. Of changes that undo others it
// notes which; they are met before these, as the newest come first.
func (e *Engine) stands(id, from uint64, reverted map[uint64]bool) (bool, error) {
	if reverted[id] {
		return false, nil
	}
	rec, err := e.latest(id)
	switch {
	case errors.Is(err, datastore.ErrNoChange): // forgotten, but the history knows it
		return true, nil
	case err != nil:
		return false, err
	case rec.Phase == phaseBack, rec.Change.State == api.StateUndone:
		return false, nil
	case rec.Change.Undoes > from:
		reverted[rec.Change.Undoes] = true
		return false, nil
	}
	return true, nil
}

// inherit has later changes remember the values from before the change that is
// being taken back.
func (e *Engine) inherit(tx *datastore.Tx, heirs []heir) (remember func(), err error) {
	byChange := map[uint64][]formerValue{}
	for _, h := range heirs {
		byChange[h.change] = append(byChange[h.change], h.value)
	}
	var done []func()
	for id, values := range byChange {
		rec, err := e.latest(id)
		if errors.Is(err, datastore.ErrNoChange) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !rec.inherit(values) {
			continue
		}
		if err := rec.put(tx); err != nil {
			return nil, err
		}
		if run := e.find(id); run != nil {
			done = append(done, func() { run.rec.Settings = rec.Settings })
		}
	}
	return func() {
		for _, f := range done {
			f()
		}
	}, nil
}

// markUndone notes in a change's record, if there is still one, which change
// took it back; 0 is none, since that failed. An id of 0 is no change.
func (e *Engine) markUndone(tx *datastore.Tx, id, by uint64) error {
	if id == 0 {
		return nil
	}
	rec, err := e.latest(id)
	switch {
	case errors.Is(err, datastore.ErrNoChange):
		return nil
	case err != nil:
		return err
	}
	rec.Change.UndoneBy = by
	return rec.put(tx)
}

// latest is a copy of a change's record, which is newer in memory than in the
// store if the change is not over.
func (e *Engine) latest(id uint64) (*record, error) {
	if run := e.find(id); run != nil {
		rec := run.rec
		return &rec, nil
	}
	data, err := e.cfg.Store.Change(id)
	if err != nil {
		return nil, err
	}
	return parseRecord(data)
}

// inherit takes over what was before another change's values; false if the
// record does not begin with any of these.
func (r *record) inherit(values []formerValue) bool {
	settings, found := slices.Clone(r.Settings), false
	for _, v := range values {
		i, ok := slices.BinarySearchFunc(settings, v.Key, func(f formerValue, k key.Key) int { return cmp.Compare(f.Key, k) })
		if ok && string(settings[i].Before) == string(v.After) {
			settings[i].Before, found = v.Before, true
		}
	}
	r.Settings = settings
	return found
}
