package migration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// Read reads one document and nothing behind it. Members named twice, texts
// that are not UTF-8, keys that are none and whatever exceeds the limits are
// refused.
func Read(r io.Reader) (*Document, error) {
	var text bytes.Buffer
	text.Grow(sizeOf(r) + bytes.MinRead)
	if _, err := text.ReadFrom(io.LimitReader(r, MaxDocument+1)); err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	return Parse(text.Bytes())
}

// sizeOf is the memory, in bytes, that what r brings fits into, so that it need
// not grow; where that cannot be told, what most documents fit into. What of it
// is not written to costs nothing.
func sizeOf(r io.Reader) int {
	const most = 4 << 20
	switch r := r.(type) {
	case interface{ Len() int }: // such as bytes.Reader
		return r.Len()
	case fs.File:
		if info, err := r.Stat(); err == nil && info.Mode().IsRegular() {
			return int(min(info.Size(), MaxDocument))
		}
	}
	return most
}

// Parse is Read for a text, which the document keeps: it must not be changed
// afterwards.
func Parse(text []byte) (*Document, error) {
	if len(text) > MaxDocument {
		return nil, fmt.Errorf("read document: it has more than %d bytes", MaxDocument)
	}
	r := &reader{scanner: scanner{text: text}}
	d, err := r.document()
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	d.size = len(text)
	return d, nil
}

// reader makes a document of a text. Values are parts of it.
type reader struct {
	scanner
	keys    arena
	parent  string // of the last key, with its dot
	guessed bool   // how many settings there are
}

func (r *reader) document() (*Document, error) {
	d := NewDocument("", "")
	d.Live = nil
	version := 0
	members := map[string]func() error{
		"version":  func() error { return r.decode(&version) },
		"os":       func() error { return r.decode(&d.OS) },
		"from":     func() error { return r.decode(&d.From) },
		"to":       func() error { return r.decode(&d.To) },
		"live":     func() (err error) { d.Live, err = r.store(); return err },
		"shadowed": func() error { return r.shadowed(d) },
		"pending":  func() error { return r.pending(d) },
	}
	err := r.object(func(name string) error {
		if read := members[name]; read != nil {
			return read()
		}
		return r.keep(&d.unknown, name)
	})
	if err != nil {
		return nil, err
	}
	if version != FormatVersion {
		return nil, fmt.Errorf("%w: %d, not %d: build the migration with the package of that version", ErrFormatVersion, version, FormatVersion)
	}
	if d.Live == nil {
		return nil, errors.New(`member "live" is missing`)
	}
	if r.next(); r.at < len(r.text) {
		return nil, errors.New("something follows the document")
	}
	return d, nil
}

func (r *reader) shadowed(d *Document) error {
	return r.object(func(name string) error {
		if !slices.Contains(Layers(), Layer(name)) {
			return fmt.Errorf("there is no layer %q; there are %v", name, Layers())
		}
		store, err := r.store()
		d.Shadowed[Layer(name)] = store
		return err
	})
}

func (r *reader) pending(d *Document) error {
	return r.object(func(name string) error {
		if len(name) > MaxName {
			return fmt.Errorf("name of a transaction has %d bytes; at most %d are possible", len(name), MaxName)
		}
		if len(d.Pending) == MaxTransactions {
			return fmt.Errorf("there are more than %d transactions", MaxTransactions)
		}
		store, err := r.store()
		d.Pending[name] = store
		return err
	})
}

func (r *reader) store() (*Store, error) {
	s := NewStore()
	early := -1 // where layers are that stand before what they are of
	err := r.object(func(name string) error {
		switch name {
		case "data":
			return r.data(s)
		case "layers":
			if s.sorted != nil {
				return r.layers(s)
			}
			early = r.at
			_, err := r.value()
			return err
		case "metadata":
			return r.metadata(s)
		}
		return r.keep(&s.unknown, name)
	})
	if err != nil || early < 0 {
		return s, err
	}
	end := r.at
	r.at = early
	err = r.layers(s)
	r.at = end
	return s, err
}

// data reads the settings. They are sorted already when a program of the suite wrote them.
func (r *reader) data(s *Store) error {
	s.sorted = make([]datum, 0, r.guess())
	sorted := true
	err := r.members(func(name []byte) error {
		d, err := r.datum(name)
		if n := len(s.sorted); n > 0 && s.sorted[n-1].key >= d.key {
			sorted = false
		}
		s.sorted = append(s.sorted, d)
		return err
	})
	if err != nil || sorted {
		return err
	}
	slices.SortFunc(s.sorted, byKey)
	for i := range len(s.sorted) - 1 {
		if s.sorted[i].key == s.sorted[i+1].key {
			return fmt.Errorf("key %s is there twice", s.sorted[i].key)
		}
	}
	return nil
}

