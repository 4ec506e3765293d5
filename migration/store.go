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
	layers   []byte           // of all that is sorted, as read; nil: they are not known as a text
	metadata map[string]map[string]json.RawMessage
	unknown  []member
}

// datum is the value of one key. One without text is gone. Documents have
// thousands of them, which is why it is small.
type datum struct {
	key   string
	text  []byte // the value, or, as read, the whole member: what nobody changes is written as it was
	at    int32  // where in text the value begins; 0: there is no name
	layer layerRank
}

func (d datum) value() json.RawMessage { return d.text[d.at:len(d.text):len(d.text)] }

// renamed is the same value under another key.
func (d datum) renamed(k string) datum { return datum{key: k, text: d.value(), layer: d.layer} }

// named tells whether the datum was read under exactly this name.
func (d datum) named(name []byte) bool {
	return d.at > 0 && string(d.text[:d.at-1]) == string(name)
}

// layerRank is the place of a layer among Layers, beginning with 1.
type layerRank uint8

const noLayer layerRank = 0

// rankOf is noLayer for what is no layer.
func rankOf(layer Layer) layerRank { return layerRank(slices.Index(layerNames[:], layer) + 1) }

func (r layerRank) name() Layer {
	if r == noLayer {
		return ""
	}
	return layerNames[r-1]
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{added: map[string]datum{}, metadata: map[string]map[string]json.RawMessage{}}
}

// Get returns the value of a key as compact JSON, which must not be modified.
func (s *Store) Get(k string) (json.RawMessage, bool) {
	d, ok := s.find(k)
	return d.value(), ok
}

// Has tells whether a key has a value.
func (s *Store) Has(k string) bool {
	_, ok := s.find(k)
	return ok
}

// Layer returns the layer that the value of a key is from; "" if it has none.
func (s *Store) Layer(k string) Layer {
	d, _ := s.find(k)
	return d.layer.name()
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
	s.put(datum{key: name, text: text, layer: d.layer})
	return nil
}

// SetLayer puts the value of a key into a layer. A key without a value stays without.
func (s *Store) SetLayer(k string, layer Layer) error {
	rank := rankOf(layer)
	if rank == noLayer {
		return fmt.Errorf("set layer of %s: there is no layer %q; there are %v", k, layer, Layers())
	}
	if d, ok := s.find(k); ok {
		d.layer = rank
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
			if !yield(d.key, d.value()) {
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
	if err := checkValue(k+" ("+name+")", text); err != nil {
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
		return d, d.text != nil
	}
	if i, ok := s.search(k); ok {
		return s.sorted[i], s.sorted[i].text != nil
	}
	return datum{}, false
}

// put changes a key in its place, or notes a new one: inserting each into the
// sorted ones would cost as much as there are.
func (s *Store) put(d datum) {
	i, ok := s.search(d.key)
	if !ok {
		s.added[d.key], s.layers = d, nil
		return
	}
	if before := s.sorted[i]; before.layer != d.layer || (before.text == nil) != (d.text == nil) {
		s.layers = nil
	}
	s.sorted[i] = d
}

func (s *Store) search(k string) (int, bool) {
	return slices.BinarySearchFunc(s.sorted, k, func(d datum, k string) int { return strings.Compare(d.key, k) })
}

// settle makes sorted all that there is.
func (s *Store) settle() {
	s.sorted = slices.DeleteFunc(s.sorted, func(d datum) bool { return d.text == nil })
	if len(s.added) == 0 {
		return
	}
	added := slices.SortedFunc(maps.Values(s.added), byKey)
	clear(s.added)
	s.sorted = merged(s.sorted, slices.DeleteFunc(added, func(d datum) bool { return d.text == nil }))
}

// merged puts two lists together that are sorted, and have no key in common.
func merged(a, b []datum) []datum {
	all := make([]datum, 0, len(a)+len(b))
	for len(b) > 0 {
		n, _ := slices.BinarySearchFunc(a, b[0], byKey)
		all = append(append(all, a[:n]...), b[0])
		a, b = a[n:], b[1:]
	}
	return append(all, a...)
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
	if _, ok := canonicalAfter(k, 0); ok {
		return k, nil
	}
	name, err := key.Parse(k)
	return string(name), err
}

// canonicalAfter knows a key that is in that form at a glance, where parsing
// would make every segment anew. What comes before a segment is known to be so.
// It returns where the last segment begins.
func canonicalAfter(k string, segment int) (last int, ok bool) {
	if len(k) > key.MaxLength {
		return 0, false
	}
	for {
		n := segmentLength(k[segment:])
		end := segment + n
		if n == 0 || end == len(k) {
			return segment, n > 0
		}
		if k[end] != '.' {
			return 0, false
		}
		segment = end + 1
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

// isPlain tells whether a bare segment may have a byte: a letter, a digit, '_', '-' or '/'.
func isPlain(c byte) bool {
	const (
		digits  = (1<<10-1)<<'0' | 1<<'-' | 1<<'/'
		letters = (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64) | 1<<('_'-64)
	)
	if c < 64 {
		return digits>>c&1 != 0
	}
	return c < 128 && letters>>(c-64)&1 != 0
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
