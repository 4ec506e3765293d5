package datastore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore/boltfile"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
)

// mapSize is the address space that the file is mapped into, and its largest
// size. It is that large at once because bbolt could not move the mapping
// while a reader's transaction is open, and one always is.
const mapSize = 1 << 30

// reserved is how much room on the disk the file has beyond its end, in bytes:
// enough for the commits of some boots.
const reserved = 1 << 20

// growBy is by how much the file grows at a time, in bytes.
const growBy = 256 << 10

// lockTimeout is how long another process may still hold the store: time for a
// server that is being restarted to end.
const lockTimeout = 5 * time.Second

// copyAfter is how soon after a commit the last good copy is renewed.
const copyAfter = 30 * time.Second

// Open opens the datastore file at path, after it has verified all of it. It
// creates the file if there is none and there never was. A damaged file is set
// aside and replaced by the newest sound state that is left: see [Store.Recovered].
func Open(path string, opts Options) (*Store, error) {
	s := &Store{
		path: path, opts: opts.filled(), recovered: opts.Earlier,
		writer: make(chan struct{}, 1), copyDue: make(chan struct{}, 1), stop: make(chan struct{}),
		commit: (*bbolt.Tx).Commit,
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open datastore %s: %w", path, err)
	}
	s.writer <- struct{}{}
	s.background.Go(s.keepCopy)
	return s, nil
}

func (o Options) filled() Options {
	if o.Secret == nil {
		o.Secret = func(key.Key) bool { return false }
	}
	if o.Valid == nil {
		o.Valid = func(key.Pair) error { return nil }
	}
	if o.Losing == nil {
		o.Losing = func() error { return nil }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	if o.CopyAfter == 0 {
		o.CopyAfter = copyAfter
	}
	return o
}

func (s *Store) open() error {
	if err := durable.MkdirAll(s.opts.FS, filepath.Dir(s.path)); err != nil {
		return err
	}
	lock, err := acquire(s.path+suffixLock, lockTimeout)
	if err != nil {
		return err
	}
	s.lock = lock
	if err := s.openLocked(); err != nil {
		return errors.Join(err, s.closeFile(), s.lock.Close())
	}
	return nil
}

// acquire takes a lock that ends with the process. It is not on the datastore
// file, since that file is replaced when it is damaged.
func acquire(path string, wait time.Duration) (*os.File, error) {
	f, err := durable.OpenLock(path)
	if err != nil {
		return nil, err
	}
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		case time.Since(begin) > wait:
			return nil, errors.Join(fmt.Errorf("%w (it has locked %s)", ErrHeld, path), f.Close())
		}
	}
}

func (s *Store) openLocked() error {
	for _, suffix := range []string{"", suffixCopy} {
		if err := durable.Clean(s.opts.FS, s.path+suffix); err != nil {
			return err
		}
	}
	c, err := s.ensure()
	if err != nil {
		return err
	}
	if err := s.openFile(c.meta.Txid); err != nil {
		return err
	}
	s.txid = c.meta.Txid
	if err := s.show(c.state); err != nil {
		return err
	}
	if err := s.reserve(); err != nil {
		s.opts.Log.Warn("no room is kept for times when the disk is full", "path", s.path, "err", err)
	}
	if s.copyTxid() != s.txid {
		s.wantCopy()
	}
	return s.dropEphemeral(c.state)
}

// dropEphemeral drops what became pending, or was set weakly, during another boot.
func (s *Store) dropEphemeral(st *state) error {
	if s.opts.BootID == "" || st.boot == s.opts.BootID {
		return nil
	}
	weak := weakValues(st.snap)
	if st.pending.Len() == 0 && len(weak) == 0 {
		return nil
	}
	return s.update(context.Background(), Author{Reason: "weak settings end with their boot"}, func(tx *Tx) error {
		for _, e := range weak {
			if err := tx.Edit(e); err != nil {
				return err
			}
		}
		for _, name := range st.pending.Keys() {
			if _, err := tx.DropPending(name); err != nil {
				return err
			}
		}
		return nil
	})
}

