package datastore

import (
	"errors"
	"fmt"
	"io"
	"time"

	"go.etcd.io/bbolt"

	"github.com/hostler-os/hostler/internal/durable"
)

// keepCopy renews the last good copy some time after each commit, until the
// store is closed: then at once, if it is due.
func (s *Store) keepCopy() {
	for {
		select {
		case <-s.copyDue:
		case <-s.stop:
			s.copyIfDue()
			return
		}
		select {
		case <-time.After(s.copyAfter):
		case <-s.stop:
		}
		s.renewCopy()
	}
}

func (s *Store) copyIfDue() {
	select {
	case <-s.copyDue:
		s.renewCopy()
	default:
	}
}

func (s *Store) renewCopy() {
	if err := s.takeCopy(); err != nil {
		s.opts.Log.Error("renew last good copy of datastore", "path", s.path+suffixCopy, "err", err)
	}
}

// wantCopy notes that the file has changed since the last copy.
func (s *Store) wantCopy() {
	select {
	case s.copyDue <- struct{}{}:
	default:
	}
}

// takeCopy replaces the last good copy by one of the present commit, after
// verifying it: damage of the disk must not get into the copy.
func (s *Store) takeCopy() error {
	btx, err := s.beginCopy()
	if err != nil {
		return err
	}
	fresh := s.path + suffixNewCopy
	err = durable.WriteTo(s.opts.FS, fresh, attributes(), func(w io.Writer) error {
		_, err := btx.WriteTo(w)
		return err
	})
	if err := errors.Join(err, btx.Rollback()); err != nil {
		return err
	}
	if _, damage, err := verify(fresh, s.opts); damage != nil || err != nil {
		return fmt.Errorf("verify the copy: %w", errors.Join(damage, err, durable.Remove(s.opts.FS, fresh)))
	}
	return durable.Rename(s.opts.FS, fresh, s.path+suffixCopy)
}

// beginCopy begins to read what is committed. No commit may be under way,
// since bbolt would show it before it is synced, and it may yet fail.
func (s *Store) beginCopy() (*bbolt.Tx, error) {
	<-s.writer
	defer func() { s.writer <- struct{}{} }()
	if s.db == nil {
		return nil, ErrClosed
	}
	return s.db.Begin(false)
}

// copyTxid is the transaction that the last good copy seems to hold; 0 if there is none.
func (s *Store) copyTxid() uint64 {
	f, pages, err := openPages(s.path + suffixCopy)
	if err != nil {
		return 0
	}
	defer f.Close()
	return pages.Metas[0].Txid
}
