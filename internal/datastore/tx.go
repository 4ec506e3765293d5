package datastore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/btree"
	"go.etcd.io/bbolt"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

// Edits are settings to set and to unset in one layer.
type Edits struct {
	Layer api.Layer
	Set   []key.Pair
	Unset []key.Key // exact keys; one that is not set is no error
	Weak  []key.Key // those of Set whose values end with this boot
}

// Keys returns all keys of e, sorted and without duplicates.
func (e Edits) Keys() []key.Key {
	keys := slices.Clone(e.Unset)
	for _, p := range e.Set {
		keys = append(keys, p.Key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Tx is an update in the making. It is good until the function given to
// Update returns.
type Tx struct {
	store *Store
	bolt  *bbolt.Tx
	by    Author
	base  *state
	next  state
	dirty bool // something is to be committed

	origins map[kind]*api.Origin
	touched map[place]bool // whether the value is weak
}

// place is one value's place in the layers.
type place struct {
	key   key.Key
	layer api.Layer
}

// kind is what all values have in common that an update sets alike.
type kind struct {
	layer api.Layer
	weak  bool
}

func newTx(s *Store, btx *bbolt.Tx, by Author) *Tx {
	tx := &Tx{
		store: s, bolt: btx, by: by, base: s.committed.Load(),
		origins: map[kind]*api.Origin{}, touched: map[place]bool{},
	}
	tx.next = *tx.base
	tx.next.snap = tx.base.snap.clone()
	return tx
}

// state is the state after the update: a copy, since a pointer into tx would
// keep the state before it in memory, and so all states that ever were.
func (tx *Tx) state() *state {
	next := tx.next
	return &next
}

// Snapshot is the state with all edits that this update has made so far.
func (tx *Tx) Snapshot() *Snapshot { return tx.next.snap.clone() }

// Edit changes settings; it appends to the history. The same key may be edited
// more than once in an update: the last edit counts. In one call, what is both
// set and unset is set.
func (tx *Tx) Edit(e Edits) error {
	if rank(e.Layer) == 0 {
		return invalid("layer %q cannot be changed", e.Layer)
	}
	set := make([]key.Pair, len(e.Set))
	for i, p := range e.Set {
		value, err := checkPair(p)
		if err != nil {
			return err
		}
		set[i] = key.Pair{Key: p.Key, Value: value}
	}
	for _, k := range e.Unset {
		if tx.isSet(k, e.Layer) {
			tx.touched[place{k, e.Layer}] = false
		}
	}
	weak := make(map[key.Key]bool, len(e.Weak))
	for _, k := range e.Weak {
		weak[k] = true
	}
	for _, p := range set {
		tx.touched[place{p.Key, e.Layer}] = weak[p.Key]
	}
	tx.next.snap.apply(Edits{Layer: e.Layer, Set: set, Unset: e.Unset}, func(k key.Key) *api.Origin {
		return tx.origin(kind{e.Layer, tx.touched[place{k, e.Layer}]})
	})
	if len(e.Weak) > 0 {
		return tx.noteBoot()
	}
	return nil
}

// isSet tells whether there is a value to unset, be it one that fits or not.
func (tx *Tx) isSet(k key.Key, layer api.Layer) bool {
	if _, ok := tx.next.snap.ValueIn(layer, k); ok {
		return true
	}
	_, ok := tx.next.snap.unfit.Get(unfitAt(k, layer))
	return ok
}

// origin is the origin of everything of a kind that this update sets.
func (tx *Tx) origin(of kind) *api.Origin {
	if tx.origins[of] == nil {
		caller := tx.by.Caller // a copy: the origin lives longer than tx
		tx.origins[of] = &api.Origin{
			Layer: of.layer, Transaction: tx.by.Transaction, Change: tx.by.Change,
			Caller: &caller, Time: tx.store.opts.Now().UTC(),
		}
		if of.weak {
			tx.origins[of].Strength = api.StrengthWeak
		}
	}
	return tx.origins[of]
}

// checkPair returns the value in compact form, in memory of its own.
func checkPair(p key.Pair) (json.RawMessage, error) {
	if !p.Key.Within("settings") || p.Key == "settings" {
		return nil, invalid("%s is not below settings", p.Key)
	}
	if len(p.Value) > maxValue {
		return nil, tooLarge("", "value of %s has %d bytes; at most %d are possible", p.Key, len(p.Value), maxValue)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, p.Value); err != nil {
		return nil, invalid("value of %s is not JSON", p.Key)
	}
	return bytes.Clone(out.Bytes()), nil // a buffer has 64 bytes at least; most values have few
}

// SetPending adds to a pending transaction. Any name will do, the empty one too.
func (tx *Tx) SetPending(name string, pairs []key.Pair) error { return tx.setPending(name, pairs, nil) }

// SetPendingWeak is SetPending for values that will be weak.
func (tx *Tx) SetPendingWeak(name string, pairs []key.Pair) error {
	for _, p := range pairs {
		if tx.isStrong(name, p.Key) {
			return &api.Error{
				Code: api.CodeInvalid, Key: string(p.Key),
				Message: fmt.Sprintf("Trying to change the strength from strong to weak for key: %s, Operation restricted", p.Key),
				Hint:    "unset it first, or leave it as it is",
			}
		}
	}
	return tx.setPending(name, pairs, []byte{weakMark})
}

// isStrong tells whether somebody has set a key for good, or is about to.
func (tx *Tx) isStrong(transaction string, k key.Key) bool {
	if t, ok := tx.next.pending.Get(transaction); ok {
		if payload, ok := t.pairs.Get(k); ok {
			return payload[0] != weakMark
		}
	}
	origin, ok := tx.next.snap.Origin(k)
	return ok && origin.Layer != api.LayerDefault && origin.Strength != api.StrengthWeak
}

// weakMark comes before a pending value that will be weak. No JSON begins with it.
const weakMark = 1

func (tx *Tx) setPending(name string, pairs []key.Pair, mark []byte) error {
	if len(pairs) == 0 {
		return nil
	}
	if len(name) > maxName {
		return tooLarge("", "name of transaction has %d bytes; at most %d are possible", len(name), maxName)
	}
	if err := tx.noteBoot(); err != nil {
		return err
	}
	t := tx.transaction(name)
	for _, p := range pairs {
		value, err := checkPair(p)
		if err != nil {
			return err
		}
		payload := slices.Concat(mark, value)
		t.pairs.Set(p.Key, payload)
		if err := tx.put(tablePending, pendingKey(name, p.Key), payload); err != nil {
			return err
		}
	}
	return tx.checkPending()
}

// noteBoot records during which boot all that is pending was made.
func (tx *Tx) noteBoot() error {
	if tx.next.boot == tx.store.opts.BootID {
		return nil
	}
	tx.next.boot = tx.store.opts.BootID
	return tx.put(tableAbout, []byte(aboutBoot), []byte(tx.next.boot))
}

func (tx *Tx) checkPending() error {
	const hint = "commit pending transactions or delete them"
	if n := tx.next.pending.Len(); n > maxTransactions {
		return tooLarge(hint, "more than %d transactions would be pending", maxTransactions)
	}
	if n := tx.next.use[tablePending].bytes; n > maxPending {
		return tooLarge(hint, "pending settings would have %d bytes; at most %d are possible", n, maxPending)
	}
	return nil
}

// transaction returns a transaction that may be changed, in the next state.
func (tx *Tx) transaction(name string) *transaction {
	t := &transaction{pairs: btree.NewMap[key.Key, []byte](0)}
	if old, ok := tx.next.pending.Get(name); ok {
		t.pairs = old.pairs.Copy()
	}
	tx.ownPending().Set(name, t)
	return t
}

// ownPending makes the map of the next state its own.
func (tx *Tx) ownPending() *btree.Map[string, *transaction] {
	if tx.next.pending == tx.base.pending {
		tx.next.pending = tx.base.pending.Copy()
	}
	return tx.next.pending
}

// DropPending removes a pending transaction and returns what it held, sorted.
func (tx *Tx) DropPending(name string) ([]key.Pair, error) {
	t, ok := tx.next.pending.Get(name)
	if !ok {
		return nil, nil
	}
	pairs := t.sorted()
	for _, p := range pairs {
		if err := tx.remove(tablePending, pendingKey(name, p.Key)); err != nil {
			return nil, err
		}
	}
	tx.ownPending().Delete(name)
	return pairs, nil
}

func (t *transaction) sorted() []key.Pair {
	pairs := make([]key.Pair, 0, t.pairs.Len())
	t.pairs.Scan(func(k key.Key, v []byte) bool {
		pairs = append(pairs, key.Pair{Key: k, Value: bytes.TrimPrefix(v, []byte{weakMark})})
		return true
	})
	return pairs
}

// weak are the keys whose values will be weak, sorted.
func (t *transaction) weak() []key.Key {
	var keys []key.Key
	t.pairs.Scan(func(k key.Key, v []byte) bool {
		if v[0] == weakMark {
			keys = append(keys, k)
		}
		return true
	})
	return keys
}

// NextChange returns a new change id, ascending from 1.
func (tx *Tx) NextChange() (uint64, error) {
	tx.next.change++
	id := tx.next.change
	if tx.by.Change == 0 {
		tx.by.Change = id
		for _, o := range tx.origins {
			o.Change = id
		}
	}
	return id, tx.put(tableAbout, []byte(aboutChange), id8(id))
}

// PutChange stores a change's record (opaque bytes); open ones are found again
// by OpenChanges and kept; of the others the oldest are forgotten some day.
func (tx *Tx) PutChange(id uint64, open bool, record []byte) error {
	if len(record) > maxRecord {
		return tooLarge("change fewer settings at a time: what is kept of a change are its files before and after", "record of change %d has %d bytes; at most %d are possible", id, len(record), maxRecord)
	}
	payload := append([]byte{changeFinal}, record...)
	if open {
		payload[0] = changeOpen
	}
	if err := tx.put(tableChanges, id8(id), payload); err != nil {
		return err
	}
	if open {
		return tx.put(tableOpen, id8(id), nil)
	}
	if err := tx.remove(tableOpen, id8(id)); err != nil {
		return err
	}
	return tx.trimChanges(id)
}

const (
	changeFinal byte = 0
	changeOpen  byte = 1
)

// trimChanges forgets the oldest final changes beyond what is kept, but not newest.
func (tx *Tx) trimChanges(newest uint64) error {
	all, open := tx.next.use[tableChanges], tx.next.use[tableOpen]
	final, bytes := all.count-open.count, all.bytes
	var old [][]byte // gathered first, as a cursor does not survive deletions
	c := tx.bucket(tableChanges).Cursor()
	for k, v := c.First(); k != nil && (final > keepChanges || bytes > keepChangesBytes); k, v = c.Next() {
		if isOpen(v) || slices.Equal(k, id8(newest)) {
			continue
		}
		old = append(old, slices.Clone(k))
		final--
		bytes -= len(k) + len(v)
	}
	return tx.removeAll(tableChanges, old)
}

func isOpen(record []byte) bool { return len(record) > crcSize && record[crcSize] == changeOpen }

func (tx *Tx) removeAll(t table, keys [][]byte) error {
	for _, k := range keys {
		if err := tx.remove(t, k); err != nil {
			return err
		}
	}
	return nil
}

// PutFile records what was last written at path (opaque bytes: digest, mode, …).
// An empty record forgets the file.
func (tx *Tx) PutFile(path string, record []byte) error {
	if path == "" || len(path) > maxPath {
		return invalid("path of a file has %d bytes, not 1 to %d", len(path), maxPath)
	}
	if len(record) == 0 {
		return tx.remove(tableFiles, []byte(path))
	}
	if err := tx.put(tableFiles, []byte(path), record); err != nil {
		return err
	}
	if n := tx.next.use[tableFiles].bytes; n > maxFiles {
		return tooLarge("", "records of files would have %d bytes; at most %d are possible", n, maxFiles)
	}
	return nil
}

// finish writes what Edit left in memory, and what every commit has.
func (tx *Tx) finish() error {
	if err := tx.writeEdits(); err != nil || !tx.dirty {
		return err
	}
	return tx.put(tableAbout, []byte(aboutCommit), id8(uint64(tx.bolt.ID())))
}

func (tx *Tx) writeEdits() error {
	if len(tx.touched) == 0 {
		return nil
	}
	places := tx.places()
	for _, p := range places {
		if err := tx.store1(p); err != nil {
			return err
		}
	}
	if n := tx.next.use[tableValues].bytes; n > maxValues && n > tx.base.use[tableValues].bytes {
		return tooLarge("unset settings that are not needed", "settings would have %d bytes; at most %d are possible", n, maxValues)
	}
	return tx.appendHistory(places)
}

func (tx *Tx) places() []place {
	places := make([]place, 0, len(tx.touched))
	for p := range tx.touched {
		places = append(places, p)
	}
	slices.SortFunc(places, func(a, b place) int {
		if c := strings.Compare(string(a.key), string(b.key)); c != 0 {
			return c
		}
		return int(rank(a.layer)) - int(rank(b.layer))
	})
	return places
}

// store1 writes or removes one value, as the next snapshot has it.
func (tx *Tx) store1(p place) error {
	value, ok := tx.next.snap.ValueIn(p.layer, p.key)
	if !ok {
		return tx.remove(tableValues, valueKey(p.layer, p.key))
	}
	payload, err := formatValue(tx.origin(kind{p.layer, tx.touched[p]}), value)
	if err != nil {
		return err
	}
	return tx.put(tableValues, valueKey(p.layer, p.key), payload)
}

func (tx *Tx) appendHistory(places []place) error {
	tx.next.history++
	entry := api.HistoryEntry{
		ID: tx.next.history, Time: tx.store.opts.Now().UTC(), Caller: tx.by.Caller,
		Transaction: tx.by.Transaction, Change: tx.by.Change, Reason: tx.by.Reason,
	}
	for _, p := range places {
		entry.Edits = append(entry.Edits, api.Edit{
			Key: string(p.key), Layer: p.layer,
			Before: tx.masked(tx.base.snap, p.key), After: tx.masked(tx.next.snap, p.key),
		})
	}
	text, err := api.Marshal(entry)
	if err != nil {
		return fmt.Errorf("encode history: %w", err)
	}
	if err := tx.put(tableHistory, id8(entry.ID), text); err != nil {
		return err
	}
	return tx.trimHistory()
}

// masked is the effective value of k as the history may show it.
func (tx *Tx) masked(s *Snapshot, k key.Key) json.RawMessage {
	e, ok := s.Get(k)
	switch {
	case !ok:
		return nil
	case tx.store.opts.Secret(k):
		return api.MaskedValue()
	}
	return e.Value
}

// trimHistory forgets the oldest commits beyond what is kept, but not the newest.
func (tx *Tx) trimHistory() error {
	count, bytes := tx.next.use[tableHistory].count, tx.next.use[tableHistory].bytes
	var old [][]byte
	c := tx.bucket(tableHistory).Cursor()
	for k, v := c.First(); k != nil && count > 1 && (count > keepHistory || bytes > keepHistoryBytes); k, v = c.Next() {
		old = append(old, slices.Clone(k))
		count--
		bytes -= len(k) + len(v)
	}
	return tx.removeAll(tableHistory, old)
}

func (tx *Tx) bucket(t table) *bbolt.Bucket { return tx.bolt.Bucket([]byte(t.String())) }

// put stores a record; the payload is not kept.
func (tx *Tx) put(t table, k, payload []byte) error {
	b, record := tx.bucket(t), seal(t, k, payload)
	tx.account(t, b, k, record)
	if err := b.Put(k, record); err != nil {
		return fmt.Errorf("store in %s: %w", t, err)
	}
	return nil
}

// remove deletes a record, if there is one.
func (tx *Tx) remove(t table, k []byte) error {
	b := tx.bucket(t)
	if b.Get(k) == nil {
		return nil
	}
	tx.account(t, b, k, nil)
	if err := b.Delete(k); err != nil {
		return fmt.Errorf("remove from %s: %w", t, err)
	}
	return nil
}

// account keeps count of what a table holds, in the file and in memory.
func (tx *Tx) account(t table, b *bbolt.Bucket, k, record []byte) {
	use, sum := &tx.next.use[t], tally(b.Sequence())
	if old := b.Get(k); old != nil {
		sum = sum.remove(old)
		use.count--
		use.bytes -= len(k) + len(old)
	}
	if record != nil {
		sum = sum.add(record)
		use.count++
		use.bytes += len(k) + len(record)
	}
	tx.dirty = true
	// It fails only in a transaction that cannot write at all.
	_ = b.SetSequence(uint64(sum))
}
