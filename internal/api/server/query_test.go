package server

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParseQuery(t *testing.T) {
	tests := []struct {
		name, raw string
		want      query
	}{
		{"none", "", query{}},
		{"one", "keys=a", query{"keys": "a"}},
		{"the last counts", "tx=a&tx=b", query{"tx": "b"}},
		{"no value", "keys", query{"keys": ""}},
		{"no name", "=x", query{"": "x"}},
		{"empty parts", "&&tx=a&", query{"tx": "a"}},
		{"several signs", "a=b=c", query{"a": "b=c"}},
		{"escapes", "tx=sp%20ace+x%2B", query{"tx": "sp ace x+"}},
		{"escaped name", "t%78=a", query{"tx": "a"}},
		{"UTF-8", "tx=%C3%A9", query{"tx": "é"}},
		{"stray percent", "tx=100%&k=%ZZ&p=%4", query{"tx": "100%", "k": "%ZZ", "p": "%4"}},
		{"stray percent and escapes", "tx=%ZZ%20+%2b", query{"tx": "%ZZ  +"}},
		{"not UTF-8", "tx=%FF%41", query{"tx": "\uFFFDA"}},
		{"semicolons separate nothing", "a=1;b=2", query{"a": "1;b=2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(parseQuery(tt.raw), tt.want); diff != "" {
				t.Errorf("parseQuery(%q) (-got +want):\n%s", tt.raw, diff)
			}
		})
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add("keys=a,b&tx=%C3%A9&prefix=%ZZ")
	f.Fuzz(func(t *testing.T, raw string) {
		q := parseQuery(raw)
		for name, value := range q {
			if !utf8.ValidString(name) || !utf8.ValidString(value) {
				t.Errorf("%q: %q", name, value)
			}
		}
		if _, _, err := q.keys(); err != nil && explain(err).Code != "invalid" {
			t.Errorf("keys of %q: %v", raw, err)
		}
	})
}

func TestIsJSON(t *testing.T) {
	tests := map[string]bool{
		"application/json":                  true,
		"application/json; charset=utf-8":   true,
		"Application/JSON":                  true,
		"application/merge-patch+json":      true,
		"text/json":                         true,
		"application/vnd.x+json;q=1":        true,
		"":                                  false,
		"json":                              false,
		"text/plain":                        false,
		"application/x-www-form-urlencoded": false,
		"application/jsonp":                 false,
		"application/json; charset":         false,
	}
	for contentType, want := range tests {
		if got := isJSON(contentType); got != want {
			t.Errorf("isJSON(%q) = %v, want %v", contentType, got, want)
		}
	}
}

func TestCheckDepth(t *testing.T) {
	tests := []struct {
		name, doc string
		ok        bool
	}{
		{"flat", `{"a": 1}`, true},
		{"at the limit", strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), true},
		{"beyond it", strings.Repeat(`{"a":`, maxDepth+1), false},
		{"siblings", strings.Repeat("[],", 1000), true},
		{"in a string", `"` + strings.Repeat("[", 1000) + `"`, true},
		{"behind an escaped quote", `"\"` + strings.Repeat("[", 1000) + `"`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := checkDepth([]byte(tt.doc)); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
	if got, want := checkDepth([]byte("\n "+strings.Repeat("[", maxDepth+1))).Error(), "recursion limit exceeded at line 2 column 130"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want it to end with %q", got, want)
	}
}

func TestEscapeHeader(t *testing.T) {
	if got, want := escapeHeader("é 100%\n"), "%C3%A9 100%25%0A"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
