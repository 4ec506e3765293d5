package datastore

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/hostler-os/hostler/internal/datastore/boltfile"
)

// guarded runs fn, which reads the mapped file. The kernel answers a read error
// there with SIGBUS; it becomes an error here. So do bbolt's assertions.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("datastore file: %v", p)
		}
	}()
	return fn()
}

// heal brings the file back to the last commit that succeeded, after one that
// failed. bbolt cannot go on by itself: the failed commit's meta page may be in
// the page cache, where bbolt takes it for good, without being on the disk, and
// after a failed fsync no later one would say so.
//
// So the other meta page, which is on disk, is written over it and synced, and
// the file is verified and opened again. As long as that fails, reads go on
// from memory and from the reader's transaction, whose pages nobody overwrites;
// each further update tries again before it begins.
func (s *Store) heal() error {
	s.failed = true
	if err := revert(s.path, s.txid); err != nil {
		return fmt.Errorf("revert failed commit: %w", err)
	}
	c, damage, err := verify(s.path, s.opts)
	if err := errors.Join(damage, err); err != nil {
		return fmt.Errorf("verify datastore after a failed commit: %w", err)
	}
	if c.meta.Txid != s.txid {
		return fmt.Errorf("revert failed commit: transaction is %d, not %d", c.meta.Txid, s.txid)
	}
	if err := s.closeFile(); err != nil {
		s.opts.Log.Error("close datastore after a failed commit", "path", s.path, "err", err)
	}
	if err := s.openFile(s.txid); err != nil {
		return fmt.Errorf("open datastore again: %w", err)
	}
	s.failed = false
	return s.show(s.committed.Load())
}

// revert makes txid the newest transaction in the file at path.
func revert(path string, txid uint64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(revertFile(f, txid), f.Close())
}

func revertFile(f *os.File, txid uint64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	pages, err := boltfile.Open(f, info.Size())
	if err != nil {
		return err
	}
	for _, m := range pages.Metas {
		if m.Txid != txid {
			continue
		}
		// Always written, even if the failed page is not to be seen: the disk
		// may have it, and a page cache that is clean would not be synced.
		slot := (txid + 1) % 2
		if _, err := f.WriteAt(m.Page(slot), int64(slot)*boltfile.PageSize); err != nil {
			return err
		}
		return f.Sync()
	}
	return fmt.Errorf("transaction %d is not in the file", txid)
}

// beginWrite begins bbolt's transaction for an update.
func (s *Store) beginWrite() (btx *bbolt.Tx, err error) {
	if s.failed {
		if err := s.heal(); err != nil {
			return nil, err
		}
	}
	err = guarded(func() error {
		btx, err = s.db.Begin(true)
		return err
	})
	return btx, err
}
