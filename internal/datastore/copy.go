package datastore

import (
	"errors"
	"io"
	"time"

	"go.etcd.io/bbolt"

	"github.com/hostler-os/hostler/internal/durable"
)

// keepCopy renews the last good copy some time after a commit, and, if it is
// due, when the store is closed.
func (s *Store) keepCopy() {
	for {
		select {
		case <-s.copyDue:
			s.wantCopy() // until it is taken, together with later commits
		case <-s.stop:
			s.renewCopy()
			return
		}
		select {
		case <-time.After(s.opts.CopyAfter):
			s.renewCopy()
		case <-s.stop:
		}
	}
}

// renewCopy takes a copy if one is due.
func (s *Store) renewCopy() {
	select {
	case <-s.copyDue:
	default:
		return
	}
	if err := s.takeCopy(); err != nil {
		s.opts.Log.Error("renew last good copy of datastore", "path", s.path+suffixCopy, "err", err)
	}
}

// wantCopy notes that the file has changed since the last copy.
func (s *Store) wantCopy() {
	if s.opts.CopyAfter < 0 {
		return
	}
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
	defer btx.Rollback()
	fill := func(w io.Writer) error {
		_, err := btx.WriteTo(w)
		return err
	}
	return durable.WriteChecked(s.opts.FS, s.path+suffixCopy, attributes(), fill, func(temp string) error {
		_, damage, err := verify(temp, s.opts)
		return errors.Join(damage, err)
	})
}

// beginCopy begins to read what is committed. No commit may be under way,
// since bbolt would show it before it is synced, and it may yet fail.
func (s *Store) beginCopy() (*bbolt.Tx, error) {
	<-s.writer
	defer func() { s.writer <- struct{}{} }()
	if s.failed {
		return nil, errors.New("the last commit failed")
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
