package datastore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore/boltfile"
	"github.com/hostler-os/hostler/internal/key"
)

// model is a store as one would first write it.
type model struct {
	values  map[place]string
	pending map[string]map[key.Key]string
	changes map[uint64]string
	commits int
}

func newModel() model {
	return model{map[place]string{}, map[string]map[key.Key]string{}, map[uint64]string{}, 0}
}

func (m model) clone() model {
	pending := map[string]map[key.Key]string{}
	for name, pairs := range m.pending {
		pending[name] = maps.Clone(pairs)
	}
	return model{maps.Clone(m.values), pending, maps.Clone(m.changes), m.commits}
}

var errStop = errors.New("stop")

// TestStoreIsLikeItsModel makes random updates, some of which fail, reopens the
// store now and then, and compares everything with the model.
func TestStoreIsLikeItsModel(t *testing.T) {
	dir, runs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		path := filepath.Join(dir, fmt.Sprint(runs, ".db"))
		m := newModel()
		s := mustOpen(t, path)
		defer func() { s.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { compare(t, s, m) },
			"update": func(t *rapid.T) {
				m = randomUpdate(t, s, m)
			},
			"reopen": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = mustOpen(t, path)
			},
		})
	})
}

func mustOpen(t *rapid.T, path string) *Store {
	s, err := Open(path, Options{CopyAfter: -1})
	if err != nil {
		t.Fatal(err)
	}
	if r := s.Recovered(); r != nil {
		t.Fatalf("damaged: %+v", r)
	}
	return s
}

// randomUpdate makes a few random acts in one update, to the store and to the
// model, and returns the model as it is afterwards.
func randomUpdate(t *rapid.T, s *Store, m model) model {
	next := m.clone()
	edited := false
	fail := rapid.Bool().Draw(t, "fail") && rapid.Bool().Draw(t, "really")
	err := s.Update(context.Background(), Author{}, func(tx *Tx) error {
		for range rapid.IntRange(0, 4).Draw(t, "acts") {
			act := rapid.SampledFrom([]func(*rapid.T, *Tx, *model) (bool, error){
				editAct, pendingAct, dropAct, changeAct,
			}).Draw(t, "act")
			e, err := act(t, tx, &next)
			edited = edited || e
			if err != nil {
				return err
			}
		}
		if fail {
			return errStop
		}
		return nil
	})
	if fail && errors.Is(err, errStop) {
		return m
	}
	if err != nil {
		t.Fatal(err)
	}
	if edited {
		next.commits++
	}
	return next
}

func drawKey(t *rapid.T) key.Key {
	return rapid.SampledFrom([]key.Key{
		"settings.a", "settings.a-b", "settings.b.c", "settings.b.d", `settings.b."e.f"`, "settings.g.h.i",
	}).Draw(t, "key")
}

func drawPair(t *rapid.T) key.Pair {
	value := rapid.SampledFrom([]string{`1`, `"two"`, `[3]`, `true`, `"` + strings.Repeat("x", 3000) + `"`}).Draw(t, "value")
	return key.Pair{Key: drawKey(t), Value: json.RawMessage(value)}
}

func editAct(t *rapid.T, tx *Tx, m *model) (bool, error) {
	layer := rapid.SampledFrom([]api.Layer{api.LayerGenerated, api.LayerUserData, api.LayerUser}).Draw(t, "layer")
	e := Edits{Layer: layer, Set: rapid.SliceOfN(rapid.Custom(drawPair), 0, 3).Draw(t, "set"), Unset: rapid.SliceOfN(rapid.Custom(drawKey), 0, 2).Draw(t, "unset")}
	edited := len(e.Set) > 0
	for _, k := range e.Unset {
		_, was := m.values[place{k, layer}]
		edited = edited || was
		delete(m.values, place{k, layer})
	}
	for _, p := range e.Set {
		m.values[place{p.Key, layer}] = string(p.Value)
	}
	return edited, tx.Edit(e)
}

func drawName(t *rapid.T) string { return rapid.SampledFrom([]string{"", "a", "é"}).Draw(t, "name") }

