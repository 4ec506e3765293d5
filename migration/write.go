package migration

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Write writes the document as one line of JSON without os. Equal documents
// give equal bytes: members have a fixed order, keys that of their texts, and
// members that are not known come last, as they were.
func (d *Document) Write(w io.Writer) error {
	pieces, err := d.pieces(false)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for _, p := range pieces {
		if _, err := out.Write(p); err != nil {
			return fmt.Errorf("write document: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	return nil
}

// Append appends the document's text to out: what Write writes, or, for whoever
// starts a migration, the same with os.
func (d *Document) Append(out []byte, withOS bool) ([]byte, error) {
	pieces, err := d.pieces(withOS)
	if err != nil {
		return nil, err
	}
	return slices.Concat(append([][]byte{out}, pieces...)...), nil
}

func (d *Document) pieces(withOS bool) ([][]byte, error) {
	var w writer
	w.document(d, withOS)
	if w.err != nil {
		return nil, fmt.Errorf("write document: %w", w.err)
	}
	pieces, size := w.all(), 0
	for _, p := range pieces {
		size += len(p)
	}
	if size > MaxDocument {
		return nil, fmt.Errorf("write document: it would have %d bytes; at most %d are possible", size, MaxDocument)
	}
	return pieces, nil
}

// writer appends JSON. It keeps the first error and goes on: there is nothing
// that an error could spoil.
type writer struct {
	rope
	first bool // nothing was written into the object that was opened last
	err   error
}

func (w *writer) document(d *Document, withOS bool) {
	w.open()
	w.name("version")
	w.add(strconv.Itoa(FormatVersion))
	if withOS {
		text, err := encode("os", d.OS)
		w.fail(err)
		w.name("os")
		w.stay(text)
	}
	w.name("from")
	w.text(d.From)
	w.name("to")
	w.text(d.To)
	w.name("live")
	w.store(d.Live, User)
	group(w, "shadowed", d.Shadowed)
	group(w, "pending", d.Pending)
	w.members(d.unknown)
	w.close()
	w.add("\n")
}

// group writes a member with several stores, if there are any.
func group[K ~string](w *writer, name string, stores map[K]*Store) {
	if len(stores) == 0 {
		return
	}
	w.name(name)
	w.open()
	for _, k := range slices.Sorted(maps.Keys(stores)) {
		w.name(string(k))
		w.store(stores[k], "")
	}
	w.close()
}

func (w *writer) store(s *Store, other Layer) {
	if s == nil {
		s = NewStore()
	}
	s.settle()
	w.open()
	w.name("data")
	w.open()
	for i := range s.sorted {
		w.member(&s.sorted[i])
	}
	w.close()
	w.layers(s, other)
	w.metadata(s)
	w.members(s.unknown)
	w.close()
}

// member writes a key and its value, as they were read if they still are that.
func (w *writer) member(d *datum) {
	if d.at == 0 {
		w.key(d.key)
	} else if w.follow(d.text) {
		return
	} else {
		w.comma()
	}
	w.stay(d.text)
}

// layers writes the layers that settings are from. One that is new, and not
// placed, has that of its part: of live settings the user's, of others none.
func (w *writer) layers(s *Store, other Layer) {
	if s.layers != nil {
		w.name("layers")
		w.stay(s.layers)
		return
	}
	some := false
	for i := range s.sorted {
		layer := cmp.Or(s.sorted[i].layer, rankOf(other))
		if layer == noLayer {
			continue
		}
		if !some {
			w.name("layers")
			w.open()
			some = true
		}
		w.key(s.sorted[i].key)
		w.text(string(layer.name()))
	}
	if some {
		w.close()
	}
}

func (w *writer) metadata(s *Store) {
	if len(s.metadata) == 0 {
		return
	}
	w.name("metadata")
	w.open()
	for _, k := range s.MetadataKeys() {
		w.key(k)
		w.open()
		for _, name := range s.MetadataOf(k) {
			w.name(name)
			w.stay(s.metadata[k][name])
		}
		w.close()
	}
	w.close()
}

func (w *writer) members(unknown []member) {
	for _, m := range unknown {
		w.name(m.name)
		w.stay(m.text)
	}
}

func (w *writer) open() {
	w.add("{")
	w.first = true
}

func (w *writer) close() {
	w.add("}")
	w.first = false
}

// name writes a member's name, after a comma if it is not the first.
func (w *writer) name(name string) {
	w.comma()
	w.text(name)
	w.add(":")
}

// key is name for a key: nothing in it but quotes needs an escape.
func (w *writer) key(k string) {
	w.comma()
	w.add(`"`)
	for {
		plain, rest, quote := strings.Cut(k, `"`)
		w.add(plain)
		if !quote {
			break
		}
		w.add(`\"`)
		k = rest
	}
	w.add(`":`)
}

func (w *writer) comma() {
	if !w.first {
		w.add(",")
	}
	w.first = false
}

func (w *writer) text(s string) {
	w.end()
	out, err := jsontext.AppendQuote(w.own, s)
	w.fail(err)
	if err == nil {
		w.own = out
	}
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// checkValue refuses what Read would refuse.
func checkValue(k string, text json.RawMessage) error {
	if !jsontext.Value(text).IsValid() {
		return fmt.Errorf("value of %s is not JSON", k)
	}
	return checkSize(k, text)
}

func checkSize(k string, text json.RawMessage) error {
	if len(text) > MaxValue {
		return fmt.Errorf("value of %s has %d bytes; at most %d are possible", k, len(text), MaxValue)
	}
	return nil
}

func checkMetadataName(k, name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("name of a metadata of %s has %d bytes, not 1 to %d", k, len(name), MaxName)
	}
	return nil
}
