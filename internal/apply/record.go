package apply

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
)

// phase is how far a change is in the journal: what a start after a crash has
// to do with it.
type phase string

const (
	phaseQueued  phase = "queued"  // committed; apply it from the beginning
	phaseForward phase = "forward" // committed and planned; finish it, or else undo it
	phaseBack    phase = "back"    // settings are reverted; restore the files
	phaseTrying  phase = "trying"  // applied; undo it unless it is confirmed in time
	phaseOver    phase = "over"
)

// record is a change in the journal. It holds secrets (former settings and
// files) and never leaves the store; Change is the part for everyone.
type record struct {
	Change   api.Change    `json:"change"`
	Phase    phase         `json:"phase"`
	Layer    api.Layer     `json:"layer"`
	Settings []formerValue `json:"settings,omitempty"`
	Files    []formerFile  `json:"files,omitempty"` // only until the change is over
	Apply    []key.Key     `json:"apply,omitempty"`
	ApplyAll bool          `json:"apply-all,omitempty"`
	Keep     bool          `json:"keep,omitempty"`
	Boot     string        `json:"boot,omitempty"`
	Try      tryClock      `json:"try,omitzero"`

	size int // bytes that the store was last given, or gave
}

// formerValue is what a layer held for a key before and after a change; nil is nothing.
type formerValue struct {
	Key    key.Key         `json:"key"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// formerFile is a file as it was before a change. Path is a host path with
// links followed.
type formerFile struct {
	Path    string  `json:"path"`
	Edited  bool    `json:"edited,omitempty"`
	Content content `json:"content"`
}

// tryClock is the time in which a tried change can be confirmed.
type tryClock struct {
	Length time.Duration `json:"length"` // nanoseconds
	Since  time.Time     `json:"since,omitzero"`
}

// open tells whether the next start has something to do with the change.
func (r *record) open() bool { return r.Phase != phaseOver }

// keys are the keys that a recorded change applies.
func (r *record) keys() []key.Key {
	keys := slices.Clone(r.Apply)
	for _, k := range r.Change.Keys {
		keys = append(keys, key.Key(k))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func (r *record) encode() ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode change %d: %w", r.Change.ID, err)
	}
	r.size = len(data)
	return data, nil
}

func parseRecord(data []byte) (*record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read a change's record: %w", err)
	}
	r.size = len(data)
	return &r, nil
}

// put stores the record.
func (r *record) put(tx *datastore.Tx) error {
	data, err := r.encode()
	if err != nil {
		return err
	}
	return tx.PutChange(r.Change.ID, r.open(), data)
}

// formerValues is what a layer holds before edits, and after them.
func formerValues(edits datastore.Edits, before, after *datastore.Snapshot) []formerValue {
	values := make([]formerValue, 0, len(edits.Set)+len(edits.Unset))
	for _, k := range edits.Keys() {
		v := formerValue{Key: k}
		v.Before, _ = before.ValueIn(edits.Layer, k)
		v.After, _ = after.ValueIn(edits.Layer, k)
		values = append(values, v)
	}
	return values
}

// fileRecord is what the store remembers of the last writing of a file.
type fileRecord struct {
	Digest string   `json:"digest"` // SHA-256 in hex; empty: never written
	Mode   string   `json:"mode"`
	Found  string   `json:"found,omitempty"`  // SHA-256 in hex of what the image brings in its place
	Secret bool     `json:"secret,omitempty"` // it may hold secrets
	Stale  []string `json:"stale,omitempty"`  // services that have not been restarted since, sorted
}

// edited tells whether a file on disk is no longer what was last written: its
// text, or else its mode. One that is gone is not, nor one that is again what was
// found before: /etc does not outlive a reboot, and the image may bring the file.
func (r fileRecord) edited(is content) (text, mode bool) {
	if r.Digest == "" || !is.Exists {
		return false, false
	}
	if text = is.digest() != r.Digest; text && is.digest() == r.Found {
		return false, false
	}
	return text, !text && formatMode(is.Mode) != r.Mode
}

// found is what the image brought in a file's place: what was there before it
// was ever written, or what a boot, which applies everything, finds there.
func (f *file) found(all bool) string {
	if f.differs() && f.disk.Exists && (f.record.Digest == "" || f.change.Edited && all) {
		return f.disk.digest()
	}
	return f.record.Found
}

func (r fileRecord) equal(other fileRecord) bool {
	return r.Digest == other.Digest && r.Mode == other.Mode && r.Found == other.Found && r.Secret == other.Secret && slices.Equal(r.Stale, other.Stale)
}

// fileRecord is the record of a file, also one that the store has yet to get.
func (e *Engine) fileRecord(target string) (fileRecord, error) {
	var r fileRecord
	var newest uint64
	for _, run := range e.owed() {
		if note, ok := run.written[target]; ok && run.rec.Change.ID > newest {
			r, newest = note, run.rec.Change.ID
		}
	}
	if newest > 0 {
		return r, nil
	}
	data, err := e.cfg.Store.File(target)
	if err != nil || len(data) == 0 {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read the record of %s: %w", target, err)
	}
	return r, nil
}