func pendingAct(t *rapid.T, tx *Tx, m *model) (bool, error) {
	name, p := drawName(t), drawPair(t)
	if m.pending[name] == nil {
		m.pending[name] = map[key.Key]string{}
	}
	m.pending[name][p.Key] = string(p.Value)
	return false, tx.SetPending(name, []key.Pair{p})
}

func dropAct(t *rapid.T, tx *Tx, m *model) (bool, error) {
	name := drawName(t)
	dropped, err := tx.DropPending(name)
	if len(dropped) != len(m.pending[name]) {
		t.Errorf("dropped %d pairs, want %d", len(dropped), len(m.pending[name]))
	}
	delete(m.pending, name)
	return false, err
}

func changeAct(t *rapid.T, tx *Tx, m *model) (bool, error) {
	id, err := tx.NextChange()
	open := rapid.Bool().Draw(t, "open")
	m.changes[id] = fmt.Sprint(id, open)
	return false, errors.Join(err, tx.PutChange(id, open, []byte(m.changes[id])))
}

// compare holds all that the store shows to the model.
func compare(t *rapid.T, s *Store, m model) {
	snap := s.Snapshot()
	got := map[place]string{}
	for _, layer := range []api.Layer{api.LayerGenerated, api.LayerUserData, api.LayerUser} {
		for _, k := range snap.InLayer(layer, "") {
			v, _ := snap.ValueIn(layer, k)
			got[place{k, layer}] = string(v)
		}
	}
	if diff := cmp.Diff(got, m.values, cmp.AllowUnexported(place{})); diff != "" {
		t.Errorf("values: %s", diff)
	}
	if !json.Valid(snap.JSON()) {
		t.Errorf("not JSON: %s", snap.JSON())
	}
	comparePending(t, s, m)
	compareJournal(t, s, m)
}

func comparePending(t *rapid.T, s *Store, m model) {
	if names := s.PendingNames(); !slices.Equal(names, slices.Sorted(maps.Keys(m.pending))) {
		t.Errorf("transactions %q, want %v", names, m.pending)
	}
	for name, want := range m.pending {
		got := map[key.Key]string{}
		for _, p := range s.Pending(name) {
			got[p.Key] = string(p.Value)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("transaction %q: %s", name, diff)
		}
	}
}

func compareJournal(t *rapid.T, s *Store, m model) {
	history, err := s.History("", 0, 1000)
	if err != nil || len(history) != m.commits {
		t.Errorf("%d commits, %v; want %d", len(history), err, m.commits)
	}
	for id, want := range m.changes {
		if got, err := s.Change(id); string(got) != want || err != nil {
			t.Errorf("change %d: got %q, %v; want %q", id, got, err, want)
		}
	}
	open, err := s.OpenChanges()
	want := slices.DeleteFunc(slices.Collect(maps.Values(m.changes)), func(c string) bool { return !strings.HasSuffix(c, "true") })
	if err != nil || len(open) != len(want) {
		t.Errorf("open: %q, %v; want %q", open, err, want)
	}
}

// Whatever bbolt writes, boltfile reads the same from it.
func TestBoltfileReadsWhatBoltWrites(t *testing.T) {
	path := tempPath(t)
	s := open(t, path, Options{CopyAfter: -1})
	for i := range 8 {
		pairs := manyPairs(500 * (i%4 + 1))
		update(t, s, set(append(pairs, pair("settings.large", `"`+strings.Repeat("x", 9000*i)+`"`))...))
		var keys []key.Key
		for _, p := range pairs[:400*(i%4+1)] {
			keys = append(keys, p.Key)
		}
		update(t, s, unset(keys...))
		var got, want []string
		if err := s.db.View(func(btx *bbolt.Tx) error {
			return btx.ForEach(func(name []byte, b *bbolt.Bucket) error {
				want = append(want, fmt.Sprintf("%s %d", name, b.Sequence()))
				return b.ForEach(func(k, v []byte) error {
					want = append(want, fmt.Sprintf("%x=%x", k, v))
					return nil
				})
			})
		}); err != nil {
			t.Fatal(err)
		}
		f, pages, err := openPages(path)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(pages.Walk(pages.Metas[0], listing{&got}), f.Close())
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("round %d: %d records, not %d: %v", i, len(got), len(want), err)
		}
	}
}

