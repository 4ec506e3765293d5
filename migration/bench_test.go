package migration_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/hostler-os/hostler/migration"
)

// large is a document of that many settings, about 90 bytes each.
func large(tb testing.TB, keys int) []byte {
	tb.Helper()
	d := migration.NewDocument("1.0.0", "1.1.0")
	for i := range keys {
		if err := d.Live.Set(fmt.Sprintf("settings.group-%03d.setting-%05d", i%100, i), map[string]any{"value": i}); err != nil {
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
	text := large(b, 10_000)
	m := migration.Rename("settings.group-007", "settings.group-x")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if code := migration.Run(m, []string{"migrate", "--forward"}, bytes.NewReader(text), io.Discard, io.Discard); code != 0 {
			b.Fatal(code)
		}
	}
}

// The floor: what encoding/json needs to check the same text.
func BenchmarkValid(b *testing.B) {
	text := large(b, 10_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if !json.Valid(text) {
			b.Fatal("not valid")
		}
	}
}
