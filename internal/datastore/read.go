package datastore

import (
	"encoding/json"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

// Pending returns the sorted pairs of a pending transaction; none if it does not exist.
func (s *Store) Pending(name string) []key.Pair {
	t, ok := s.committed.Load().pending.Get(name)
	if !ok {
		return nil
	}
	return t.sorted()
}

// PendingWeak returns the sorted keys whose values a pending transaction will make weak.
func (s *Store) PendingWeak(name string) []key.Key {
	t, ok := s.committed.Load().pending.Get(name)
	if !ok {
		return nil
	}
	return t.weak()
}

// PendingNames returns the names of the pending transactions, sorted.
func (s *Store) PendingNames() []string { return s.committed.Load().pending.Keys() }

// maxList is about how many bytes of records one look returns; at least one record.
const maxList = 4 << 20

// History returns up to limit commits, newest first, that touched keys within k
// ("" for all), older than before (0: newest). Edits of other keys are left out.
// They may be fewer where commits are large; none are left when there are none.
func (s *Store) History(k key.Key, before uint64, limit int) ([]api.HistoryEntry, error) {
	var entries []api.HistoryEntry
	size := 0
	err := s.descend(tableHistory, before, func(_ uint64, payload []byte) (bool, error) {
		if len(entries) >= limit || size >= maxList {
			return false, nil
		}
		var e api.HistoryEntry
		if err := json.Unmarshal(payload, &e); err != nil {
			return false, err
		}
		e.Edits = slices.DeleteFunc(e.Edits, func(e api.Edit) bool { return !within(e.Key, k) })
		if len(e.Edits) > 0 {
			entries = append(entries, e)
			size += len(payload)
		}
		return true, nil
	})
	return entries, err
}

func within(text string, k key.Key) bool { return k == "" || key.Key(text).Within(k) }

// Change returns the record of a change, or ErrNoChange.
func (s *Store) Change(id uint64) ([]byte, error) {
	payload, err := s.get(tableChanges, id8(id))
	if err != nil {
		return nil, err
	}
	if len(payload) == 0 {
		return nil, fmt.Errorf("change %d: %w", id, ErrNoChange)
	}
	return payload[1:], nil
}

// Changes returns up to limit records, newest first, with ids below before (0:
// from the newest). As with History, they may be fewer where records are large.
func (s *Store) Changes(before uint64, limit int) ([][]byte, error) {
	var records [][]byte
	size := 0
	err := s.descend(tableChanges, before, func(_ uint64, payload []byte) (bool, error) {
		if len(records) >= limit || size >= maxList {
			return false, nil
		}
		if len(payload) == 0 {
			return false, errShort
		}
		records = append(records, payload[1:])
		size += len(payload)
		return true, nil
	})
	return records, err
}

// OpenChanges returns the records that were stored as open, oldest first.
func (s *Store) OpenChanges() ([][]byte, error) {
	var ids []uint64
	err := s.descend(tableOpen, 0, func(id uint64, _ []byte) (bool, error) {
		ids = append(ids, id)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	var records [][]byte
	for _, id := range slices.Backward(ids) {
		record, err := s.Change(id)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

// File returns the record of a written file; nil if there is none.
func (s *Store) File(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	return s.get(tableFiles, []byte(path))
}

// get returns the payload of one record, in memory of its own; nil if there is none.
func (s *Store) get(t table, k []byte) (payload []byte, err error) {
	err = s.read(t, func(b *bbolt.Bucket) error {
		record := b.Get(k)
		if record == nil {
			return nil
		}
		p, err := unseal(t, k, record)
		payload = append([]byte{}, p...)
		return err
	})
	return payload, err
}

// descend calls fn for the records of a numbered table with ids below before
// (0: all), newest first, until fn returns false. It reads a bit at a time, so
// that neither a long look nor a slow fn holds up the next commit.
func (s *Store) descend(t table, before uint64, fn func(id uint64, payload []byte) (bool, error)) error {
	for {
		records, err := s.chunk(t, before)
		if err != nil || len(records) == 0 {
			return err
		}
		for _, r := range records {
			if more, err := fn(r.id, r.payload); err != nil || !more {
				return err
			}
		}
		before = records[len(records)-1].id
	}
}

type numbered struct {
	id      uint64
	payload []byte
}

// chunkBytes is about how much is read at a time.
const chunkBytes = 64 << 10

func (s *Store) chunk(t table, before uint64) ([]numbered, error) {
	var records []numbered
	err := s.read(t, func(b *bbolt.Bucket) error {
		c := b.Cursor()
		k, v := lastBelow(c, before)
		for size := 0; k != nil && size < chunkBytes; k, v = c.Prev() {
			id, err := parseID(k)
			if err != nil {
				return err
			}
			payload, err := unseal(t, k, v)
			if err != nil {
				return err
			}
			records = append(records, numbered{id, slices.Clone(payload)})
			size += len(v)
		}
		return nil
	})
	return records, err
}

func lastBelow(c *bbolt.Cursor, before uint64) (k, v []byte) {
	if before == 0 {
		return c.Last()
	}
	if k, _ := c.Seek(id8(before)); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// read looks into a table as of the last commit. One reader at a time: a
// transaction of bbolt is not for several goroutines, and a look is short.
func (s *Store) read(t table, fn func(*bbolt.Bucket) error) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.view == nil {
		return ErrClosed
	}
	if err := guarded(func() error { return fn(s.view.Bucket([]byte(t.String()))) }); err != nil {
		return fmt.Errorf("read %s of datastore: %w", t, err)
	}
	return nil
}
