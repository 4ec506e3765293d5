package migration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/key"
)

// Store is one part of a document: settings and what else is stored under keys
// (services, configuration files), and metadata of keys. Keys are those of the
// reference's datastore; superfluous quotes in them do not matter. The zero
// value is not usable, [NewStore] makes one.
//
// Metadata belongs to a key whether or not the key has a value: removing the
// one leaves the other.
type Store struct {
	sorted   []datum          // in the order of the keys; some may be gone
	added    map[string]datum // since sorted was made
	metadata map[string]map[string]json.RawMessage
	unknown  []member
}

// datum is the value of one key. One without a value is gone.
type datum struct {
	key   string
	value json.RawMessage
	layer Layer
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{added: map[string]datum{}, metadata: map[string]map[string]json.RawMessage{}}
}

// Get returns the value of a key as compact JSON, which must not be modified.
func (s *Store) Get(k string) (json.RawMessage, bool) {
	d, ok := s.find(k)
	return d.value, ok
}

// Has tells whether a key has a value.
func (s *Store) Has(k string) bool {
	_, ok := s.find(k)
	return ok
}

// Layer returns the layer that the value of a key is from; "" if it has none.
func (s *Store) Layer(k string) Layer {
	d, _ := s.find(k)
	return d.layer
}

// Set gives a key a value: anything that encoding/json can write. The layer
// stays, and is User for a new key of live settings.
func (s *Store) Set(k string, value any) error {
	text, err := encode(k, value)
	if err != nil {
		return err
	}
	return s.SetRaw(k, text)
}

// SetRaw is Set for a value that is JSON already. The text is kept.
func (s *Store) SetRaw(k string, text json.RawMessage) error {
	name, err := canonical(k)
	if err != nil {
		return err
	}
	if err := checkValue(name, text); err != nil {
		return err
	}
	d, _ := s.find(name)
	s.put(datum{name, text, d.layer})
	return nil
}

// SetLayer puts the value of a key into a layer. A key without a value stays without.
func (s *Store) SetLayer(k string, layer Layer) error {
	if !slices.Contains(Layers(), layer) {
		return fmt.Errorf("set layer of %s: there is no layer %q; there are %v", k, layer, Layers())
	}
	if d, ok := s.find(k); ok {
		d.layer = layer
		s.put(d)
	}
	return nil
}

// Delete removes the value of exactly this key and tells whether there was one.
func (s *Store) Delete(k string) bool {
	d, ok := s.find(k)
	if ok {
		s.put(datum{key: d.key})
	}
	return ok
}

// Len is the number of keys that have a value.
func (s *Store) Len() int {
	s.settle()
	return len(s.sorted)
}

// All returns the keys that have a value now, and the values, in the order of
// the keys' texts. The store may be changed meanwhile.
func (s *Store) All() iter.Seq2[string, json.RawMessage] {
	return s.Prefix("")
}

// Prefix is All for the keys whose text begins with prefix. The text decides,
// not segments: the prefix "settings.a" takes settings.ab in.
func (s *Store) Prefix(prefix string) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		s.settle()
		first, _ := s.search(prefix)
		rest := s.sorted[first:]
		end := 0
		for end < len(rest) && strings.HasPrefix(rest[end].key, prefix) {
			end++
		}
		for _, d := range slices.Clone(rest[:end]) {
			if !yield(d.key, d.value) {
				return
			}
		}
	}
}

// Metadata returns one metadata of exactly this key, not of those above it.
func (s *Store) Metadata(k, name string) (json.RawMessage, bool) {
	value, ok := s.metadata[lookup(k)][name]
	return value, ok
}

// MetadataOf returns the sorted names of all metadata of exactly this key.
func (s *Store) MetadataOf(k string) []string {
	return slices.Sorted(maps.Keys(s.metadata[lookup(k)]))
}

// MetadataKeys returns the sorted keys that have metadata.
func (s *Store) MetadataKeys() []string { return slices.Sorted(maps.Keys(s.metadata)) }

