package migration_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/migration"
)

// A store takes exactly the keys that package key takes, in the same form, and
// a document brings them back: tried with every short text of what matters.
func TestKeysAreThoseOfPackageKey(t *testing.T) {
	texts := []string{"", strings.Repeat("a", key.MaxLength), strings.Repeat("a", key.MaxLength+1), "ä", `"ä."`}
	for last := texts[:1]; len(last[0]) < 6; {
		var longer []string
		for _, text := range last {
			for _, c := range []string{"a", ".", `"`, "!"} {
				longer = append(longer, text+c)
			}
		}
		texts = append(texts, longer...)
		last = longer
	}
	for _, text := range texts {
		want, wrong := key.Parse(text)
		d := migration.NewDocument("1.0.0", "1.1.0")
		if err := d.Live.SetRaw(text, json.RawMessage("1")); (err != nil) != (wrong != nil) {
			t.Fatalf("set %q: %v; package key says %v", text, err, wrong)
		}
		if wrong == nil {
			sameKey(t, d, string(want))
		}
	}
}

func sameKey(t *testing.T, d *migration.Document, want string) {
	t.Helper()
	text, err := d.Append(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	again, err := migration.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for _, d := range []*migration.Document{d, again} {
		for k := range d.Live.All() {
			if k != want {
				t.Errorf("stored %q, expected %q", k, want)
			}
		}
	}
}
