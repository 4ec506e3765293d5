package datastore

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

func open(t *testing.T, path string, opts Options) *Store {
	t.Helper()
	s, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func tempStore(t *testing.T) *Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "datastore.db"), Options{})
}

func pair(k, v string) key.Pair { return key.Pair{Key: key.MustParse(k), Value: json.RawMessage(v)} }

func update(t *testing.T, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), Author{}, fn); err != nil {
		t.Fatal(err)
	}
}

func set(pairs ...key.Pair) func(*Tx) error {
	return func(tx *Tx) error { return tx.Edit(Edits{Layer: api.LayerUser, Set: pairs}) }
}

func TestSettingSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "datastore.db")
	s := open(t, path, Options{Defaults: []key.Pair{pair("settings.motd", `"default"`)}})
	update(t, s, set(pair("settings.motd", `"hi there"`), pair("settings.ntp.time-servers", `["a", "b"]`)))
	const want = `{"motd":"hi there","ntp":{"time-servers":["a","b"]}}`
	if got := string(s.Snapshot().JSON()); got != want {
		t.Errorf("got %s want %s", got, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, Options{})
	if diff := cmp.Diff(string(s.Snapshot().JSON()), want); diff != "" {
		t.Error(diff)
	}
	update(t, s, func(tx *Tx) error {
		return tx.Edit(Edits{Layer: api.LayerUser, Unset: []key.Key{"settings.motd"}})
	})
	if _, ok := s.Snapshot().Get("settings.motd"); ok {
		t.Error("unset setting is still there")
	}
}
