package refmigrate

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"unicode"

	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/refstore"
	"github.com/hostler-os/hostler/migration"
)

// storeOf writes a document as a datastore of the reference.
func storeOf(doc *migration.Document) (*refstore.Store, error) {
	s := &refstore.Store{Live: partOf(doc.Live), Pending: map[string]refstore.Part{}}
	for _, k := range doc.Live.MetadataKeys() {
		for _, name := range doc.Live.MetadataOf(k) {
			value, _ := doc.Live.Metadata(k, name)
			s.Live.Metadata = append(s.Live.Metadata, refstore.Metadata{Key: key.Key(k), Name: name, Value: value})
		}
	}
	for name, store := range transactions(doc) {
		if name == "" {
			return nil, fmt.Errorf("a transaction has no name")
		}
		s.Pending[name] = partOf(store)
	}
	return s, nil
}

func partOf(s *migration.Store) (p refstore.Part) {
	for k, value := range s.All() {
		p.Data = append(p.Data, key.Pair{Key: key.Key(k), Value: value})
	}
	return p
}

// transactions are the parts of a document beside the live one, by the names
// that they have as pending transactions.
func transactions(doc *migration.Document) map[string]*migration.Store {
	all := map[string]*migration.Store{}
	maps.Copy(all, doc.Pending)
	for layer, store := range doc.Shadowed {
		name := "shadowed-" + string(layer)
		for doc.Pending[name] != nil { // somebody's own
			name += "-"
		}
		all[name] = store
	}
	return all
}

// room is what the source and a target take that has grown by some settings.
func room(s *refstore.Store) (bytes, count int64) {
	const spareBytes, spareCount = 32 << 20, 16 << 10
	page := int64(os.Getpagesize())
	add := func(k key.Key, value []byte) {
		bytes += (int64(len(value))/page + 1) * page
		count += int64(len(k.Segments())) + 1 // with folders that it may share
	}
	for _, part := range append([]refstore.Part{s.Live}, parts(s)...) {
		for _, d := range part.Data {
			add(d.Key, d.Value)
		}
		for _, m := range part.Metadata {
			add(m.Key, m.Value)
		}
	}
	return 3*bytes + spareBytes, 3*count + spareCount
}

func parts(s *refstore.Store) (all []refstore.Part) {
	for _, p := range s.Pending {
		all = append(all, p)
	}
	return all
}

// osRelease is the image's file, as far as migrations look at it. The reference
// takes quotes away and knows no escapes.
func osRelease(image migration.OS) string {
	var text strings.Builder
	for _, line := range [][2]string{
		{"PRETTY_NAME", image.PrettyName},
		{"VARIANT_ID", image.VariantID},
		{"VERSION_ID", image.VersionID},
		{"BUILD_ID", image.BuildID},
	} {
		fmt.Fprintf(&text, "%s=\"%s\"\n", line[0], strings.Map(oneLine, line[1]))
	}
	return text.String()
}

// oneLine leaves out what would end a line.
func oneLine(r rune) rune {
	if unicode.IsControl(r) {
		return -1
	}
	return r
}
