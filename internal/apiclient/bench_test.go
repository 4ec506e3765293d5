package apiclient

import (
	"testing"

	"github.com/hostler-os/hostler/internal/cli"
)

// What every run pays before it does anything: a part of the 8 ms for a set.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		Run(b.Context(), []string{"apiclient", "set"}, cli.Streams{Err: discard{}})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
