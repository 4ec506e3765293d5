package apply

import (
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
)

// A slow watcher keeps the plans of few large changes, the newest among them.
func TestSlowWatcherKeepsLittle(t *testing.T) {
	w := &watcher{wake: make(chan struct{}, 1)}
	diff := strings.Repeat("x", maxEventBytes/4)
	for id := range uint64(50) {
		w.push(api.Event{Change: api.Change{ID: id, Plan: api.Plan{Files: []api.FileChange{{Diff: diff}}}}})
	}
	if w.bytes > maxEventBytes || len(w.events) == 0 || w.events[len(w.events)-1].Change.ID != 49 {
		t.Errorf("it keeps %d events of %d bytes", len(w.events), w.bytes)
	}
	for len(w.events) > 0 {
		w.take()
	}
	if w.bytes != 0 {
		t.Errorf("without events it counts %d bytes", w.bytes)
	}
}
