package refmigrate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/refstore"
	"github.com/hostler-os/hostler/migration"
)

// imageKeys are what programs add to every part to look at it, and write back
// with the rest.
var imageKeys = []string{"os.arch", "os.build_id", "os.pretty_name", "os.variant_id", "os.version_id"}

// update makes the document what a program has written.
func update(doc *migration.Document, written *refstore.Store) error {
	if err := updateData(doc.Live, written.Live); err != nil {
		return err
	}
	if err := updateMetadata(doc.Live, written.Live); err != nil {
		return err
	}
	known := transactions(doc)
	for name := range written.Pending {
		if known[name] == nil {
			return fmt.Errorf("it wrote a transaction %q, which nobody has begun", name)
		}
	}
	for name, store := range known {
		if err := updateData(store, written.Pending[name]); err != nil {
			return err
		}
	}
	return nil
}

func updateData(s *migration.Store, written refstore.Part) error {
	for _, d := range written.Data {
		old, known := s.Get(string(d.Key))
		if known && same(old, d.Value) || slices.Contains(imageKeys, string(d.Key)) {
			continue
		}
		if err := s.SetRaw(string(d.Key), d.Value); err != nil {
			return err
		}
	}
	for k := range s.All() {
		if _, ok := written.Value(key.Key(k)); !ok {
			s.Delete(k)
		}
	}
	return nil
}

func updateMetadata(s *migration.Store, written refstore.Part) error {
	kept := map[[2]string]bool{}
	for _, m := range written.Metadata {
		k := string(m.Key)
		kept[[2]string{k, m.Name}] = true
		if old, ok := s.Metadata(k, m.Name); ok && same(old, m.Value) {
			continue
		}
		if err := s.SetMetadata(k, m.Name, m.Value); err != nil {
			return err
		}
	}
	for _, k := range s.MetadataKeys() {
		for _, name := range s.MetadataOf(k) {
			if !kept[[2]string{k, name}] {
				s.DeleteMetadata(k, name)
			}
		}
	}
	return nil
}

// same tells whether two texts are the same JSON: programs read and write every
// value, and put numbers, escapes and members in forms and orders of their own.
func same(a, b json.RawMessage) bool {
	return bytes.Equal(a, b) || bytes.Equal(canonical(a), canonical(b))
}

// canonical keeps whole numbers as they are written: large ones differ although
// they would be the same as a float.
func canonical(text json.RawMessage) []byte {
	v := jsontext.Value(bytes.Clone(text))
	if v.Canonicalize(jsontext.CanonicalizeRawInts(false)) != nil {
		return text // it is none, and no form of another
	}
	return v
}
