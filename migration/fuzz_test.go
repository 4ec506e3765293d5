package migration_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/hostler-os/hostler/migration"
)

// Whatever is read can be written, and that is read as the same again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"version":1,"live":{}}`,
		`{"version":1,"os":{"arch":"x"},"from":"1.0.0","to":"2.0.0","live":{"data":{"settings.a":[1,{"b":null}],"settings.\"x.y\"":1e3},"layers":{"settings.a":"generated"},"metadata":{"settings":{"m":1}}},"shadowed":{"user-data":{}},"pending":{"t":{"data":{"a":1}},"":{}},"more":[]}`,
		`{"version":1,"live":{"data":{"a":1,"a":2}}}`, `{"version":1`, `[]`, "\xff", `{"version":1,"live":{"data":{"\u0061":"\ud800"}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := migration.Parse(bytes.Clone(text))
		if err != nil {
			return
		}
		once := format(t, d)
		again, err := migration.Parse([]byte(once))
		if err != nil {
			t.Fatalf("%q is written as %q, which is refused: %v", text, once, err)
		}
		if twice := format(t, again); twice != once {
			t.Fatalf("%q is written as %q, then as %q", text, once, twice)
		}
		if err := migration.Apply(migration.Rename("settings", "other"), migration.Forward, again, slog.New(slog.DiscardHandler)); err == nil {
			format(t, again)
		}
	})
}