// SetMetadata gives a key a metadata: anything that encoding/json can write.
func (s *Store) SetMetadata(k, name string, value any) error {
	text, err := encode(k+" ("+name+")", value)
	if err != nil {
		return err
	}
	k, err = canonical(k)
	if err != nil {
		return err
	}
	if err := checkMetadataName(k, name); err != nil {
		return err
	}
	s.putMetadata(k, name, text)
	return nil
}

// DeleteMetadata removes one metadata of exactly this key and tells whether there was one.
func (s *Store) DeleteMetadata(k, name string) bool {
	k = lookup(k)
	names := s.metadata[k]
	_, ok := names[name]
	delete(names, name)
	if len(names) == 0 {
		delete(s.metadata, k)
	}
	return ok
}

func (s *Store) putMetadata(k, name string, text json.RawMessage) {
	if s.metadata[k] == nil {
		s.metadata[k] = map[string]json.RawMessage{}
	}
	s.metadata[k][name] = text
}

// clone copies the values; metadata is left out.
func (s *Store) clone() *Store {
	s.settle()
	c := NewStore()
	c.sorted = slices.Clone(s.sorted)
	return c
}

// find returns what a key has, in sorted or in added.
func (s *Store) find(k string) (datum, bool) {
	k = lookup(k)
	if d, ok := s.added[k]; ok {
		return d, d.value != nil
	}
	if i, ok := s.search(k); ok {
		return s.sorted[i], s.sorted[i].value != nil
	}
	return datum{}, false
}

// put changes a key in its place, or notes a new one: inserting each into the
// sorted ones would cost as much as there are.
func (s *Store) put(d datum) {
	if i, ok := s.search(d.key); ok {
		s.sorted[i] = d
		return
	}
	s.added[d.key] = d
}

func (s *Store) search(k string) (int, bool) {
	return slices.BinarySearchFunc(s.sorted, k, func(d datum, k string) int { return strings.Compare(d.key, k) })
}

// settle makes sorted all that there is.
func (s *Store) settle() {
	for _, d := range s.added {
		s.sorted = append(s.sorted, d)
	}
	s.sorted = slices.DeleteFunc(s.sorted, func(d datum) bool { return d.value == nil })
	if len(s.added) > 0 {
		slices.SortFunc(s.sorted, byKey)
		clear(s.added)
	}
}

func byKey(a, b datum) int { return strings.Compare(a.key, b.key) }

// lookup is the canonical form of a key; one that is no key finds nothing.
func lookup(k string) string {
	name, err := canonical(k)
	if err != nil {
		return ""
	}
	return name
}

// canonical is the form of a key that is stored: only segments with a dot are quoted.
func canonical(k string) (string, error) {
	if isCanonical(k) {
		return k, nil
	}
	name, err := key.Parse(k)
	return string(name), err
}

// isCanonical knows a key that is in that form at a glance: parsing would make
// every segment anew.
func isCanonical(k string) bool {
	if len(k) > key.MaxLength {
		return false
	}
	for {
		n := segmentLength(k)
		if n == 0 || n == len(k) {
			return n > 0
		}
		if k[n] != '.' {
			return false
		}
		k = k[n+1:]
	}
}

// segmentLength is the length of the canonical segment that k begins with, 0 if there is none.
func segmentLength(k string) int {
	n := 0
	if !strings.HasPrefix(k, `"`) {
		for n < len(k) && isPlain(k[n]) {
			n++
		}
		return n
	}
	dots := 0
	for n = 1; n < len(k) && (isPlain(k[n]) || k[n] == '.'); n++ {
		if k[n] == '.' {
			dots++
		}
	}
	if dots == 0 || n == len(k) || k[n] != '"' {
		return 0
	}
	return n + 1
}

// isPlain tells whether a bare segment may have a byte.
func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '/'
}

// encode writes a value as compact JSON, without the escapes for HTML.
func encode(k string, value any) (json.RawMessage, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, fmt.Errorf("encode value of %s: %w", k, err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}
