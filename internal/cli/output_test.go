package cli_test

import (
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/cli"
)

func TestFormatPrint(t *testing.T) {
	value := map[string]any{"b": []any{1, "x <&> y"}, "a": map[string]any{}, "c": "1.10"}
	table := func(w io.Writer) { w.Write([]byte("for people\n")) }
	tests := []struct {
		format cli.Format
		want   string
	}{
		{cli.FormatTable, "for people\n"},
		{cli.FormatJSON, "{\n  \"a\": {},\n  \"b\": [\n    1,\n    \"x <&> y\"\n  ],\n  \"c\": \"1.10\"\n}\n"},
		{cli.FormatYAML, "a: {}\nb:\n  - 1\n  - \"x <&> y\"\nc: \"1.10\"\n"},
	}
	for _, tt := range tests {
		t.Run(string(tt.format), func(t *testing.T) {
			var b strings.Builder
			if err := tt.format.Print(&b, value, table); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(b.String(), tt.want); diff != "" {
				t.Errorf("got - want +:\n%s", diff)
			}
		})
	}
}

func TestFormatSetRefuses(t *testing.T) {
	var f cli.Format
	if err := f.Set("xml"); err == nil || err.Error() != "must be one of table, json, yaml" {
		t.Errorf("got %v", err)
	}
}

// A YAML library is the judge of what we print.
func TestYAMLReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := document(3).Draw(t, "document")
		doc, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		text, err := cli.YAML(doc)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := yaml.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		back, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(decode(t, back), decode(t, doc)); diff != "" {
			t.Fatalf("got - want +:\n%s\n%s", diff, text)
		}
	})
}

func decode(t *rapid.T, doc []byte) (v any) {
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// document generates trees of the kinds that settings are made of.
func document(depth int) *rapid.Generator[any] {
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"", "yes", "No", "1.10", "~", "null", "-", "a: b", "# c", "[x]", "x\ny", " pad ", "\u2028\u007f", "é\"\\"}),
		rapid.StringMatching(`[ -~]{0,12}`),
		rapid.StringMatching(`[a-z./-]{1,12}`),
	)
	leaf := rapid.OneOf(
		text.AsAny(), rapid.Bool().AsAny(), rapid.Int64Range(math.MinInt32, math.MaxInt32).AsAny(), rapid.Just[any](nil),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf,
		rapid.SliceOfN(document(depth-1), 0, 3).AsAny(),
		rapid.MapOfN(text, document(depth-1), 0, 3).AsAny(),
	)
}

func TestDuration(t *testing.T) {
	tests := map[time.Duration]string{
		1499 * time.Microsecond:         "1ms",
		1340 * time.Millisecond:         "1.3s",
		5 * time.Minute:                 "5m",
		90*time.Second + 400e6:          "1m30s",
		2 * time.Hour:                   "2h",
		2*time.Hour + 20*time.Minute:    "2h20m",
		26*time.Hour + 3*time.Second:    "26h0m3s",
		10 * time.Second:                "10s",
		10*time.Hour + 10*time.Minute:   "10h10m",
		time.Hour + 10*time.Second:      "1h0m10s",
		100 * time.Minute:               "1h40m",
		20*time.Minute + 10*time.Second: "20m10s",
	}
	for d, want := range tests {
		if got := cli.Duration(d); got != want {
			t.Errorf("Duration(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestOneLine(t *testing.T) {
	if got := cli.OneLine("a\n\x1b[31mb\u009b\tc\r"); got != "a  [31mb  c" {
		t.Errorf("got %q", got)
	}
}

// What turns the order of characters round makes "deny" of "yned".
func TestOneLineKeepsTheOrder(t *testing.T) {
	if got, want := cli.OneLine("a\u202eb\u2066c שלום \u200f"), "a b c שלום \u200f"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgressIsSilentInPipes(t *testing.T) {
	var b strings.Builder
	p := cli.NewProgress(&b)
	p.Show("working")
	p.Clear()
	if b.String() != "" {
		t.Errorf("got %q", b.String())
	}
}
