package datastore

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

// stored is how many keys there are while one is committed.
const stored = 100_000

func manyPairs(n int) []key.Pair {
	pairs := make([]key.Pair, n)
	for i := range pairs {
		pairs[i] = pair(fmt.Sprintf("settings.group%03d.key%06d", i%100, i), fmt.Sprintf(`"value of key %d"`, i))
	}
	return pairs
}

func largeStore(b *testing.B) *Store {
	b.Helper()
	s := open(b, tempPath(b), Options{CopyAfter: -1})
	update(b, s, set(manyPairs(stored)...))
	return s
}

// bareStore is bbolt alone with as many keys.
func bareStore(b *testing.B) *bbolt.DB {
	b.Helper()
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	err = db.Update(func(btx *bbolt.Tx) error {
		bucket, err := btx.CreateBucket([]byte("values"))
		for _, p := range manyPairs(stored) {
			if err == nil {
				err = bucket.Put([]byte(p.Key), p.Value)
			}
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return db
}

func bareCommit(b *testing.B, db *bbolt.DB, n int) {
	err := db.Update(func(btx *bbolt.Tx) error {
		return btx.Bucket([]byte("values")).Put([]byte("settings.group001.key000001"), binary.AppendUvarint(nil, uint64(n)))
	})
	if err != nil {
		b.Fatal(err)
	}
}

func ourCommit(b *testing.B, s *Store, n int) {
	p := pair("settings.group001.key000001", fmt.Sprint(n))
	if err := s.Update(b.Context(), Author{Caller: api.Caller{UID: 1000, PID: 7}}, set(p)); err != nil {
		b.Fatal(err)
	}
}

// The budget is 1.5 times a bare bbolt commit; both are measured in turns, so
// that the disk has the same mood for both.
func BenchmarkCommit(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		db := bareStore(b)
		for n := 0; b.Loop(); n++ {
			bareCommit(b, db, n)
		}
	})
	b.Run("store", func(b *testing.B) {
		s := largeStore(b)
		for n := 0; b.Loop(); n++ {
			ourCommit(b, s, n)
		}
	})
	b.Run("ratio", func(b *testing.B) {
		db, s := bareStore(b), largeStore(b)
		var bare, ours time.Duration
		for n := 0; b.Loop(); n++ {
			begin := time.Now()
			bareCommit(b, db, n)
			middle := time.Now()
			ourCommit(b, s, n)
			bare += middle.Sub(begin)
			ours += time.Since(middle)
		}
		b.ReportMetric(float64(ours)/float64(bare), "ours/bare")
	})
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{100, stored} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := tempPath(b)
			s := open(b, path, Options{CopyAfter: -1})
			update(b, s, set(manyPairs(n)...))
			closeStore(b, s)
			for b.Loop() {
				s, err := Open(path, Options{CopyAfter: -1})
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	s := largeStore(b)
	b.Run("JSON", func(b *testing.B) {
		for b.Loop() {
			s.Snapshot().JSON()
		}
	})
	b.Run("JSON of a new snapshot", func(b *testing.B) {
		for b.Loop() {
			s.Snapshot().clone().JSON()
		}
	})
	b.Run("Get", func(b *testing.B) {
		for b.Loop() {
			s.Snapshot().Get("settings.group001.key000001")
		}
	})
	b.Run("With", func(b *testing.B) {
		e := Edits{Layer: api.LayerUser, Set: []key.Pair{pair("settings.group001.key000001", `1`)}}
		for b.Loop() {
			s.Snapshot().With(e)
		}
	})
}

// BenchmarkMemory reports the memory of a snapshot per setting, in bytes.
func BenchmarkMemory(b *testing.B) {
	pairs := manyPairs(stored)
	raw := 0
	for _, p := range pairs {
		raw += len(p.Key) + len(p.Value)
	}
	path := tempPath(b)
	s := open(b, path, Options{CopyAfter: -1})
	update(b, s, set(pairs...))
	closeStore(b, s)
	for b.Loop() {
		before := heap()
		s, err := Open(path, Options{CopyAfter: -1})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(heap()-before)/stored, "B/setting")
		b.ReportMetric(float64(raw)/stored, "raw-B/setting")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
