package apply

import (
	"maps"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
)

// maxTry is the longest time that a change may wait for its confirmation.
const maxTry = 30 * 24 * time.Hour

// Request is a change to make.
type Request struct {
	Edits       datastore.Edits
	Transaction string // pending settings to fold in (under Edits.Layer) and drop
	Unnamed     bool   // an empty Transaction is the one with the empty name, not none
	Caller      api.Caller
	Apply       []key.Key // also apply these keys
	ApplyAll    bool
	CommitOnly  bool // commit, apply nothing
	Keep        bool // do not undo when applying fails
	Try         time.Duration
	Reason      string

	undoes   *record  // the change whose edits are reverted; Edits and Transaction are empty then
	leaveOut bool     // templates that cannot be rendered are left out
	expiring *running // the same while it is still being tried: this change ends it
}

// takesPending tells whether pending settings are committed as well.
func (r Request) takesPending() bool { return r.Transaction != "" || r.Unnamed }

func (r Request) check() error {
	switch {
	case r.Try < 0 || r.Try > maxTry:
		return &api.Error{Code: api.CodeInvalid, Message: "the time to try a change for is not between 0 and 30 days"}
	case r.Try > 0 && (r.CommitOnly || r.Keep):
		return &api.Error{Code: api.CodeInvalid, Message: "a change that is tried must be applied, and undone when that fails"}
	case r.CommitOnly && (r.ApplyAll || len(r.Apply) > 0):
		return &api.Error{Code: api.CodeInvalid, Message: "keys to apply are given, but the change shall only be committed"}
	}
	return nil
}

// lenient tells whether a template that cannot be rendered is left out instead
// of failing the change.
func (r Request) lenient() bool {
	return r.Keep && (r.ApplyAll || r.leaveOut || r.expiring != nil)
}

// applied are all keys to apply, sorted: those that are edited and those asked for.
func (r Request) applied(edits datastore.Edits) []key.Key {
	keys := append(edits.Keys(), r.Apply...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// fold joins the request's own edits with those of its pending transaction, of
// which they are the later ones.
func fold(own datastore.Edits, pending []key.Pair) datastore.Edits {
	values := map[key.Key]key.Pair{}
	for _, p := range pending {
		values[p.Key] = p
	}
	for _, k := range own.Unset {
		delete(values, k)
	}
	for _, p := range own.Set {
		values[p.Key] = p
	}
	folded := datastore.Edits{Layer: own.Layer}
	for _, k := range slices.Sorted(maps.Keys(values)) {
		folded.Set = append(folded.Set, values[k])
	}
	for _, k := range own.Unset {
		if _, set := values[k]; !set {
			folded.Unset = append(folded.Unset, k)
		}
	}
	return folded
}

// stillPending are the keys that own says nothing of.
func stillPending(keys []key.Key, own datastore.Edits) []key.Key {
	said := own.Keys()
	return slices.DeleteFunc(keys, func(k key.Key) bool {
		_, found := slices.BinarySearch(said, k)
		return found
	})
}

func empty(e datastore.Edits) bool { return len(e.Set)+len(e.Unset) == 0 }