type listing struct{ lines *[]string }

func (l listing) Bucket(b boltfile.Bucket) error {
	*l.lines = append(*l.lines, fmt.Sprintf("%s %d", b.Name, b.Sequence))
	return nil
}

func (l listing) Record(_ boltfile.Bucket, k, v []byte) error {
	*l.lines = append(*l.lines, fmt.Sprintf("%x=%x", k, v))
	return nil
}

func (l listing) EndBucket(boltfile.Bucket) error { return nil }

// Readers and writers at the same time: every reader sees one commit, whole.
func TestReadersNeverSeeAMix(t *testing.T) {
	s := open(t, tempPath(t), Options{CopyAfter: time.Millisecond})
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					readOnce(t, s)
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for i := range 40 {
				update(t, s, sameEverywhere(fmt.Sprint(w, "-", i)))
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

// sameEverywhere sets many keys to the same value.
func sameEverywhere(value string) func(*Tx) error {
	return func(tx *Tx) error {
		var pairs []key.Pair
		for i := range 20 {
			pairs = append(pairs, pair(fmt.Sprintf("settings.k%02d", i), fmt.Sprintf("%q", value)))
		}
		id, err := tx.NextChange()
		return errors.Join(err, set(pairs...)(tx), tx.SetPending("t", pairs),
			tx.PutChange(id, false, []byte(value)), tx.PutFile("/f", []byte(value)))
	}
}

func readOnce(t *testing.T, s *Store) {
	snap := s.Snapshot()
	seen := map[string]bool{}
	snap.Ascend("", func(e Entry) bool { seen[string(e.Value)] = true; return true })
	inTransaction := map[string]bool{}
	for _, p := range s.Pending("t") {
		inTransaction[string(p.Value)] = true
	}
	candidate := snap.With(Edits{Layer: api.LayerUser, Set: []key.Pair{pair("settings.k00", `"mine"`)}})
	if e, _ := candidate.Get("settings.k00"); string(e.Value) != `"mine"` {
		t.Errorf("candidate has %s", e.Value)
	}
	if len(seen) > 1 || len(inTransaction) > 1 {
		t.Errorf("a mix: %v, %v", seen, inTransaction)
	}
	_, err1 := s.History("", 0, 3)
	_, err2 := s.Changes(0, 3)
	_, err3 := s.File("/f")
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Error(err)
	}
	snap.JSON()
}

// Reads go on while a commit waits for its disk, and show nothing of it.
func TestReadersDoNotWaitForTheDisk(t *testing.T) {
	s := tempStore(t)
	update(t, s, set(pair("settings.a", `1`)))
	written, synced := make(chan bool), make(chan bool)
	s.commit = func(btx *bbolt.Tx) error {
		err := btx.Commit() // bbolt would show it from here on
		written <- true
		<-synced
		return err
	}
	done := make(chan error)
	go func() { done <- s.Update(context.Background(), Author{}, everything) }()
	<-written
	wantOnlyA(t, s)
	synced <- true
	if err := <-done; err != nil {
		t.Error(err)
	}
	s.commit = (*bbolt.Tx).Commit
	wantJSON(t, s, `{"b":2}`)
}

// A commit's cost follows the change: the pages it writes do not grow with the store.
func TestCommitWritesFewPagesWhateverIsStored(t *testing.T) {
	s := open(t, tempPath(t), Options{CopyAfter: -1})
	writes := func() int64 {
		before := s.db.Stats()
		update(t, s, set(pair("settings.group001.key000001", `1`)))
		after := s.db.Stats()
		return after.TxStats.GetWrite() - before.TxStats.GetWrite()
	}
	update(t, s, set(manyPairs(100)...))
	small := writes()
	update(t, s, set(manyPairs(20_000)...))
	if large := writes(); large > small+3 {
		t.Errorf("%d writes with 20,000 keys, %d with 100", large, small)
	}
}

func TestLeftoversOfACrashAreCleaned(t *testing.T) {
	path := tempPath(t)
	stale := filepath.Join(filepath.Dir(path), ".datastore.db.hostler-ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	if err := os.WriteFile(stale, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, path, Options{})
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}
