package shellwords_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/shellwords"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		"a b":                 {"a", "b"},
		"  a\t b\n":           {"a", "b"},
		`a 'b c' "d e"`:       {"a", "b c", "d e"},
		`a'b'"c"d`:            {"abcd"},
		`'' ""`:               {"", ""},
		`a\ b \'c`:            {"a b", "'c"},
		`"a\"b\\c\d\$e"`:      {`a"b\c\d$e`},
		"\"a\\\nb\" c\\\nd":   {"ab", "cd"},
		`'a\b' $HOME *`:       {`a\b`, "$HOME", "*"},
		`x --t '{{ a }}/b:1'`: {"x", "--t", "{{ a }}/b:1"},
	} {
		got, err := shellwords.Split(line)
		if diff := cmp.Diff(got, want); err != nil || diff != "" {
			t.Errorf("%q: %v (-got +want)\n%s", line, err, diff)
		}
	}
	for line, want := range map[string]error{"": shellwords.ErrEmpty, " ": shellwords.ErrEmpty, "a 'b": shellwords.ErrQuote, `a "b`: shellwords.ErrQuote, `a\`: shellwords.ErrSlash} {
		if got, err := shellwords.Split(line); err != want {
			t.Errorf("%q: got %q, %v; want %v", line, got, err, want)
		}
	}
}

// Whatever the words, quoted they come back.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.StringMatching(`[ -~\n]{0,8}`), 1, 5).Draw(t, "words")
		var quoted []string
		for _, w := range want {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		got, err := shellwords.Split(strings.Join(quoted, " "))
		if diff := cmp.Diff(got, want); err != nil || diff != "" {
			t.Fatalf("%v (-got +want)\n%s", err, diff)
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add(`a 'b' "c\""`)
	f.Fuzz(func(_ *testing.T, line string) { _, _ = shellwords.Split(line) })
}
