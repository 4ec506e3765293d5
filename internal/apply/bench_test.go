package apply_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
)

// BenchmarkFloor is what durability alone costs: two updates of the store that put one
// small record each, and one file written. BenchmarkSet may be faster, since
// its second update comes later and together with the next change's.
func BenchmarkFloor(b *testing.B) {
	w := open(b, b.TempDir())
	put := func(i int) {
		err := w.store.Update(b.Context(), datastore.Author{}, func(tx *datastore.Tx) error {
			return tx.PutChange(1, false, fmt.Appendf(nil, "%d", i))
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for i := 0; b.Loop(); i++ {
		put(i)
		a := durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep}
		if err := durable.WriteFile(durable.OS{}, w.root.Join("/etc/need"), fmt.Appendf(nil, "%d", i), a); err != nil {
			b.Fatal(err)
		}
		put(-i)
	}
}

// BenchmarkSet is a change of one setting that one file shows, submitted and waited for.
func BenchmarkSet(b *testing.B) {
	w := open(b, b.TempDir())
	for i := 0; b.Loop(); i++ {
		must(b, w.do(b, set(fmt.Sprintf("need=%d", i))), api.StateDone)
	}
}

// BenchmarkSetAmongMany is the same with 100,000 other settings stored.
func BenchmarkSetAmongMany(b *testing.B) {
	w := open(b, b.TempDir())
	many := set()
	for i := range 100_000 {
		k := key.Key(fmt.Sprintf("settings.other.k%d", i))
		many.Edits.Set = append(many.Edits.Set, key.Pair{Key: k, Value: json.RawMessage(`"x"`)})
	}
	err := w.store.Update(b.Context(), datastore.Author{}, func(tx *datastore.Tx) error { return tx.Edit(many.Edits) })
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		must(b, w.do(b, set(fmt.Sprintf("need=%d", i))), api.StateDone)
	}
}

// BenchmarkPlan is the work that syncs nothing.
func BenchmarkPlan(b *testing.B) {
	w := open(b, b.TempDir())
	must(b, w.do(b, set("a=a1", "b=b1")), api.StateDone)
	for b.Loop() {
		if _, err := w.Plan(b.Context(), set("a=a2", "b=b2")); err != nil {
			b.Fatal(err)
		}
	}
}
