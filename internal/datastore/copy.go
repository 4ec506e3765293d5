package datastore

import (
	"errors"
	"io"
	"os"
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
	return s.writeAs(s.path+suffixCopy, func() error { return nil })
}

// writeAs writes the present commit as a file of its own. What was written is
// verified, and ready called, before path shows it.
func (s *Store) writeAs(path string, ready func() error) error {
	btx, f, image, err := s.beginCopy()
	if err != nil {
		return err
	}
	defer f.Close()
	defer btx.Rollback()
	return durable.WriteChecked(s.opts.FS, path, attributes(), image, func(temp string) error {
		if _, damage, err := verify(temp, s.opts); damage != nil || err != nil {
			return errors.Join(damage, err)
		}
		return ready()
	})
}

// beginCopy begins to read what is committed: btx keeps its pages from being
// used again, image writes them. No commit may be under way at this moment, as
// its meta page would be in the file before it is synced, and it may yet fail.
func (s *Store) beginCopy() (btx *bbolt.Tx, f *os.File, image func(io.Writer) error, err error) {
	<-s.writer
	defer func() { s.writer <- struct{}{} }()
	if s.failed {
		return nil, nil, nil, errors.New("the last commit failed")
	}
	f, pages, err := openPages(s.path)
	if err != nil {
		return nil, nil, nil, err
	}
	if btx, err = s.db.Begin(false); err != nil {
		return nil, nil, nil, errors.Join(err, f.Close())
	}
	return btx, f, func(w io.Writer) error { return pages.Image(w, pages.Metas[0]) }, nil
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
