package migration

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// What is sure at a glance is what jsontext finds right, and ends where that ends.
func FuzzMeasure(f *testing.F) {
	for _, text := range []string{
		`"a\"b"`, `"a\\"`, `"\u0022"`, `"ä"`, "\"\x1f\"", `"12345678"`, `"1234567\"`, `0`, `01`, `-1`, `10,`, `true`, `truely`, `null}`, `{"a":"}"}`, `[[]`, ``, `"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		size, sure := measure(text)
		if size > len(text) {
			t.Fatalf("%q: size %d", text, size)
		}
		if sure && !jsontext.Value(text[:size]).IsValid() {
			t.Fatalf("%q is no value", text[:size])
		}
		if !sure || text[0] != '"' {
			return
		}
		if got, want := new(arena).unquote(text[:size]), unquote(text[:size]); got != want {
			t.Fatalf("%q says %q, not %q", text[:size], got, want)
		}
	})
}

// Every byte that must be looked at is found, wherever it stands.
func TestPlain(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			text := []byte(strings.Repeat("a", 20))
			text[at] = byte(c)
			want := 20
			if c < ' ' || c >= 0x80 || c == '"' || c == '\\' {
				want = at
			}
			if got := plain(text); got != want {
				t.Errorf("byte %#x at %d: %d bytes are plain, not %d", c, at, got, want)
			}
		}
	}
}
