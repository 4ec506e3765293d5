package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
)

const (
	stored      = 100_000
	batch       = 10_000
	aimedCommit = 1.5
)

// commit compares a commit of one key with 100,000 stored with bbolt's own update of one.
func commit(ctx context.Context, b *bench) ([]row, error) {
	bare, err := openBare(filepath.Join(b.dir, "bare.db"), stored)
	if err != nil {
		return nil, err
	}
	defer bare.Close()
	store, err := openFull(ctx, filepath.Join(b.dir, "store.db"))
	if err != nil {
		return nil, err
	}
	defer store.Close()
	p, err := inTurns(b.times(500, 100),
		func(i int) error { return putBare(bare, i%stored, i) },
		func(i int) error { return edit(ctx, store, i%stored, i%stored+1, i) })
	if err != nil {
		return nil, err
	}
	return []row{p.atMost(fmt.Sprintf("commit of 1 key with %d stored", stored), aimedCommit)}, nil
}

var bareBucket = []byte("settings")

func openBare(path string, n int) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return nil, err
	}
	return db, db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(bareBucket)
		for i := 0; i < n && err == nil; i++ {
			err = bucket.Put([]byte(numbered(i)), value(i))
		}
		return err
	})
}

func putBare(db *bbolt.DB, i, v int) error {
	return db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(bareBucket).Put([]byte(numbered(i)), binary.AppendVarint(nil, int64(v)))
	})
}

func openFull(ctx context.Context, path string) (*datastore.Store, error) {
	store, err := datastore.Open(path, datastore.Options{})
	if err != nil {
		return nil, err
	}
	for from := 0; from < stored; from += batch {
		if err := edit(ctx, store, from, from+batch, 0); err != nil {
			return nil, err
		}
	}
	return store, nil
}

// edit sets the keys of a range in one commit.
func edit(ctx context.Context, store *datastore.Store, from, to, v int) error {
	edits := datastore.Edits{Layer: api.LayerUser}
	for i := from; i < to; i++ {
		edits.Set = append(edits.Set, key.Pair{Key: numbered(i), Value: value(i + v)})
	}
	return store.Update(ctx, datastore.Author{}, func(tx *datastore.Tx) error { return tx.Edit(edits) })
}

func numbered(i int) key.Key { return key.Key(fmt.Sprintf("settings.bench.key-%06d", i)) }

func value(i int) json.RawMessage { return fmt.Appendf(nil, `"value %d"`, i) }
