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
	var text bytes.Buffer
	size := firstRead
	if sized, ok := r.(interface{ Len() int }); ok { // such as bytes.Reader
		size = sized.Len() + bytes.MinRead
	}
	text.Grow(size)
	if _, err := text.ReadFrom(io.LimitReader(r, MaxDocument+1)); err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	return Parse(text.Bytes())
}

// firstRead is memory that most documents fit into, so that it need not grow.
// What of it is not written to costs nothing.
const firstRead = 1 << 20

// Parse is Read for a text, which the document keeps: it must not be changed
// afterwards.
func Parse(text []byte) (*Document, error) {
	if len(text) > MaxDocument {
		return nil, fmt.Errorf("read document: it has more than %d bytes", MaxDocument)
	}
	r := &reader{text: text, copy: string(text), dec: jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))}
	d, err := r.document()
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	d.size = len(text)
	return d, nil
}

// reader walks over the tokens of a document once. Values are parts of its text.
// That no name is there twice it sees itself: the decoder would remember all
// names of an object for that, which takes longer than all else.
type reader struct {
	text []byte
	copy string // of the text: keys are parts of it, so that they need no memory of their own
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
	var layers []placed
	err := r.object(func(name string) error {
		switch name {
		case "data":
			return r.data(s)
		case "layers":
			return r.layers(&layers)
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
	s.sorted = make([]datum, 0, r.guess())
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

// guess is about how many settings the rest of the document has.
func (r *reader) guess() int { return (len(r.text) - int(r.dec.InputOffset())) / 100 }

// placed is the layer of a key, which is not copied out of the document's text
// unless it has escapes.
type placed struct {
	key   []byte
	layer Layer
}

func (r *reader) layers(layers *[]placed) error {
	*layers = make([]placed, 0, r.guess())
	return r.names(func(k []byte) error {
		layer, err := r.layer()
		if err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
		*layers = append(*layers, placed{k, layer})
		return nil
	})
}

func (r *reader) layer() (Layer, error) {
	value, err := r.value()
	if err != nil {
		return "", err
	}
	text, err := unquote(value)
	for _, layer := range Layers() {
		if err == nil && string(text) == string(layer) {
			return layer, nil
		}
	}
	return "", fmt.Errorf("there is no layer %s; there are %v", value, Layers())
}

// place gives the settings their layers, which mostly stand in the same order.
func (s *Store) place(layers []placed) error {
	for n, l := range layers {
		i, ok := n, n < len(s.sorted) && s.sorted[n].key == string(l.key)
		if !ok {
			i, ok = s.search(lookup(string(l.key)))
		}
		if !ok {
			return fmt.Errorf("key %s has a layer, but no value", l.key)
		}
		if s.sorted[i].layer != "" {
			return fmt.Errorf("key %s has two layers", l.key)
		}
		s.sorted[i].layer = l.layer
	}
	return nil
}

func (r *reader) metadata(s *Store) error {
	return r.keys(func(k string) error {
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

// keys is names for keys, which it hands out in canonical form.
func (r *reader) keys(fn func(k string) error) error {
	return r.names(func(name []byte) error {
		k, err := canonical(r.string(name))
		if err != nil {
			return err
		}
		return fn(k)
	})
}

// string returns a name that names has just handed out.
func (r *reader) string(name []byte) string {
	end := int(r.dec.InputOffset()) - 1 // before the quote
	if start := end - len(name); start >= 0 && r.copy[start:end] == string(name) {
		return r.copy[start:end]
	}
	return string(name) // it has escapes
}

// object calls fn for each member of an object that has a few; fn reads the value.
func (r *reader) object(fn func(name string) error) error {
	seen := map[string]bool{}
	return r.names(func(text []byte) error {
		name := string(text)
		if seen[name] {
			return fmt.Errorf("member %q is there twice", name)
		}
		seen[name] = true
		return fn(name)
	})
}

// names calls fn for each member of an object; fn reads the value, and sees to
// it that no name is there twice.
func (r *reader) names(fn func(name []byte) error) error {
	if r.dec.PeekKind() != '{' {
		return r.unexpected("an object")
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	for count := 0; r.dec.PeekKind() == '"'; count++ {
		if count == MaxKeys {
			return fmt.Errorf("%s: there are more than %d members", r.dec.StackPointer(), MaxKeys)
		}
		quoted, err := r.raw()
		if err != nil {
			return err
		}
		name, err := unquote(quoted)
		if err != nil {
			return err
		}
		if err := fn(name); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return err
}

// unquote returns what a JSON string says; without escapes it is a part of the text.
func unquote(text []byte) ([]byte, error) {
	if len(text) > 1 && text[0] == '"' && bytes.IndexByte(text, '\\') < 0 {
		return text[1 : len(text)-1], nil
	}
	return jsontext.AppendUnquote(nil, text)
}

// value returns the text of the next value as it stands.
func (r *reader) value() (json.RawMessage, error) {
	text, err := r.raw()
	if err == nil && (text[0] == '{' || text[0] == '[') && !jsontext.Value(text).IsValid() {
		err = fmt.Errorf("%s: %w in an object", r.dec.StackPointer(), jsontext.ErrDuplicateName)
	}
	return text, err
}

// raw returns the next value, or name, without looking for names that are there twice.
func (r *reader) raw() ([]byte, error) {
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
