package migration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Read reads one document and nothing behind it. Members named twice, texts
// that are not UTF-8, keys that are none and whatever exceeds the limits are
// refused.
func Read(r io.Reader) (*Document, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	return Parse(text)
}

// Parse is Read for a text, which the document keeps: it must not be changed
// afterwards.
func Parse(text []byte) (*Document, error) {
	if len(text) > MaxDocument {
		return nil, fmt.Errorf("read document: it has more than %d bytes", MaxDocument)
	}
	r := &reader{text: text, dec: jsontext.NewDecoder(bytes.NewBuffer(text))}
	d, err := r.document()
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	return d, nil
}

// reader walks over the tokens of a document once. Values are parts of its text.
type reader struct {
	text []byte
	dec  *jsontext.Decoder
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
	return d, r.end()
}

// end refuses what follows the document.
func (r *reader) end() error {
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
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
	layers := map[string]Layer{}
	err := r.object(func(name string) error {
		switch name {
		case "data":
			return r.data(s)
		case "layers":
			return r.layers(layers)
		case "metadata":
			return r.metadata(s)
		}
		return r.keep(&s.unknown, name)
	})
	if err != nil {
		return nil, err
	}
	return s, s.place(layers)
}

// data reads the settings. They are sorted already when a program of the suite wrote them.
func (r *reader) data(s *Store) error {
	err := r.keys(func(k string) error {
		value, err := r.value()
		if err == nil {
			err = checkSize(k, value)
		}
		s.sorted = append(s.sorted, datum{key: k, value: value})
		return err
	})
	if err != nil {
		return err
	}
	if !slices.IsSortedFunc(s.sorted, byKey) {
		slices.SortFunc(s.sorted, byKey)
	}
	for i := range len(s.sorted) - 1 {
		if s.sorted[i].key == s.sorted[i+1].key {
			return fmt.Errorf("key %s is there twice", s.sorted[i].key)
		}
	}
	return nil
}

func (r *reader) layers(layers map[string]Layer) error {
	return r.keys(func(k string) error {
		var layer Layer
		err := r.decode((*string)(&layer))
		if err == nil && !slices.Contains(Layers(), layer) {
			err = fmt.Errorf("%s: there is no layer %q; there are %v", k, layer, Layers())
		}
		layers[k] = layer
		return err
	})
}

// place gives the settings their layers.
func (s *Store) place(layers map[string]Layer) error {
	for k, layer := range layers {
		i, ok := s.search(k)
		if !ok {
			return fmt.Errorf("key %s has a layer, but no value", k)
		}
		s.sorted[i].layer = layer
	}
	return nil
}

func (r *reader) metadata(s *Store) error {
	return r.keys(func(k string) error {
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

// keys is object for one whose members are named by keys, which it hands out in canonical form.
func (r *reader) keys(fn func(k string) error) error {
	count := 0
	return r.object(func(name string) error {
		if count++; count > MaxKeys {
			return fmt.Errorf("there are more than %d keys", MaxKeys)
		}
		k, err := canonical(name)
		if err != nil {
			return err
		}
		return fn(k)
	})
}

// object calls fn for each member of an object; fn reads the value.
func (r *reader) object(fn func(name string) error) error {
	if r.dec.PeekKind() != '{' {
		return r.unexpected("an object")
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	for r.dec.PeekKind() == '"' {
		name, err := r.dec.ReadToken()
		if err != nil {
			return err
		}
		if err := fn(name.String()); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return err
}

// value returns the text of the next value as it stands.
func (r *reader) value() (json.RawMessage, error) {
	value, err := r.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(r.dec.InputOffset())
	return r.text[end-len(value) : end : end], nil
}

func (r *reader) decode(into any) error {
	value, err := r.value()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("%s: %w", r.dec.StackPointer(), err)
	}
	return nil
}

func (r *reader) keep(unknown *[]member, name string) error {
	value, err := r.value()
	*unknown = append(*unknown, member{name, value})
	return err
}

// unexpected says what was found at the reader's place instead of what was
// wanted. The value itself is not told: it may be secret.
func (r *reader) unexpected(wanted string) error {
	kind := r.dec.PeekKind()
	if kind == 0 {
		if _, err := r.dec.ReadToken(); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return errors.New("it ends too early")
	}
	where := string(r.dec.StackPointer())
	if where == "" {
		where = "the whole"
	}
	return fmt.Errorf("%s: expected %s, found %s", where, wanted, kind)
}
