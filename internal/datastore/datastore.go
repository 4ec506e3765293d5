// Package datastore keeps settings in layers in one bbolt file.
package datastore

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

var errStub = errors.New("stub")

// Options for Open.
type Options struct {
	Defaults []key.Pair         // the image's default settings: the lowest layer
	Secret   func(key.Key) bool // masks values in the history; nil: none is secret
	BootID   string             // pending transactions of another boot are dropped
	Log      *slog.Logger
	Now      func() time.Time
}

// Store is the open datastore.
type Store struct{}

// Open opens or creates the datastore file at path.
func Open(path string, opts Options) (*Store, error) { return nil, errStub }

// Close waits for the update in hand.
func (s *Store) Close() error { return errStub }

// Snapshot is the committed state; it never blocks.
func (s *Store) Snapshot() *Snapshot { return nil }

// Edits are settings to set and to unset in one layer.
type Edits struct {
	Layer api.Layer
	Set   []key.Pair
	Unset []key.Key // exact keys; one that is not set is no error
}

// Keys returns all keys of e, sorted and without duplicates.
func (e Edits) Keys() []key.Key { return nil }

// Author is who makes an update and why.
type Author struct {
	Caller      api.Caller
	Transaction string
	Change      uint64
	Reason      string
}

// Update runs fn in one durable transaction. When it returns nil, everything that fn
// did survives power loss and is visible in Snapshot; when it returns an error, nothing is.
func (s *Store) Update(ctx context.Context, by Author, fn func(*Tx) error) error { return errStub }

// Tx is an update in the making.
type Tx struct{}

// Edit changes settings; it appends to the history.
func (tx *Tx) Edit(e Edits) error { return errStub }

// SetPending adds to a pending transaction.
func (tx *Tx) SetPending(name string, pairs []key.Pair) error { return errStub }

// DropPending removes a pending transaction and returns what it held.
func (tx *Tx) DropPending(name string) ([]key.Pair, error) { return nil, errStub }

// NextChange returns a new change id, ascending from 1.
func (tx *Tx) NextChange() (uint64, error) { return 0, errStub }

// PutChange stores a change's record (opaque bytes); open ones are found again by OpenChanges.
func (tx *Tx) PutChange(id uint64, open bool, record []byte) error { return errStub }

// PutFile records what was last written at path (opaque bytes: digest, mode, …).
func (tx *Tx) PutFile(path string, record []byte) error { return errStub }

// Pending returns the sorted pairs of a pending transaction; none if it does not exist.
func (s *Store) Pending(name string) ([]key.Pair, error) { return nil, errStub }

// PendingNames returns the names of the pending transactions, sorted.
func (s *Store) PendingNames() ([]string, error) { return nil, errStub }

// History returns up to limit commits, newest first, of keys within k ("" for all), older than before (0: newest).
func (s *Store) History(k key.Key, before uint64, limit int) ([]api.HistoryEntry, error) {
	return nil, errStub
}

// Change returns the record of a change, or ErrNoChange.
func (s *Store) Change(id uint64) ([]byte, error) { return nil, errStub }

// Changes returns up to limit records, newest first, with ids below before (0: from the newest).
func (s *Store) Changes(before uint64, limit int) ([][]byte, error) { return nil, errStub }

// OpenChanges returns the records that were stored as open, oldest first.
func (s *Store) OpenChanges() ([][]byte, error) { return nil, errStub }

// File returns the record of a written file; nil if there is none.
func (s *Store) File(path string) ([]byte, error) { return nil, errStub }

// Entry is one effective setting.
type Entry struct {
	Key   key.Key
	Value json.RawMessage
	Layer api.Layer
}

// Snapshot is an immutable state of all settings. All keys begin with "settings.".
type Snapshot struct{}

// Get returns the effective value of an exact key.
func (s *Snapshot) Get(k key.Key) (Entry, bool) { return Entry{}, false }

// Ascend calls fn for each effective setting whose key's text begins with prefix, in key order, until fn returns false.
func (s *Snapshot) Ascend(prefix string, fn func(Entry) bool) {}

// Len is the number of effective settings.
func (s *Snapshot) Len() int { return 0 }

// JSON is the whole nested settings document without the outer "settings" member; computed once, not to be modified.
func (s *Snapshot) JSON() []byte { return nil }

// Tree is the same decoded: map[string]any, []any, string, bool, json.Number; computed once, not to be modified.
func (s *Snapshot) Tree() map[string]any { return nil }

// Origin tells where the effective value of k came from.
func (s *Snapshot) Origin(k key.Key) (api.Origin, bool) { return api.Origin{}, false }

// InLayer returns the keys within k that have a value of their own in a layer.
func (s *Snapshot) InLayer(layer api.Layer, k key.Key) []key.Key { return nil }

// ValueIn returns the value of k in one layer.
func (s *Snapshot) ValueIn(layer api.Layer, k key.Key) (json.RawMessage, bool) { return nil, false }

// With returns what the state would be after e, without storing anything. Cheap: its cost follows e.
func (s *Snapshot) With(e Edits) *Snapshot { return nil }

// Nest builds the nested JSON document of sorted pairs, dropping the first strip segments of each key.
func Nest(pairs []key.Pair, strip int) json.RawMessage { return nil }
