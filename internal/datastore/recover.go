package datastore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/datastore/boltfile"
	"github.com/hostler-os/hostler/internal/durable"
)

// Recovery tells that Open found the datastore damaged or gone, and what it did.
type Recovery struct {
	Time     time.Time // when
	Damage   string    // what was wrong
	SetAside string    // where the damaged file is kept; "" if there was none
	Source   Source    // what the datastore was restored from
	AsOf     time.Time // how old the copy is; zero where Source is not SourceCopy
	Lost     int       // how many commits are lost; -1 if that cannot be known
}

// Source is what a damaged datastore was restored from.
type Source string

// The sources. SourceFile is the damaged file itself, in which a whole commit
// was found; SourceNone means that all settings but the defaults are lost.
const (
	SourceFile Source = "file"
	SourceCopy Source = "copy"
	SourceNone Source = "none"
)

// Recovered tells what Open, or somebody before it, had to do to a damaged
// datastore; nil if it was sound.
func (s *Store) Recovered() *Recovery { return s.recovered }

// Beside the datastore NAME lie NAME.lock, which is locked while the store is
// open; NAME.copy, the last good copy; and up to keepCorrupt damaged files,
// NAME.corrupt-TIME.
const (
	suffixLock   = ".lock"
	suffixCopy   = ".copy"
	infixCorrupt = ".corrupt-"
	keepCorrupt  = 3
)

// attributes are those of all these files: only the server reads them.
func attributes() durable.Attributes {
	return durable.Attributes{Mode: 0o600, UID: durable.Keep, GID: durable.Keep}
}

// ensure sees to it that there is a sound file at s.path, and returns what is in it.
func (s *Store) ensure() (*commit, error) {
	best, damage, err := verify(s.path, s.opts)
	switch {
	case err == nil && damage == nil:
		return best, nil
	case errors.Is(err, fs.ErrNotExist):
		return s.withoutFile()
	case err != nil:
		return nil, err
	}
	aside := s.path + infixCorrupt + s.opts.Now().UTC().Format("20060102T150405.000000000Z")
	r := &Recovery{Damage: damage.Error(), SetAside: aside, Lost: -1}
	return s.restore(r, best)
}

// withoutFile creates the file, unless its neighbours show that there was one.
func (s *Store) withoutFile() (*commit, error) {
	if _, err := os.Lstat(s.path + suffixCopy); err == nil || len(s.corruptFiles()) > 0 {
		return s.restore(&Recovery{Damage: "the file is missing", Lost: -1}, nil)
	}
	if err := s.opts.Losing(); err != nil {
		return nil, err
	}
	return s.create()
}

// restore puts a sound file into place: the newest sound commit of the damaged
// file, or the copy, or a fresh file.
func (s *Store) restore(r *Recovery, inFile *commit) (*commit, error) {
	r.Time = s.opts.Now().UTC()
	if err := s.opts.Losing(); err != nil {
		return nil, err
	}
	inCopy, asOf, err := s.goodCopy()
	if err != nil {
		return nil, err
	}
	from, c := r.SetAside, inFile
	r.Source = SourceFile
	if c == nil || inCopy != nil && inCopy.meta.Txid > c.meta.Txid {
		from, c, r.Source, r.AsOf = s.path+suffixCopy, inCopy, SourceCopy, asOf
	}
	if r.SetAside != "" {
		r.Lost = s.lostSince(c)
		if err := s.setAside(r.SetAside); err != nil {
			return nil, fmt.Errorf("set damaged file aside: %w", err)
		}
	}
	if c == nil {
		r.Source = SourceNone
		c, err = s.create()
	} else {
		err = s.writeImage(from, c.meta)
	}
	if err != nil {
		return nil, err
	}
	s.pruneCorrupt()
	s.recovered = r
	s.report(r)
	return c, nil
}

// setAside gives what is at s.path a second name, or, as a folder can have only
// one, another.
func (s *Store) setAside(to string) error {
	if info, err := os.Lstat(s.path); err == nil && info.IsDir() {
		return durable.Rename(s.opts.FS, s.path, to)
	}
	return durable.Link(s.opts.FS, s.path, to)
}

// lostSince counts the commits that the damaged file had after c, if its meta
// pages still tell.
func (s *Store) lostSince(c *commit) int {
	f, pages, err := openPages(s.path)
	if err != nil || c == nil {
		return -1
	}
	defer f.Close()
	if pages.Damaged != nil || pages.Metas[0].Txid < c.meta.Txid {
		return -1
	}
	return int(pages.Metas[0].Txid - c.meta.Txid)
}

// goodCopy returns what is in the last good copy; nil if there is none or if it is damaged.
func (s *Store) goodCopy() (*commit, time.Time, error) {
	path := s.path + suffixCopy
	info, err := os.Stat(path)
	if err != nil {
		return nil, time.Time{}, nil
	}
	c, damage, err := verify(path, s.opts)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("last good copy: %w", err)
	}
	if damage != nil {
		s.opts.Log.Error("last good copy of datastore is damaged", "path", path, "err", damage)
	}
	return c, info.ModTime().UTC(), nil
}

// writeImage makes one commit of the file at from the datastore.
func (s *Store) writeImage(from string, m boltfile.Meta) error {
	f, pages, err := openPages(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return durable.WriteTo(s.opts.FS, s.path, attributes(), func(w io.Writer) error { return pages.Image(w, m) })
}

func (s *Store) report(r *Recovery) {
	s.opts.Log.Error("datastore was damaged and has been restored: check the settings of this host",
		"path", s.path, "damage", r.Damage, "set-aside", r.SetAside,
		"source", string(r.Source), "as-of", r.AsOf, "lost-commits", r.Lost)
}

// corruptFiles lists the files that were set aside, the oldest first.
func (s *Store) corruptFiles() []string {
	// The pattern is bad only if the path has brackets; then nothing is pruned.
	files, _ := filepath.Glob(s.path + infixCorrupt + "*")
	slices.Sort(files)
	return files
}

func (s *Store) pruneCorrupt() {
	files := s.corruptFiles()
	for len(files) > keepCorrupt {
		if err := durable.Remove(s.opts.FS, files[0]); err != nil {
			s.opts.Log.Error("remove old damaged datastore", "path", files[0], "err", err)
		}
		files = files[1:]
	}
}
