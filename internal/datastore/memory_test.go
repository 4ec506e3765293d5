package datastore

import (
	"context"
	"errors"
	"fmt"
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

// TestManyUnfitValues: a version of the image that knows none of very many
// settings is no reason to look through all of them for each one. With time that
// grows with their square this test takes minutes.
func TestManyUnfitValues(t *testing.T) {
	const count = 100_000
	path := tempPath(t)
	pairs := make([]key.Pair, count)
	keys := make([]key.Key, count)
	for i := range pairs {
		keys[i] = key.Key(fmt.Sprintf("settings.a%06d", i))
		pairs[i] = key.Pair{Key: keys[i], Value: []byte("1")}
	}
	s := open(t, path, Options{})
	update(t, s, set(pairs...))
	closeStore(t, s)
	s = open(t, path, Options{Valid: func(p key.Pair) error {
		if p.Key < keys[count/2] {
			return errors.New("unknown key")
		}
		return nil
	}})
	if n := len(s.Unfit()); n != count/2 {
		t.Errorf("%d unfit values, want %d", n, count/2)
	}
	update(t, s, unset(keys...))
	if n, fit := len(s.Unfit()), s.Snapshot().Len(); n+fit != 0 {
		t.Errorf("%d unfit values and %d settings, want none", n, fit)
	}
}
