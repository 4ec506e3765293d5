package datastore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/tidwall/btree"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore/boltfile"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
)

// commit is one whole and verified commit of a file.
type commit struct {
	meta  boltfile.Meta
	state *state
}

// verify reads everything in the file at path: its structure, every checksum,
// every record. It returns the newest commit that is sound, or nil, and in
// damage what is wrong with the file, if anything is. err is for a file that
// cannot be judged: one that may not be read, or that a later version wrote.
func verify(path string, opts Options) (best *commit, damage, err error) {
	f, pages, err := openPages(path)
	if errors.Is(err, errDamaged) {
		return nil, err, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return newestSound(pages, opts)
}

// newestSound is verify for a file whose meta pages have been read.
func newestSound(pages *boltfile.File, opts Options) (best *commit, damage, err error) {
	damage = pages.Damaged
	for _, m := range pages.Metas {
		st, err := load(pages, m, opts)
		if errors.Is(err, ErrFormat) {
			return nil, nil, err
		}
		if err == nil {
			return &commit{m, st}, damage, nil
		}
		damage = errors.Join(damage, err)
	}
	return nil, damage, nil
}

// openPages opens a file to be read page by page. The error is errDamaged if
// there is a file, but nothing in it, or something else under its name.
func openPages(path string) (*os.File, *boltfile.File, error) {
	f, err := durable.Open(path)
	if errors.Is(err, durable.ErrNotRegular) {
		return nil, nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	pages, err := boltfile.Open(f, info.Size())
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%w: %w", errDamaged, err), f.Close())
	}
	return f, pages, nil
}

// loader builds the state in memory from the records of a file, and finds
// fault with them.
type loader struct {
	opts    Options
	state   *state
	origins map[string]*api.Origin

	table  table // the one being read
	sum    tally
	seen   [tableCount]bool
	format string
	commit uint64
}

func load(pages *boltfile.File, m boltfile.Meta, opts Options) (*state, error) {
	l := newLoader(opts)
	if err := pages.Walk(m, l); err != nil {
		return nil, err
	}
	for t := range tableCount {
		if !l.seen[t] {
			return nil, fmt.Errorf("table %s is missing", t)
		}
	}
	if l.commit != m.Txid {
		return nil, fmt.Errorf("the data is of commit %d, not %d", l.commit, m.Txid)
	}
	return l.state, nil
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

// Bucket implements boltfile.Visitor, like the two methods after it.
func (l *loader) Bucket(b boltfile.Bucket) error {
	t, ok := tableNamed(b.Name)
	if t != tableAbout && l.format != format {
		return errors.New("the format is not told")
	}
	if !ok {
		return fmt.Errorf("table %q is not known", b.Name)
	}
	l.table, l.sum, l.seen[t] = t, 0, true
	return nil
}

func (l *loader) Record(_ boltfile.Bucket, k, record []byte) error {
	payload, err := unseal(l.table, k, record)
	if err == nil {
		l.sum = l.sum.add(record)
		l.state.use[l.table].count++
		l.state.use[l.table].bytes += len(k) + len(record)
		err = l.payload(k, payload)
	}
	if err != nil {
		return fmt.Errorf("table %s, record %q: %w", l.table, k, err)
	}
	return nil
}

func (l *loader) EndBucket(b boltfile.Bucket) error {
	if l.sum != tally(b.Sequence) {
		return fmt.Errorf("table %s: sum of its records is %x, not %x", l.table, uint64(l.sum), b.Sequence)
	}
	return nil
}

func (l *loader) payload(k, payload []byte) (err error) {
	switch l.table {
	case tableValues:
		return l.value(k, payload)
	case tablePending:
		return l.pending(k, payload)
	case tableHistory:
		l.state.history, err = parseID(k)
	case tableChanges:
		if len(payload) == 0 {
			return errShort
		}
		_, err = parseID(k)
	case tableAbout:
		return l.about(string(k), payload)
	}
	return err
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
		return fmt.Errorf("layer %s, but from %s", layer, origin.Layer)
	}
	p := key.Pair{Key: name, Value: append(json.RawMessage{}, value...)}
	if err := l.opts.Valid(p); err != nil {
		l.state.snap.unfit.Set(unfitAt(name, layer), Unfit{name, layer, err})
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
		return nil, fmt.Errorf("decode origin: %w", err)
	}
	l.origins[string(text)] = o
	return o, nil
}

func (l *loader) pending(k, payload []byte) error {
	name, setting, err := parsePendingKey(k)
	if err != nil {
		return err
	}
	if !json.Valid(bytes.TrimPrefix(payload, []byte{weakMark})) {
		return errNotJSON
	}
	t, ok := l.state.pending.Get(name)
	if !ok {
		t = &transaction{pairs: btree.NewMap[key.Key, []byte](0)}
		l.state.pending.Set(name, t)
	}
	t.pairs.Set(setting, append([]byte{}, payload...))
	return nil
}

func (l *loader) about(name string, payload []byte) (err error) {
	switch name {
	case aboutFormat:
		if l.format = string(payload); l.format != format {
			return fmt.Errorf("%w: %q, not %q", ErrFormat, l.format, format)
		}
	case aboutBoot:
		l.state.boot = string(payload)
	case aboutChange:
		l.state.change, err = parseID(payload)
	case aboutCommit:
		l.commit, err = parseID(payload)
	case aboutRelease:
		l.state.release, err = parseRelease(payload)
	}
	return err
}
