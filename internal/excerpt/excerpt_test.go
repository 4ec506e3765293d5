package excerpt_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/excerpt"
)

// However a text is cut into writings, the same of it is kept.
func TestWritings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 20).Draw(t, "limit")
		pieces := rapid.SliceOf(rapid.StringMatching(`[a-z]{0,30}`)).Draw(t, "pieces")
		full := 0
		head, tail := excerpt.Head{Limit: limit, Full: func() { full++ }}, excerpt.Tail{Limit: limit}
		for _, p := range pieces {
			if n, err := io.WriteString(io.MultiWriter(&head, &tail), p); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
		}
		all := strings.Join(pieces, "")
		begin, end := all[:min(limit, len(all))], all
		if len(all) > limit {
			end = "…" + all[len(all)-limit:]
		}
		if string(head.Bytes()) != begin || head.Over() != (len(all) > limit) || head.Over() != (full > 0) {
			t.Errorf("head %q, over %v, told %d times", head.Bytes(), head.Over(), full)
		}
		if tail.String() != end {
			t.Errorf("tail %q, want %q", tail.String(), end)
		}
	})
}

// Copying to it goes through Write, and so stops at the limit.
func TestCopy(t *testing.T) {
	head, tail := excerpt.Head{Limit: 4}, excerpt.Tail{Limit: 4}
	for _, w := range []io.Writer{&head, &tail} {
		if _, err := io.Copy(w, strings.NewReader(strings.Repeat("x", 100_000)+"end")); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprintf("%s %s", head.Bytes(), &tail); got != "xxxx …xend" {
		t.Errorf("got %s", got)
	}
}

func TestTailIsText(t *testing.T) {
	for limit, want := range map[int]string{20: "drei für", 6: "…für", 4: "…\uFFFDr", 1: "…"} {
		tail := excerpt.Tail{Limit: limit}
		fmt.Fprint(&tail, "drei für\n\n")
		if got := tail.String(); got != want {
			t.Errorf("limit %d: got %q, want %q", limit, got, want)
		}
	}
}