// weakValues are the edits that unset all weak values.
func weakValues(snap *Snapshot) []Edits {
	var edits []Edits
	for _, layer := range []api.Layer{api.LayerGenerated, api.LayerUserData, api.LayerUser} {
		if keys := snap.Weak(layer); len(keys) > 0 {
			edits = append(edits, Edits{Layer: layer, Unset: keys})
		}
	}
	return edits
}

// openFile lets bbolt open a file that was verified.
func (s *Store) openFile(txid uint64) error {
	db, err := bbolt.Open(s.path, 0o600, boltOptions())
	if err != nil {
		return err
	}
	db.AllocSize = growBy
	s.db = db
	view, err := db.Begin(false)
	if err != nil {
		return err
	}
	defer view.Rollback()
	if got := uint64(view.ID()); got != txid {
		return fmt.Errorf("transaction %d was verified, but %d is opened", txid, got)
	}
	return nil
}

// reserve takes room on the disk that the file does not need yet. A host whose
// disk is full boots all the same: if what it applies could not be committed, no
// file below /etc would be rendered.
func (s *Store) reserve() error {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, info.Size()+reserved)
	}
	if errors.Is(err, unix.EOPNOTSUPP) { // some file systems know no such thing
		err = nil
	}
	return errors.Join(err, f.Close())
}

// boltOptions: the freelist is not written, as everything that is read at open
// must be verified, and it would be one more page in each commit.
func boltOptions() *bbolt.Options {
	return &bbolt.Options{
		Timeout: lockTimeout, PageSize: boltfile.PageSize, NoFreelistSync: true,
		FreelistType: bbolt.FreelistMapType, InitialMmapSize: mapSize, MaxSize: mapSize,
	}
}

// create writes a fresh datastore. bbolt makes it in memory, because it would
// show the file under its name before there is anything in it.
func (s *Store) create() (*commit, error) {
	image, err := freshImage()
	if err != nil {
		return nil, fmt.Errorf("create: %w", err)
	}
	if err := durable.WriteFile(s.opts.FS, s.path, image, attributes()); err != nil {
		return nil, fmt.Errorf("create: %w", err)
	}
	c, damage, err := verify(s.path, s.opts)
	return c, errors.Join(damage, err)
}

func freshImage() ([]byte, error) {
	fd, err := unix.MemfdCreate("datastore", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	memory := os.NewFile(uintptr(fd), "datastore")
	options := boltOptions()
	options.NoSync, options.NoGrowSync = true, true
	options.OpenFile = func(string, int, os.FileMode) (*os.File, error) { return memory, nil }
	db, err := bbolt.Open("datastore", 0o600, options)
	if err != nil {
		return nil, err
	}
	var image bytes.Buffer
	err = db.Update(makeTables)
	if err == nil {
		err = writeNewest(&image, memory)
	}
	return image.Bytes(), errors.Join(err, db.Close())
}

// writeNewest writes the newest commit of a bbolt file as a file of its own.
// Other than bbolt's own WriteTo it puts the same transaction into both meta
// pages, so that revert finds it whichever of them a commit overwrites.
func writeNewest(w io.Writer, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	pages, err := boltfile.Open(f, info.Size())
	if err != nil {
		return err
	}
	return pages.Image(w, pages.Metas[0])
}

func makeTables(btx *bbolt.Tx) error {
	for t := range tableCount {
		if _, err := btx.CreateBucket([]byte(t.String())); err != nil {
			return err
		}
	}
	records := map[string][]byte{aboutFormat: []byte(format), aboutCommit: id8(uint64(btx.ID()))}
	b, sum := btx.Bucket([]byte(tableAbout.String())), tally(0)
	for k, payload := range records {
		record := seal(tableAbout, []byte(k), payload)
		if err := b.Put([]byte(k), record); err != nil {
			return err
		}
		sum = sum.add(record)
	}
	return b.SetSequence(uint64(sum))
}
