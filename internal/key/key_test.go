package key_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/key"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("a", key.MaxLength)
	for _, tc := range []struct {
		text     string
		segments []string
		want     key.Key
	}{
		{"a", []string{"a"}, "a"},
		{"settings.motd", []string{"settings", "motd"}, "settings.motd"},
		{`a."b.c".d`, []string{"a", "b.c", "d"}, `a."b.c".d`},
		{`a."b"`, []string{"a", "b"}, "a.b"},
		{`a.b"."c`, []string{"a", "b.c"}, `a."b.c"`},
		{`a."net/ipv4.x"`, []string{"a", "net/ipv4.x"}, `a."net/ipv4.x"`},
		{"A-1_/z", []string{"A-1_/z"}, "A-1_/z"},
		{`a."."`, []string{"a", "."}, `a."."`},
		{long, []string{long}, key.Key(long)},
	} {
		got, err := key.Parse(tc.text)
		if err != nil {
			t.Errorf("Parse(%q): %v", tc.text, err)
			continue
		}
		if got != tc.want {
			t.Errorf("Parse(%q) = %q, want %q", tc.text, got, tc.want)
		}
		if diff := cmp.Diff(got.Segments(), tc.segments); diff != "" {
			t.Errorf("Parse(%q).Segments() (-got +want):\n%s", tc.text, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, why := range map[string]string{
		"":               "cannot be empty",
		".a":             "empty key segment",
		"a..b":           "empty key segment",
		`""`:             "empty key segment",
		`a.""`:           "empty key segment",
		"a.":             "ends with separator",
		"settings.":      "ends with separator",
		"a b":            "invalid character in key: ' '",
		`a."b c"`:        "invalid character in key: ' '",
		"é":              "invalid character in key: 'é'",
		"a:b":            "invalid character in key: ':'",
		`settings."open`: "unbalanced quotes",
	} {
		_, err := key.Parse(text)
		var syntax *key.SyntaxError
		if !errors.As(err, &syntax) || syntax.Why != why {
			t.Errorf("Parse(%q): got %v, want %q", text, err, why)
		}
	}
	var length *key.LengthError
	if _, err := key.Parse(strings.Repeat("a", key.MaxLength+1)); !errors.As(err, &length) {
		t.Errorf("Parse of %d bytes: got %v", key.MaxLength+1, err)
	}
}

func TestFromSegments(t *testing.T) {
	if got, err := key.FromSegments("a", "b.c"); got != `a."b.c"` || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range [][]string{nil, {""}, {"a", ""}, {"a b"}, {`a"b`}, {strings.Repeat("x", 256)}} {
		if got, err := key.FromSegments(bad...); err == nil {
			t.Errorf("FromSegments(%q) = %q, want an error", bad, got)
		}
	}
}

func TestFamily(t *testing.T) {
	k := key.MustParse(`settings.kernel.sysctl."vm.x"`)
	parent, _ := k.Parent()
	if parent != "settings.kernel.sysctl" || k.Last() != "vm.x" {
		t.Errorf("Parent = %q, Last = %q", parent, k.Last())
	}
	if p, ok := key.Key("settings").Parent(); ok {
		t.Errorf("Parent of one segment = %q", p)
	}
	for ancestor, want := range map[key.Key]bool{
		"settings": true, "settings.kernel": true, k: true, "settings.kern": false, "settings.kernel.sysctl.vm": false,
	} {
		if got := k.Within(ancestor); got != want {
			t.Errorf("Within(%q) = %v", ancestor, got)
		}
	}
}

var segment = rapid.StringMatching(`[a-zA-Z0-9_\-/.]{1,12}`)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments := rapid.SliceOfN(segment, 1, 8).Draw(t, "segments")
		k, err := key.FromSegments(segments...)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(k.Segments(), segments) {
			t.Fatalf("%q.Segments() = %q, want %q", k, k.Segments(), segments)
		}
		again, err := key.Parse(string(k))
		if err != nil || again != k {
			t.Fatalf("Parse(%q) = %q, %v", k, again, err)
		}
		if parent, ok := k.Parent(); ok {
			child, err := parent.Child(k.Last())
			if err != nil || child != k || !k.Within(parent) {
				t.Fatalf("Child(%q, %q) = %q, %v", parent, k.Last(), child, err)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "a", "a.b", `a."b.c"`, `"`, `a""b`, "a.", "..", "\xff", `x"."y"."z`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := key.Parse(text)
		if err != nil {
			return
		}
		again, err := key.FromSegments(k.Segments()...)
		if len(k) <= key.MaxLength && (err != nil || again != k) {
			t.Fatalf("Parse(%q) = %q, from segments %q, %v", text, k, again, err)
		}
	})
}
