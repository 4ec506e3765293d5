package apiserver_test

import (
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/sandbox/sandboxtest"
)

// startTime is how long anything may take to come up or go down.
const startTime = 20 * time.Second

// newRoot lays out a sandbox of variant aws-dev.
func newRoot(t testing.TB) paths.Root {
	t.Helper()
	return sandboxtest.New(t, "aws-dev")
}
