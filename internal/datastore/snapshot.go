package datastore

import (
	"encoding/json"
	"strings"
	"sync"

	"github.com/tidwall/btree"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

// Entry is one effective setting.
type Entry struct {
	Key   key.Key
	Value json.RawMessage // compact JSON, not to be modified
	Layer api.Layer
}

// Unfit is a stored value that no longer fits the model: it stays in the file,
// for the model that knows it, but not in the snapshot.
type Unfit struct {
	Key   key.Key
	Layer api.Layer
	Err   error // what Options.Valid said
}

// Snapshot is an immutable state of all settings in all layers. All keys begin
// with "settings.". Its methods may be called from any goroutine and never
// wait for a writer.
//
// Snapshots share what they have in common: a new one costs a few tree nodes
// for each key that differs.
type Snapshot struct {
	tree  *btree.Map[key.Key, *cell]
	unfit *btree.Map[string, Unfit] // by unfitAt

	// Copying a tree marks the original's nodes as shared, which is a write.
	copying sync.Mutex

	encode sync.Once
	json   []byte
}

// cell is the value of a key in one layer, on top of those in the layers below.
// Cells are immutable: that is what lets snapshots share them.
type cell struct {
	value  json.RawMessage
	origin *api.Origin // shared by all values of one commit
	below  *cell
}

func newSnapshot() *Snapshot {
	return &Snapshot{tree: btree.NewMap[key.Key, *cell](0), unfit: btree.NewMap[string, Unfit](0)}
}

// Get returns the effective value of an exact key.
func (s *Snapshot) Get(k key.Key) (Entry, bool) {
	c, ok := s.tree.Get(k)
	if !ok {
		return Entry{}, false
	}
	return Entry{k, c.value, c.origin.Layer}, true
}

// Ascend calls fn for each effective setting whose key's text begins with
// prefix, in the order of the keys' texts, until fn returns false.
func (s *Snapshot) Ascend(prefix string, fn func(Entry) bool) {
	s.tree.Ascend(key.Key(prefix), func(k key.Key, c *cell) bool {
		return strings.HasPrefix(string(k), prefix) && fn(Entry{k, c.value, c.origin.Layer})
	})
}

// Len is the number of effective settings.
func (s *Snapshot) Len() int { return s.tree.Len() }

// JSON is the whole nested settings document without the outer "settings"
// member. It is computed once and must not be modified.
func (s *Snapshot) JSON() []byte {
	s.encode.Do(func() {
		pairs := make([]key.Pair, 0, s.Len())
		s.Ascend("", func(e Entry) bool {
			pairs = append(pairs, key.Pair{Key: e.Key, Value: e.Value})
			return true
		})
		s.json = Nest(pairs, 1)
	})
	return s.json
}

// Origin tells where the effective value of k came from.
func (s *Snapshot) Origin(k key.Key) (api.Origin, bool) {
	c, ok := s.tree.Get(k)
	if !ok {
		return api.Origin{}, false
	}
	return *c.origin, true
}

// Weak returns the keys that have a weak value in a layer, sorted.
func (s *Snapshot) Weak(layer api.Layer) []key.Key {
	var keys []key.Key
	s.tree.Scan(func(k key.Key, c *cell) bool {
		if c = c.in(layer); c != nil && c.origin.Strength == api.StrengthWeak {
			keys = append(keys, k)
		}
		return true
	})
	return keys
}

// InLayer returns the keys within k that have a value of their own in a layer,
// sorted; "" stands for all keys.
func (s *Snapshot) InLayer(layer api.Layer, k key.Key) []key.Key {
	var keys []key.Key
	s.tree.Ascend(k, func(other key.Key, c *cell) bool {
		if k != "" && !strings.HasPrefix(string(other), string(k)) {
			return false
		}
		if (k == "" || other.Within(k)) && c.in(layer) != nil {
			keys = append(keys, other)
		}
		return true
	})
	return keys
}

// ValueIn returns the value of k in one layer.
func (s *Snapshot) ValueIn(layer api.Layer, k key.Key) (json.RawMessage, bool) {
	c, _ := s.tree.Get(k)
	if c = c.in(layer); c == nil {
		return nil, false
	}
	return c.value, true
}

// With returns what the state would be after e, without storing or checking
// anything. Its cost follows e.
func (s *Snapshot) With(e Edits) *Snapshot {
	next := s.clone()
	origin := &api.Origin{Layer: e.Layer}
	next.apply(e, func(key.Key) *api.Origin { return origin })
	return next
}

// clone returns a copy that may be changed until it is handed out.
func (s *Snapshot) clone() *Snapshot {
	s.copying.Lock()
	defer s.copying.Unlock()
	return &Snapshot{tree: s.tree.Copy(), unfit: s.unfit.Copy()}
}

func (s *Snapshot) apply(e Edits, origin func(key.Key) *api.Origin) {
	for _, k := range e.Unset {
		s.unset(k, e.Layer)
	}
	for _, p := range e.Set {
		s.set(p, origin(p.Key))
	}
}

func (s *Snapshot) set(p key.Pair, origin *api.Origin) {
	c, _ := s.tree.Get(p.Key)
	s.tree.Set(p.Key, c.with(p.Value, origin))
	s.unfit.Delete(unfitAt(p.Key, origin.Layer))
}

func (s *Snapshot) unset(k key.Key, layer api.Layer) {
	c, ok := s.tree.Get(k)
	if c = c.without(layer); c != nil {
		s.tree.Set(k, c)
	} else if ok {
		s.tree.Delete(k)
	}
	s.unfit.Delete(unfitAt(k, layer))
}

// unfitAt is where Snapshot.unfit has a value. There may be as many as there are
// settings, when another version of the image does not know them.
func unfitAt(k key.Key, layer api.Layer) string { return string(k) + string(rank(layer)) }

// in returns the cell of a layer, or nil.
func (c *cell) in(layer api.Layer) *cell {
	for c != nil && c.origin.Layer != layer {
		c = c.below
	}
	return c
}

// with returns the stack c with a value put into origin's layer.
func (c *cell) with(value json.RawMessage, origin *api.Origin) *cell {
	if c == nil || rank(c.origin.Layer) < rank(origin.Layer) {
		return &cell{value, origin, c}
	}
	if c.origin.Layer == origin.Layer {
		return &cell{value, origin, c.below}
	}
	return &cell{c.value, c.origin, c.below.with(value, origin)}
}

// without returns the stack c with a layer's value taken out.
func (c *cell) without(layer api.Layer) *cell {
	switch {
	case c.in(layer) == nil:
		return c
	case c.origin.Layer == layer:
		return c.below
	}
	return &cell{c.value, c.origin, c.below.without(layer)}
}

// rank orders the layers. The numbers are part of the file format.
func rank(l api.Layer) byte {
	switch l {
	case api.LayerGenerated:
		return 1
	case api.LayerUserData:
		return 2
	case api.LayerUser:
		return 3
	}
	return 0
}

// layerOf is the inverse of rank.
func layerOf(rank byte) (api.Layer, bool) {
	layers := []api.Layer{api.LayerDefault, api.LayerGenerated, api.LayerUserData, api.LayerUser}
	if int(rank) >= len(layers) {
		return "", false
	}
	return layers[rank], true
}
