package refmigrate

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/refstore"
	"github.com/hostler-os/hostler/migration"
)

// Whatever a document holds, it is the same again after it was files.
func TestThereAndBack(t *testing.T) {
	parent := t.TempDir()
	root, err := os.OpenRoot(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		doc := drawDocument(t)
		before := text(t, doc)
		s, err := storeOf(doc)
		if err != nil {
			t.Fatal(err)
		}
		n++
		folder := fmt.Sprint(n)
		if err := refstore.WriteFolder(hasty{}, filepath.Join(parent, folder), s); err != nil {
			t.Fatal(err)
		}
		written, err := refstore.ReadFolder(root, folder)
		if err != nil || len(written.Ignored) > 0 {
			t.Fatal(err, written.Ignored)
		}
		if bytes, count := room(s); bytes < 3*int64(len(before)) || count < int64(3*len(s.Live.Data)) {
			t.Errorf("there is room for %d bytes and %d files", bytes, count)
		}
		if err := update(doc, written); err != nil {
			t.Fatal(err)
		}
		if after := text(t, doc); after != before {
			t.Errorf("got %s\nwas %s", after, before)
		}
	})
}

// hasty does not wait for the disk.
type hasty struct{ durable.OS }

func (h hasty) Create(path string) (durable.File, error) {
	f, err := h.OS.Create(path)
	return hastyFile{f}, err
}

func (hasty) SyncDir(string) error { return nil }

type hastyFile struct{ durable.File }

func (hastyFile) Sync() error { return nil }

func drawDocument(t *rapid.T) *migration.Document {
	doc := migration.NewDocument("1.0.0", "1.1.0")
	fillStore(t, doc.Live)
	for _, k := range rapid.SliceOfN(rapid.Custom(drawKey), 0, 3).Draw(t, "keys") {
		name := rapid.StringMatching(`[a-z_-]{1,8}`).Draw(t, "metadata")
		if err := doc.Live.SetMetadata(k, name, rapid.SampledFrom([]any{"weak", 1, nil, []string{"a"}}).Draw(t, "value")); err != nil {
			t.Fatal(err)
		}
	}
	for _, layer := range rapid.SliceOfNDistinct(rapid.SampledFrom(migration.Layers()), 0, 2, rapid.ID).Draw(t, "shadowed") {
		doc.Shadowed[layer] = migration.NewStore()
		fillStore(t, doc.Shadowed[layer])
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"t", "a b/..", "shadowed-user", "shadowed-user-", "ü%"}), 0, 3, rapid.ID).Draw(t, "pending") {
		doc.Pending[name] = migration.NewStore()
		fillStore(t, doc.Pending[name])
	}
	return doc
}

func fillStore(t *rapid.T, s *migration.Store) {
	for _, k := range rapid.SliceOfN(rapid.Custom(drawKey), 0, 8).Draw(t, "keys") {
		value := rapid.SampledFrom([]string{`"text"`, `1e2`, `-0.0`, `null`, `{"b":1,"a":[true, "\u00fc"]}`, `123456789012345678901234567890`}).Draw(t, "value")
		if err := s.SetRaw(k, []byte(value)); err != nil {
			t.Fatal(err)
		}
		if err := s.SetLayer(k, rapid.SampledFrom(migration.Layers()).Draw(t, "layer")); err != nil {
			t.Fatal(err)
		}
	}
}

// drawKey draws keys of one depth: none is the parent of another.
func drawKey(t *rapid.T) string {
	return "settings." + rapid.StringMatching(`[a-c/_-]{1,3}\.("[a.]*\.[b/]*"|[A-C1-3-]{1,4})`).Draw(t, "key")
}

func text(t *rapid.T, doc *migration.Document) string {
	out, err := doc.Append(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
