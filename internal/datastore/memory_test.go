package datastore

import (
	"context"
	"path/filepath"
	"runtime"
	"testing"
	"weak"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

// TestOldStatesAreForgotten: a commit must not keep the state before it in memory.
func TestOldStatesAreForgotten(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "datastore.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before := weak.Make(s.committed.Load())
	err = s.Update(context.Background(), Author{}, func(tx *Tx) error {
		return tx.Edit(Edits{Layer: api.LayerUser, Set: []key.Pair{{Key: "settings.motd", Value: []byte(`"x"`)}}})
	})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	if before.Value() != nil {
		t.Error("the state before the commit is still in memory")
	}
}
