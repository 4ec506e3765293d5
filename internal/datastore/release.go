package datastore

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hostler-os/hostler/internal/datastore/boltfile"
	"github.com/hostler-os/hostler/internal/key"
)

// Release tells which version of the image the stored settings are of, and how
// they came there. The zero value is that of a datastore that was never told.
type Release struct {
	Version string `json:"version"` // of the image whose form the settings have

	// Generators are the metadata setting-generator of that image, by key. The next
	// version does not know them any more, and must to tell what was made by them.
	Generators map[key.Key]json.RawMessage `json:"generators,omitempty"`

	// Of a datastore that was migrated:
	From    string    `json:"from,omitempty"`    // the version before
	Commit  uint64    `json:"commit,omitempty"`  // of the datastore that it was made from: see Store.Commit
	History uint64    `json:"history,omitempty"` // the newest id of the history then; a later one means that settings were changed since
	Time    time.Time `json:"time,omitzero"`
}

func parseRelease(payload []byte) (r Release, err error) {
	if err := json.Unmarshal(payload, &r); err != nil {
		return Release{}, fmt.Errorf("decode release: %w", err)
	}
	return r, nil
}

// Release tells which version the settings are of.
func (s *Store) Release() Release { return s.committed.Load().release }

// Commit is the number of the last commit, ascending.
func (s *Store) Commit() uint64 {
	<-s.writer
	defer func() { s.writer <- struct{}{} }()
	return s.txid
}

// LastHistory is the newest id of the history; 0 without any.
func (s *Store) LastHistory() uint64 { return s.committed.Load().history }

// SetRelease notes which version the settings are of.
func (tx *Tx) SetRelease(r Release) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tx.next.release = r
	return tx.put(tableAbout, []byte(aboutRelease), text)
}

// SetMigrated is SetRelease for settings that this update carries over from the
// version and commit that r names; it notes how far the history goes with it.
func (tx *Tx) SetMigrated(r Release) error {
	if err := tx.writeEdits(); err != nil {
		return err
	}
	clear(tx.touched)
	r.History = tx.next.history
	return tx.SetRelease(r)
}

// ReadRelease reads of the datastore at path only which version its settings
// are of, without waiting for whoever has it open. It fails with
// fs.ErrNotExist if there is no datastore, and with what is wrong with one
// whose first pages are damaged.
func ReadRelease(path string) (Release, error) {
	f, pages, err := openPages(path)
	if err != nil {
		return Release{}, fmt.Errorf("read version of datastore %s: %w", path, err)
	}
	defer f.Close()
	l := &aboutLoader{newLoader(Options{})}
	if err := pages.Walk(pages.Metas[0], l); !errors.Is(err, errEnough) {
		return Release{}, fmt.Errorf("read version of datastore %s: %w", path, err)
	}
	return l.state.release, nil
}

// aboutLoader reads the first table and no more.
type aboutLoader struct{ *loader }

var errEnough = errors.New("the rest need not be read")

// EndBucket implements boltfile.Visitor.
func (l *aboutLoader) EndBucket(b boltfile.Bucket) error {
	if err := l.loader.EndBucket(b); err != nil {
		return err
	}
	return errEnough
}
