// Package datastore keeps settings in layers in one bbolt file.
//
// Start with [Open], [Store.Update] and [Store.Snapshot]. Everything is written
// in [Store.Update], as one durable transaction: when it has returned nil, what
// it did survives power loss; when it has returned an error, nothing of it is
// there; and nobody sees any of it before. Reads of settings and of pending
// transactions are served from memory and never wait for a writer; reads of the
// journal (history, changes, files) come from the last committed state of the
// file and do not wait for the disk either.
//
// The package knows nothing of the model, of rendering or of HTTP: values are
// JSON documents that somebody else has checked, the records of changes and of
// files are bytes that somebody else understands.
package datastore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"
	"go.etcd.io/bbolt"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
)

// Options for Open.
type Options struct {
	Defaults []key.Pair           // the image's default settings: the lowest layer
	Secret   func(key.Key) bool   // masks values in the history; nil: none is secret
	Valid    func(key.Pair) error // tells whether a stored value fits the model; nil: all do
	BootID   string               // pending transactions of another boot are dropped; "": never
	Log      *slog.Logger         // nil: none
	Now      func() time.Time     // nil: time.Now
	FS       durable.FS           // nil: the host's; bbolt's own writes do not go through it

	// Losing is called before Open makes a datastore, or has an older state take
	// the place of a damaged one; Open fails if it does. nil: nobody minds.
	Losing func() error

	// Earlier is what another program had to do to the datastore before: told as
	// Recovered where Open has nothing to tell itself. nil: nothing.
	Earlier *Recovery

	// CopyAfter is how soon after a commit the last good copy is renewed; 0
	// stands for half a minute, less for never. Close renews it at once.
	CopyAfter time.Duration
}

// Store is the open datastore. Its methods may be called from any goroutine.
type Store struct {
	path      string
	opts      Options
	lock      *os.File
	recovered *Recovery

	// For the one who holds the token in writer.
	writer chan struct{}
	db     *bbolt.DB
	failed bool   // a commit, and to heal what it left
	txid   uint64 // of the last commit that succeeded
	closed bool

	committed atomic.Pointer[state]

	reading sync.Mutex // guards view, for the time of one look-up
	view    *bbolt.Tx  // the file as of the last commit; nil when it cannot be read

	background sync.WaitGroup // keepCopy
	copyDue    chan struct{}
	stop       chan struct{}

	commit func(*bbolt.Tx) error // another one only in tests
}

// state is all that is in memory of one commit. It is immutable.
type state struct {
	snap    *Snapshot
	pending *btree.Map[string, *transaction]
	use     [tableCount]usage
	boot    string // during which the pending transactions were made
	history uint64 // the newest id in use
	change  uint64 // the newest id in use
	release Release
}

// usage is how much a table holds, so that limits cost nothing to check.
type usage struct {
	count int
	bytes int // of keys and records
}

// transaction is what is pending under one name.
type transaction struct {
	pairs *btree.Map[key.Key, []byte]
}

// Close waits for the update in hand. The store cannot be used any more,
// except for the snapshots taken from it.
func (s *Store) Close() error {
	if !s.markClosed() {
		return nil
	}
	close(s.stop)
	s.background.Wait()
	<-s.writer // the token stays taken, but for those who find the store closed
	defer func() { s.writer <- struct{}{} }()
	if s.failed {
		if err := s.heal(); err != nil {
			s.opts.Log.Error("datastore may show a commit that failed when it is opened again", "path", s.path, "err", err)
		}
	}
	if err := errors.Join(s.closeFile(), s.lock.Close()); err != nil {
		return fmt.Errorf("close datastore: %w", err)
	}
	return nil
}

// markClosed refuses all further updates; false if they are already.
func (s *Store) markClosed() bool {
	<-s.writer
	defer func() { s.writer <- struct{}{} }()
	was := s.closed
	s.closed = true
	return !was
}

func (s *Store) closeFile() error {
	s.setView(nil)
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	return db.Close()
}

// Snapshot is the committed state of all settings; it never blocks.
func (s *Store) Snapshot() *Snapshot { return s.committed.Load().snap }

// Unfit lists the stored values that do not fit the model, sorted by key.
func (s *Store) Unfit() []Unfit { return s.Snapshot().unfit.Values() }

// Author is who makes an update and why.
type Author struct {
	Caller      api.Caller
	Transaction string
	Change      uint64 // 0: the one that Tx.NextChange returns, if it is called
	Reason      string
}

// Update runs fn in one durable transaction. When it returns nil, everything that fn
// did survives power loss and is visible in Snapshot; when it returns an error, nothing is.
// Updates run one after the other. ctx is for the wait and for fn: a commit once begun is not interrupted.
func (s *Store) Update(ctx context.Context, by Author, fn func(*Tx) error) error {
	select {
	case <-s.writer:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.writer <- struct{}{} }()
	if s.closed {
		return ErrClosed
	}
	return s.update(ctx, by, fn)
}

func (s *Store) update(ctx context.Context, by Author, fn func(*Tx) error) error {
	btx, err := s.beginWrite()
	if err != nil {
		return fmt.Errorf("begin update: %w", err)
	}
	defer btx.Rollback() // does nothing after a commit
	tx := newTx(s, btx, by)
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.finish(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil || !tx.dirty {
		return err
	}
	return s.commitAndPublish(btx, tx.state())
}

func (s *Store) commitAndPublish(btx *bbolt.Tx, st *state) error {
	txid := uint64(btx.ID())
	if err := guarded(func() error { return s.commit(btx) }); err != nil {
		// After a panic it may still hold bbolt's locks.
		_ = guarded(btx.Rollback)
		s.opts.Log.Error("commit settings", "path", s.path, "err", err)
		if healing := s.heal(); healing != nil {
			s.opts.Log.Error("datastore cannot be written; settings are still served", "path", s.path, "err", healing)
		}
		return fmt.Errorf("commit settings: %w", err)
	}
	s.txid = txid
	s.wantCopy()
	// The commit stands. If it could not be read, the next update heals.
	if err := s.show(st); err != nil {
		s.opts.Log.Error("read datastore after a commit", "path", s.path, "err", err)
	}
	return nil
}

// show lets everybody see a state that is on disk.
func (s *Store) show(st *state) error {
	s.committed.Store(st)
	view, err := s.db.Begin(false)
	s.setView(view)
	return err
}

// setView replaces what journal reads see. A reader's transaction is kept open
// between commits instead of one begun for each read, because bbolt shows a
// new commit to new readers before it is synced.
func (s *Store) setView(view *bbolt.Tx) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.view != nil {
		// It fails only if it has ended, which none does before.
		_ = s.view.Rollback()
	}
	s.view = view
}
