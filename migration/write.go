package migration

import (
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
	text, err := d.Append(nil, false)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	return nil
}

// Append appends the document's text to out: what Write writes, or, for whoever
// starts a migration, the same with os.
func (d *Document) Append(out []byte, withOS bool) ([]byte, error) {
	w := &writer{out: slices.Grow(out, d.size+d.size/8)}
	w.document(d, withOS)
	if w.err != nil {
		return nil, fmt.Errorf("write document: %w", w.err)
	}
	if size := len(w.out) - len(out); size > MaxDocument {
		return nil, fmt.Errorf("write document: it would have %d bytes; at most %d are possible", size, MaxDocument)
	}
	return w.out, nil
}

// writer appends JSON. It keeps the first error and goes on: there is nothing
// that an error could spoil.
type writer struct {
	out []byte
	err error
}

func (w *writer) document(d *Document, withOS bool) {
	w.out = append(w.out, `{"version":`...)
	w.out = strconv.AppendInt(w.out, FormatVersion, 10)
	if withOS {
		text, err := encode("os", d.OS)
		w.fail(err)
		w.name("os")
		w.out = append(w.out, text...)
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
	w.out = append(w.out, "}\n"...)
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

// layers writes the layers that settings are from. One that is new, and not
// placed, has that of its part: of live settings the user's, of others none.
func (w *writer) layers(s *Store, other Layer) {
	first := true
	for i := range s.sorted {
		layer := cmp.Or(s.sorted[i].layer, rankOf(other))
		if layer == noLayer {
			continue
		}
		if first {
			w.name("layers")
			w.open()
			first = false
		}
		w.memberName(&s.sorted[i])
		w.out = append(w.out, '"')
		w.out = append(w.out, layer.name()...)
		w.out = append(w.out, '"')
	}
	if !first {
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
			w.out = append(w.out, s.metadata[k][name]...)
		}
		w.close()
	}
	w.close()
}

func (w *writer) members(unknown []member) {
	for _, m := range unknown {
		w.name(m.name)
		w.out = append(w.out, m.text...)
	}
}

func (w *writer) open()  { w.out = append(w.out, '{') }
func (w *writer) close() { w.out = append(w.out, '}') }

// name writes a member's name, after a comma if it is not the first.
func (w *writer) name(name string) {
	w.comma()
	w.text(name)
	w.out = append(w.out, ':')
}

// member writes a key and its value, as they were read if they still are that.
func (w *writer) member(d *datum) {
	if d.at == 0 {
		w.key(d.key)
	} else {
		w.comma()
	}
	w.out = append(w.out, d.text...)
}

// memberName is member without the value.
func (w *writer) memberName(d *datum) {
	if d.at == 0 {
		w.key(d.key)
		return
	}
	w.comma()
	w.out = append(w.out, d.text[:d.at]...)
}

// key is name for a key: nothing in it but quotes needs an escape.
func (w *writer) key(k string) {
	w.comma()
	w.out = append(w.out, '"')
	for {
		plain, rest, quote := strings.Cut(k, `"`)
		w.out = append(w.out, plain...)
		if !quote {
			break
		}
		w.out = append(w.out, `\"`...)
		k = rest
	}
	w.out = append(w.out, '"', ':')
}

func (w *writer) comma() {
	if w.out[len(w.out)-1] != '{' {
		w.out = append(w.out, ',')
	}
}

func (w *writer) text(s string) {
	out, err := jsontext.AppendQuote(w.out, s)
	w.fail(err)
	if err == nil {
		w.out = out
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
