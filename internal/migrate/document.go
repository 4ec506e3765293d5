package migrate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/migration"
)

// layers are those that a datastore holds, the highest first.
var layers = []api.Layer{api.LayerUser, api.LayerUserData, api.LayerGenerated}

// export is the document of what a datastore holds: for each setting its
// highest value, and the others as shadowed. Pending transactions are not
// in it: they are those of a boot that is over.
func export(snap *datastore.Snapshot) (*migration.Document, error) {
	doc := migration.NewDocument("", "")
	for _, layer := range layers {
		for _, k := range snap.InLayer(layer, "") {
			value, _ := snap.ValueIn(layer, k)
			if err := add(doc, string(k), migration.Layer(layer), value); err != nil {
				return nil, err
			}
		}
	}
	return doc, nil
}

// add is called with the highest layer first.
func add(doc *migration.Document, k string, layer migration.Layer, value []byte) error {
	store := doc.Live
	if _, hidden := doc.Live.Get(k); hidden {
		if doc.Shadowed[layer] == nil {
			doc.Shadowed[layer] = migration.NewStore()
		}
		store = doc.Shadowed[layer]
	}
	if err := store.SetRaw(k, value); err != nil {
		return err
	}
	if store == doc.Live {
		return store.SetLayer(k, layer)
	}
	return nil
}

// contents are the values of each layer, sorted by key.
type contents map[api.Layer][]key.Pair

// imported is what a document says that the layers hold. Keys that are not
// settings are left out, and named: what they are of comes from the image.
func imported(doc *migration.Document) (c contents, ignored []string) {
	c = contents{}
	for k, value := range doc.Live.All() {
		if !isSetting(k) {
			ignored = append(ignored, k)
			continue
		}
		layer := api.Layer(doc.Live.Layer(k))
		if layer == "" {
			layer = api.LayerUser
		}
		c[layer] = append(c[layer], key.Pair{Key: key.Key(k), Value: value})
	}
	for name, store := range doc.Shadowed {
		for k, value := range store.All() {
			if isSetting(k) {
				c[api.Layer(name)] = append(c[api.Layer(name)], key.Pair{Key: key.Key(k), Value: value})
			}
		}
	}
	for layer := range c {
		slices.SortStableFunc(c[layer], func(a, b key.Pair) int { return strings.Compare(string(a.Key), string(b.Key)) })
		// A setting that is in a layer twice was live and shadowed: live counts.
		c[layer] = slices.CompactFunc(c[layer], func(a, b key.Pair) bool { return a.Key == b.Key })
	}
	return c, ignored
}

func isSetting(k string) bool { return strings.HasPrefix(k, "settings.") }

// edits lead from what a snapshot holds to c.
func (c contents) edits(snap *datastore.Snapshot) []datastore.Edits {
	var all []datastore.Edits
	for _, layer := range layers {
		e := datastore.Edits{Layer: layer}
		kept := map[key.Key]bool{}
		for _, p := range c[layer] {
			kept[p.Key] = true
			if old, ok := snap.ValueIn(layer, p.Key); !ok || !bytes.Equal(old, p.Value) {
				e.Set = append(e.Set, p)
			}
		}
		for _, k := range snap.InLayer(layer, "") {
			if !kept[k] {
				e.Unset = append(e.Unset, k)
			}
		}
		if len(e.Set)+len(e.Unset) > 0 {
			all = append(all, e)
		}
	}
	return all
}

// diff shows edits to people; secret values are masked.
func diff(snap *datastore.Snapshot, edits []datastore.Edits, secret func(key.Key) bool) []api.Edit {
	var all []api.Edit
	for _, e := range edits {
		after := map[key.Key][]byte{}
		for _, p := range e.Set {
			after[p.Key] = p.Value
		}
		for _, k := range e.Keys() {
			before, _ := snap.ValueIn(e.Layer, k)
			edit := api.Edit{Key: string(k), Layer: e.Layer, Before: before, After: after[k]}
			if secret(k) {
				edit.Before, edit.After = mask(edit.Before), mask(edit.After)
			}
			all = append(all, edit)
		}
	}
	return all
}

func mask(value []byte) []byte {
	if value == nil {
		return nil
	}
	return api.MaskedValue()
}

// title names the way for histories.
func title(from, to string) string { return fmt.Sprintf("migration from %s to %s", from, to) }

// Document is the text that migrations of these settings are given.
func Document(snap *datastore.Snapshot) ([]byte, error) {
	doc, err := export(snap)
	if err != nil {
		return nil, err
	}
	return doc.Append(nil, true)
}
