package migration_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/hostler-os/hostler/migration"
)

// Forms of keys: without and with quotes.
const (
	bare   = "settings.group-%03d.setting-%05d"
	quoted = `settings.group-%03d."setting-%05d.example.com"`
)

// large is a document of that many settings, about 90 bytes each.
func large(tb testing.TB, keys int, form string) []byte {
	tb.Helper()
	d := migration.NewDocument("1.0.0", "1.1.0")
	for i := range keys {
		if err := d.Live.Set(fmt.Sprintf(form, i%100, i), map[string]any{"value": i}); err != nil {
			tb.Fatal(err)
		}
	}
	text, err := d.Append(nil, true)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// One migration over 10,000 keys, without the start of its process.
func BenchmarkRun(b *testing.B) {
	m := migration.Rename("settings.group-007", "settings.group-x")
	for name, form := range map[string]string{"bare": bare, "quoted": quoted} {
		b.Run(name, func(b *testing.B) {
			text := large(b, 10_000, form)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if code := migration.Run(m, []string{"migrate", "--forward"}, bytes.NewReader(text), io.Discard, io.Discard); code != 0 {
					b.Fatal(code)
				}
			}
		})
	}
}

// The floor: what encoding/json needs to check the same text.
func BenchmarkValid(b *testing.B) {
	text := large(b, 10_000, bare)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if !json.Valid(text) {
			b.Fatal("not valid")
		}
	}
}
