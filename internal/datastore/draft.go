package datastore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/durable"
)

// Draft is a copy of a datastore in memory. It is read and updated like any
// other store, and nothing on the disk changes until [Draft.Replace].
type Draft struct{ *Store }

// A file that is read while its server commits may be torn; then it is read again.
const (
	draftTries = 50
	draftPause = 20 * time.Millisecond
)

// ReadDraft copies the datastore at path, which another process may have open.
func ReadDraft(ctx context.Context, path string, opts Options) (*Draft, error) {
	for try := 1; ; try++ {
		d, err := readDraft(path, opts)
		if err == nil || try == draftTries || !torn(err) {
			return d, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(draftPause):
		}
	}
}

// errTorn marks what may be different the next time.
var errTorn = errors.New("the datastore is damaged, or does not rest")

func torn(err error) bool { return errors.Is(err, errTorn) }

// NewDraft returns an empty datastore, of which nothing is on the disk.
func NewDraft(opts Options) (*Draft, error) {
	image, err := freshImage()
	if err != nil {
		return nil, fmt.Errorf("make datastore: %w", err)
	}
	memory, err := newMemory()
	if err != nil {
		return nil, fmt.Errorf("make datastore: %w", err)
	}
	if _, err := memory.Write(image); err != nil {
		return nil, fmt.Errorf("make datastore: %w", errors.Join(err, memory.Close()))
	}
	d, err := openMemory(memory, opts)
	if err != nil {
		return nil, fmt.Errorf("make datastore: %w", err)
	}
	return d, nil
}

func readDraft(path string, opts Options) (*Draft, error) {
	memory, err := copyIntoMemory(path)
	if err != nil {
		return nil, fmt.Errorf("copy datastore %s: %w", path, err)
	}
	d, err := openMemory(memory, opts)
	if err != nil {
		return nil, fmt.Errorf("copy datastore %s: %w", path, err)
	}
	return d, nil
}

// openMemory opens a datastore in memory, which it closes if it fails.
func openMemory(memory *os.File, opts Options) (*Draft, error) {
	s := &Store{
		path: fmt.Sprintf("/proc/self/fd/%d", memory.Fd()), opts: opts.filled(), lock: memory,
		writer: make(chan struct{}, 1), copyDue: make(chan struct{}, 1), stop: make(chan struct{}),
		commit: (*bbolt.Tx).Commit,
	}
	s.opts.CopyAfter = -1
	if err := s.openDraft(); err != nil {
		return nil, errors.Join(err, s.closeFile(), memory.Close())
	}
	s.writer <- struct{}{}
	return &Draft{s}, nil
}

// copyIntoMemory copies the newest commit of the file at path.
func copyIntoMemory(path string) (*os.File, error) {
	f, _, err := openPages(path)
	if errors.Is(err, errDamaged) {
		return nil, fmt.Errorf("%w: %w", errTorn, err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	memory, err := newMemory()
	if err != nil {
		return nil, err
	}
	if err := writeNewest(memory, f); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", errTorn, err), memory.Close())
	}
	return memory, nil
}

func newMemory() (*os.File, error) {
	fd, err := unix.MemfdCreate("datastore-draft", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "datastore-draft"), nil
}

func (s *Store) openDraft() error {
	c, damage, err := verify(s.path, s.opts)
	if err != nil {
		return err
	}
	if damage != nil {
		return fmt.Errorf("%w: %w", errTorn, damage)
	}
	if err := s.openFile(c.meta.Txid); err != nil {
		return err
	}
	s.txid = c.meta.Txid
	return s.show(c.state)
}

// Replace puts the draft in the place of the datastore at path, which no process
// may have open. It is written and verified beside it first; then ready is
// called, the last good copy of the old one removed, and the new one shown, by one rename.
func (d *Draft) Replace(path string, ready func() error) error {
	err := d.writeAs(path, func() error {
		if err := ready(); err != nil {
			return err
		}
		// It would bring the old version back if the new file were damaged.
		return durable.Remove(d.opts.FS, path+suffixCopy)
	})
	if err != nil {
		return fmt.Errorf("replace datastore: %w", err)
	}
	return nil
}
