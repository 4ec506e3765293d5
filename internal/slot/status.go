package slot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hostler-os/hostler/internal/gpt"
)

// Status is what a disk's table says of the sets.
type Status struct {
	Disk       string      `json:"disk"`
	Sets       []SetStatus `json:"sets"`   // A, and B if there is one
	Active     string      `json:"active"` // A or B
	Next       *string     `json:"next"`   // that the boot loader will take; null: nothing boots
	EverGood   bool        `json:"boot_ever_succeeded"`
	Damage     string      `json:"damage,omitempty"` // which copy of the table is damaged, and how
	SectorSize int         `json:"sector_size"`      // in bytes
}

// SetStatus is a set's part of a Status.
type SetStatus struct {
	Name       string `json:"name"`
	Boot       string `json:"boot"` // paths of its partitions
	Root       string `json:"root"`
	Hash       string `json:"hash"`
	Priority   int    `json:"priority"`
	TriesLeft  int    `json:"tries_left"`
	Successful bool   `json:"successful"`
}

// Status reads the table.
func (d *Disk) Status(ctx context.Context) (Status, error) {
	t, err := d.read(ctx)
	if err != nil {
		return Status{}, err
	}
	l, err := LayoutOf(t)
	if err != nil {
		return Status{}, err
	}
	active, err := d.activeIn(l)
	if err != nil {
		return Status{}, err
	}
	return d.status(t, l, l.state(t, active))
}

func (d *Disk) status(t *gpt.Table, l Layout, s State) (Status, error) {
	status := Status{Disk: d.Path, Active: s.Active.String(), EverGood: s.Private.EverBooted(), SectorSize: t.SectorSize}
	if next, ok := s.Next(); ok {
		name := next.String()
		status.Next = &name
	}
	if err := t.Damage(); err != nil {
		status.Damage = err.Error()
	}
	for name, word := range s.words() {
		set, err := d.setStatus(Name(name), l.Sets[name], word)
		if err != nil {
			return Status{}, err
		}
		status.Sets = append(status.Sets, set)
	}
	return status, nil
}

func (d *Disk) setStatus(name Name, parts Parts, word Word) (SetStatus, error) {
	s := SetStatus{Name: name.String(), Priority: word.Priority(), TriesLeft: word.Tries(), Successful: word.Successful()}
	var errs [3]error
	s.Boot, errs[0] = d.node(parts[BootPartition])
	s.Root, errs[1] = d.node(parts[RootPartition])
	s.Hash, errs[2] = d.node(parts[HashPartition])
	return s, errors.Join(errs[:]...)
}

func (d *Disk) read(ctx context.Context) (t *gpt.Table, err error) {
	disk, err := gpt.Open(d.Path, gpt.ReadOnly)
	if err != nil {
		return nil, fmt.Errorf("read boot flags: %w", err)
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	t, err = disk.Read(ctx)
	return t, d.explain(err)
}

// Extent is where a partition lies: a node of its own from offset 0 on, or a
// part of an image file. Sizes are in bytes.
type Extent struct {
	Path   string
	Offset int64
	Size   int64
}

// Sets is where everything lies and what runs, for those who write into a set.
type Sets struct {
	State
	Extents [2][3]Extent // by set and BootPartition, RootPartition, HashPartition
}

// Sets reads the table and finds the partitions.
func (d *Disk) Sets(ctx context.Context) (Sets, error) {
	t, err := d.read(ctx)
	if err != nil {
		return Sets{}, err
	}
	l, err := LayoutOf(t)
	if err != nil {
		return Sets{}, err
	}
	active, err := d.activeIn(l)
	if err != nil {
		return Sets{}, err
	}
	sets := Sets{State: l.state(t, active)}
	for name := range sets.words() {
		for kind, number := range l.Sets[name] {
			if sets.Extents[name][kind], err = d.extent(t, number); err != nil {
				return Sets{}, err
			}
		}
	}
	return sets, nil
}

func (d *Disk) extent(t *gpt.Table, number int) (Extent, error) {
	offset, size := t.Extent(*t.Partition(number))
	if path, ok := d.nodes[number]; ok {
		return Extent{Path: path, Size: size}, nil
	}
	if len(d.running) > 0 {
		_, err := d.node(number)
		return Extent{}, err
	}
	return Extent{Path: d.Path, Offset: offset, Size: size}, nil
}

// Partition is one of a disk's partitions, of whatever kind.
type Partition struct {
	Node string // path of its node
	Name string // may be empty, and need not be unique
	ID   string // unique GUID, in lower case
}

// Partitions are all of the disk's, in the order of their numbers.
func (d *Disk) Partitions(ctx context.Context) ([]Partition, error) {
	t, err := d.read(ctx)
	if err != nil {
		return nil, err
	}
	var all []Partition
	for _, p := range t.Partitions {
		node, err := d.node(p.Number)
		if err != nil {
			return nil, err
		}
		all = append(all, Partition{node, p.Name, strings.ToLower(p.ID.String())})
	}
	return all, nil
}