// guess is about how many settings come next: of the part that is read first, which
// is the live one, what the rest of the document has room for. The others grow as
// they are read, since a thousand of them must not take room for all of it each.
func (r *reader) guess() int {
	if r.guessed {
		return 0
	}
	r.guessed = true
	return (len(r.text) - r.at) / 100
}

// datum reads what a key has.
func (r *reader) datum(name []byte) (datum, error) {
	k, written, err := r.key(name)
	if err != nil {
		return datum{}, err
	}
	adjoins := r.at
	value, err := r.value()
	if err == nil {
		err = checkSize(k, value)
	}
	if err != nil {
		return datum{}, fmt.Errorf("%s: %w", k, err)
	}
	start, end := adjoins-len(name)-1, r.at
	if !written || end-len(value) != adjoins || start < 0 || &r.text[start] != &name[0] {
		return datum{key: k, text: value}, nil
	}
	return datum{key: k, text: r.text[start:end], at: int32(len(name) + 1)}, nil
}

// layers reads the layers that settings are from, which mostly stand in the
// same order. If they are all that a writer would write, they are kept.
func (r *reader) layers(s *Store) error {
	start, next, tight := r.at, 0, len("{}")
	err := r.members(func(name []byte) error {
		i, ok := next, next < len(s.sorted) && s.sorted[next].named(name)
		if ok {
			tight += len(name) + len(":,")
		} else {
			i, ok = s.search(lookup(unquote(name)))
		}
		next = i + 1
		if !ok {
			return fmt.Errorf("key %s has a layer, but no value", unquote(name))
		}
		if s.sorted[i].layer != noLayer {
			return fmt.Errorf("key %s has two layers", unquote(name))
		}
		var err error
		s.sorted[i].layer, err = r.layer()
		tight += len(s.sorted[i].layer.name()) + len(`""`)
		return err
	})
	if n := len(s.sorted); n > 0 && next == n && r.at-start == tight-len(",") {
		s.layers = r.text[start:r.at]
	}
	return err
}

func (r *reader) layer() (layerRank, error) {
	value, err := r.value()
	if err != nil {
		return noLayer, err
	}
	if value[0] == '"' {
		if rank := rankOf(layerName(value)); rank != noLayer {
			return rank, nil
		}
	}
	return noLayer, r.failed(fmt.Errorf("there is no layer %s; there are %v", value, Layers()))
}

// layerName is unquote for the names that are there, without making them anew.
func layerName(value []byte) Layer {
	for _, name := range layerNames {
		if string(value[1:len(value)-1]) == string(name) {
			return name
		}
	}
	return Layer(unquote(value))
}

func (r *reader) metadata(s *Store) error {
	return r.members(func(name []byte) error {
		k, _, err := r.key(name)
		if err != nil {
			return err
		}
		if s.metadata[k] != nil {
			return fmt.Errorf("key %s is there twice", k)
		}
		return r.object(func(name string) error {
			if err := checkMetadataName(k, name); err != nil {
				return err
			}
			value, err := r.value()
			if err == nil {
				err = checkSize(k, value)
			}
			s.putMetadata(k, name, value)
			return err
		})
	})
}

// key returns the key that a name is, and whether the name is written as keys
// are written. Most keys stand beside the one before them.
func (r *reader) key(name []byte) (k string, written bool, err error) {
	text, known := r.keys.unquote(name), 0
	if strings.HasPrefix(text, r.parent) {
		known = len(r.parent)
	}
	last, ok := canonicalAfter(text, known)
	if !ok {
		k, err = canonical(text)
		return k, false, err
	}
	r.parent = text[:last]
	return text, len(name) == len(text)+strings.Count(text, `"`)+2, nil
}

// object calls fn for each member of an object that has a few; fn reads the value.
func (r *reader) object(fn func(name string) error) error {
	seen := map[string]bool{}
	return r.members(func(text []byte) error {
		name := unquote(text)
		if seen[name] {
			return fmt.Errorf("member %q is there twice", name)
		}
		seen[name] = true
		r.path = append(r.path, name)
		defer func() { r.path = r.path[:len(r.path)-1] }()
		return fn(name)
	})
}

func (r *reader) decode(into any) error {
	value, err := r.value()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(value, into); err != nil {
		return r.failed(err)
	}
	return nil
}

func (r *reader) keep(unknown *[]member, name string) error {
	value, err := r.value()
	*unknown = append(*unknown, member{name, value})
	return err
}
