package datastore

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/tidwall/btree"
	"go.etcd.io/bbolt"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

const (
	metaFormat = "format"
	metaBoot   = "boot"
	metaChange = "change"
)

// mapSize is the address space that the file is mapped into, and its largest
// size. It is that large at once because bbolt could not move the mapping
// while a reader's transaction is open, and one always is.
const mapSize = 1 << 30

// growBy is by how much the file grows at a time.
const growBy = 256 << 10

// lockTimeout is how long another process may still hold the file: time for a
// server that is being restarted to end.
const lockTimeout = 5 * time.Second

// Open opens or creates the datastore file at path.
func Open(path string, opts Options) (*Store, error) {
	s := &Store{path: path, opts: opts.filled(), writer: make(chan struct{}, 1)}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open datastore: %w", err)
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open datastore %s: %w", path, err)
	}
	s.writer <- struct{}{}
	return s, nil
}

func (o Options) filled() Options {
	if o.Secret == nil {
		o.Secret = func(key.Key) bool { return false }
	}
	if o.Valid == nil {
		o.Valid = func(key.Pair) error { return nil }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (s *Store) open() error {
	db, err := bbolt.Open(s.path, 0o600, &bbolt.Options{
		Timeout: lockTimeout, InitialMmapSize: mapSize, MaxSize: mapSize, NoFreelistSync: true,
	})
	if errors.Is(err, bbolt.ErrTimeout) {
		return errors.New("another apiserver holds it")
	}
	if err != nil {
		return err
	}
	db.AllocSize = growBy
	s.db = db
	if err := s.load(); err != nil {
		return errors.Join(err, s.closeFile())
	}
	return nil
}

// load brings the file into memory.
func (s *Store) load() error {
	if err := s.db.Update(s.prepare); err != nil {
		return err
	}
	l := newLoader(s.opts)
	if err := s.db.View(l.all); err != nil {
		return err
	}
	return s.publish(l.state)
}

// prepare makes the tables.
func (s *Store) prepare(btx *bbolt.Tx) error {
	for t := range tableCount {
		if _, err := btx.CreateBucketIfNotExists([]byte(t.String())); err != nil {
			return err
		}
	}
	return nil
}

// loader builds the state in memory from the records of the file.
type loader struct {
	opts    Options
	state   *state
	origins map[string]*api.Origin
}

func newLoader(opts Options) *loader {
	l := &loader{
		opts:    opts,
		state:   &state{snap: newSnapshot(), pending: btree.NewMap[string, *transaction](0)},
		origins: map[string]*api.Origin{},
	}
	origin := &api.Origin{Layer: api.LayerDefault}
	for _, p := range opts.Defaults {
		l.state.snap.set(p, origin)
	}
	return l
}

func (l *loader) all(btx *bbolt.Tx) error {
	for t := range tableCount {
		err := btx.Bucket([]byte(t.String())).ForEach(func(k, v []byte) error { return l.record(t, k, v) })
		if err != nil {
			return fmt.Errorf("read %s: %w", t, err)
		}
	}
	return nil
}

// record takes in one record.
func (l *loader) record(t table, k, record []byte) error {
	payload, err := unseal(t, k, record)
	if err != nil {
		return err
	}
	l.state.use[t].count++
	l.state.use[t].bytes += len(k) + len(record)
	switch t {
	case tableValues:
		return l.value(k, payload)
	case tablePending:
		return l.pending(k, payload)
	case tableHistory:
		l.state.history, err = parseID(k)
		return err
	case tableMeta:
		return l.meta(string(k), payload)
	}
	return nil
}

func (l *loader) value(k, payload []byte) error {
	layer, name, err := parseValueKey(k)
	if err != nil {
		return err
	}
	text, value, err := parseValue(payload)
	if err != nil {
		return err
	}
	origin, err := l.origin(text)
	if err != nil {
		return err
	}
	if origin.Layer != layer {
		return fmt.Errorf("%s lies in layer %s but comes from %s", name, layer, origin.Layer)
	}
	p := key.Pair{Key: name, Value: append(json.RawMessage{}, value...)}
	if err := l.opts.Valid(p); err != nil {
		l.state.snap.unfit = append(l.state.snap.unfit, Unfit{name, layer, err})
		return nil
	}
	l.state.snap.set(p, origin)
	return nil
}

// origin decodes each text once, so that the values of one commit share it.
func (l *loader) origin(text []byte) (*api.Origin, error) {
	if o, ok := l.origins[string(text)]; ok {
		return o, nil
	}
	o := new(api.Origin)
	if err := json.Unmarshal(text, o); err != nil {
		return nil, err
	}
	l.origins[string(text)] = o
	return o, nil
}

func (l *loader) pending(k, payload []byte) error {
	name, setting, err := parsePendingKey(k)
	if err != nil {
		return err
	}
	t, ok := l.state.pending.Get(name)
	if !ok {
		t = &transaction{pairs: btree.NewMap[key.Key, []byte](0)}
		l.state.pending.Set(name, t)
	}
	t.pairs.Set(setting, append([]byte{}, payload...))
	return nil
}

func (l *loader) meta(name string, payload []byte) (err error) {
	if name == metaChange {
		l.state.change, err = parseID(payload)
	}
	return err
}
