package migrationtest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/migration"
)

// fromOlder tries what must be true of a document of the older version: what
// the migration does not name stays, what went forward and back is what it was,
// and forward again leads to the same as before.
func (s Suite) fromOlder(t *rapid.T) {
	before := text(t, Document(t, s.Older))
	after := s.inProcess(t, migration.Forward, before)
	othersStay(t, before, after)
	if s.Idempotent {
		same(t, "forward a second time changes something", s.inProcess(t, migration.Forward, after), after)
	}
	back := s.inProcess(t, migration.Backward, after)
	if !s.Loses {
		same(t, "back again it is not what it was", back, before)
	}
	same(t, "forward again it is not what it was the first time", s.inProcess(t, migration.Forward, back), after)
}

// fromNewer is fromOlder for a document that begins in the newer version. What
// is new in it is lost on the way back; after that nothing is.
func (s Suite) fromNewer(t *rapid.T) {
	newer := text(t, Document(t, s.Newer))
	back := s.inProcess(t, migration.Backward, newer)
	othersStay(t, newer, back)
	forward := s.inProcess(t, migration.Forward, back)
	if !s.Loses {
		same(t, "back again it is not what it was the first time", s.inProcess(t, migration.Backward, forward), back)
	}
}

// othersStay: what the migration does not name is the same afterwards, byte for byte.
func othersStay(t *rapid.T, before, after []byte) {
	t.Helper()
	same(t, "what the migration does not name has changed", strangers(t, after), strangers(t, before))
}

func same(t *rapid.T, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	if diff := cmp.Diff(canonical(t, got), canonical(t, want)); diff != "" {
		t.Fatalf("%s (-got +want):\n%s", what, diff)
	}
}

func text(t *rapid.T, d *migration.Document) []byte {
	t.Helper()
	text, err := d.Append(nil, true)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return text
}

// strange is what keys begin with that no migration names.
const strange = "settings.migrationtest-"

// strangers is a document without the keys that a migration may name.
func strangers(t *rapid.T, document []byte) []byte {
	t.Helper()
	d, err := migration.Parse(document)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, s := range d.Parts() {
		for k := range s.All() {
			if !strings.HasPrefix(k, strange) {
				s.Delete(k)
			}
		}
		for _, k := range s.MetadataKeys() {
			for _, name := range s.MetadataOf(k) {
				if !strings.HasPrefix(k, strange) {
					s.DeleteMetadata(k, name)
				}
			}
		}
	}
	return text(t, d)
}

var (
	segment = rapid.StringOfN(rapid.RuneFrom([]rune("az09_/.-")), 1, 8, -1)
	word    = rapid.StringOfN(rapid.RuneFrom([]rune(" aZ0.\"\\/&<>{}\n\u007fß€😀")), 0, 8, -1)
)

// value is any JSON value, with some levels of lists and objects.
func value(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{rapid.Bool().AsAny(), rapid.Int().AsAny(), rapid.Float64Range(-1e9, 1e9).AsAny(), word.AsAny(), rapid.Just[any](nil)}
	if depth > 0 {
		inner := value(depth - 1)
		kinds = append(kinds, rapid.SliceOfN(inner, 0, 3).AsAny(), rapid.MapOfN(word, inner, 0, 3).AsAny())
	}
	return rapid.OneOf(kinds...)
}

// Document draws a document of a version: settings that it names, in all
// layers and in pending transactions, settings and members that nobody names,
// and metadata.
func Document(t *rapid.T, v Version) *migration.Document {
	d := migration.NewDocument("1.0.0", "1.1.0")
	d.OS = migration.OS{PrettyName: "Test", VariantID: "metal-dev", VersionID: "1.1.0", BuildID: "1", Arch: "x86_64"}
	fill(t, "live", d.Live, v)
	for k := range d.Live.All() {
		must(t, d.Live.SetLayer(k, rapid.SampledFrom(migration.Layers()).Draw(t, "layer of "+k)))
	}
	for i, layer := range migration.Layers()[:2] {
		if rapid.Bool().Draw(t, fmt.Sprint("has layer ", i)) {
			d.Shadowed[layer] = migration.NewStore()
			fill(t, string(layer), d.Shadowed[layer], v)
		}
	}
	for _, name := range rapid.SliceOfNDistinct(word, 0, 2, rapid.ID).Draw(t, "transactions") {
		d.Pending[name] = migration.NewStore()
		fill(t, name, d.Pending[name], v)
	}
	return withStrangeMembers(t, d)
}

func fill(t *rapid.T, part string, s *migration.Store, v Version) {
	for _, k := range slices.Sorted(maps.Keys(v.Settings)) {
		if value, ok := maybe(t, part+" "+k, v.Settings[k]); ok {
			must(t, s.Set(k, value))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(v.Metadata)) {
		for _, name := range slices.Sorted(maps.Keys(v.Metadata[k])) {
			if value, ok := maybe(t, part+" "+k+" "+name, v.Metadata[k][name]); ok {
				must(t, s.SetMetadata(k, name, value))
			}
		}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, part+" strangers") {
		k := fmt.Sprintf(`%s%d."%s"`, strange, i, segment.Draw(t, "segment"))
		must(t, s.Set(k, value(1).Draw(t, k)))
		must(t, s.SetMetadata(k, "of-"+word.Draw(t, "metadata"), value(0).Draw(t, k)))
	}
}

// maybe draws one of the values, or none.
func maybe(t *rapid.T, label string, values []any) (any, bool) {
	i := rapid.IntRange(-1, len(values)-1).Draw(t, label)
	if i < 0 {
		return nil, false
	}
	return values[i], true
}

// withStrangeMembers adds members that a later version of the document may have.
func withStrangeMembers(t *rapid.T, d *migration.Document) *migration.Document {
	head := []byte(`{"later":{"settings.motd":[1, 2]},`)
	again, err := migration.Parse(append(head, text(t, d)[1:]...))
	must(t, err)
	return again
}

func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}
