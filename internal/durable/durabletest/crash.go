package durabletest

import (
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// Crash is one thing that a power loss may leave behind.
type Crash struct {
	After int      // how many operations had been made
	Marks []string // what the world had been told by then
	Tree  Tree     // what is on the disk; not to be modified
	Lost  string   // what became of the changes that were not synced, for messages
}

func (c Crash) String() string {
	return fmt.Sprintf("power lost after operation %d (%d marks); unsynced: %s", c.After, len(c.Marks), c.Lost)
}

// allSubsets is up to how many unsynced changes every combination of lost and
// kept ones is tried. With more there would be too many: then tried are none,
// all, every prefix, each alone, each missing, and randomCrashes random ones.
const (
	allSubsets    = 5
	randomCrashes = 24
)

// Crashes visits every crash, before the first operation and after each, until
// visit returns an error, which it returns. The same tree at the same mark is
// visited once. The order is the same in each run.
func (l Log) Crashes(visit func(Crash) error) error { return l.CrashesAfter(0, visit) }

// CrashesAfter visits only the crashes after at least first operations.
func (l Log) CrashesAfter(first int, visit func(Crash) error) error {
	d, err := newDisk(l.Base)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	var marks []string
	seen := crashes{maphash.MakeSeed(), map[uint64]bool{}}
	for i := 0; ; i++ {
		if i >= first {
			if err := d.visit(i, marks, seen, visit); err != nil {
				return err
			}
		}
		if i == len(l.Ops) {
			return nil
		}
		if o := l.Ops[i]; o.Kind == Mark {
			marks = append(marks[:len(marks):len(marks)], o.Mark)
			clear(seen.trees)
		} else if err := d.do(o); err != nil {
			return fmt.Errorf("replay operation %d: %w", i, err)
		}
	}
}

// crashes are those visited since the last mark.
type crashes struct {
	seed  maphash.Seed
	trees map[uint64]bool // by digest
}

func (d *disk) visit(after int, marks []string, seen crashes, visit func(Crash) error) error {
	for _, of := range d.fates(after) {
		tree := d.crash(of)
		digest := tree.digest(seen.seed)
		if seen.trees[digest] {
			continue
		}
		seen.trees[digest] = true
		if err := visit(Crash{after, marks, tree, d.describe(of)}); err != nil {
			return err
		}
	}
	return nil
}

// fates lists what may become of the changes in the cache.
func (d *disk) fates(seed int) [][]fate {
	n := len(d.cache)
	var all [][]fate
	if n <= allSubsets {
		all = subsets(n)
	} else {
		all = d.sample(rand.New(rand.NewPCG(1, uint64(seed))))
	}
	for i, c := range d.cache {
		for f := sizeOnly; f < fates && c.canTear(); f++ {
			for _, others := range []fate{lost, whole} {
				torn := slices.Repeat([]fate{others}, n)
				torn[i] = f
				all = append(all, torn)
			}
		}
	}
	return all
}

func subsets(n int) [][]fate {
	all := make([][]fate, 1<<n)
	for bits := range all {
		all[bits] = make([]fate, n)
		for i := range n {
			all[bits][i] = fate(bits >> i & 1)
		}
	}
	return all
}

func (d *disk) sample(random *rand.Rand) [][]fate {
	n := len(d.cache)
	var all [][]fate
	for i := range n + 1 {
		all = append(all, append(slices.Repeat([]fate{whole}, i), make([]fate, n-i)...))
	}
	for i := range n {
		alone, missing := make([]fate, n), slices.Repeat([]fate{whole}, n)
		alone[i], missing[i] = whole, lost
		all = append(all, alone, missing)
	}
	for range randomCrashes {
		of := make([]fate, n)
		for i, c := range d.cache {
			of[i] = fate(random.IntN(2))
			if c.canTear() {
				of[i] = fate(random.IntN(int(fates)))
			}
		}
		all = append(all, of)
	}
	return all
}

func (d *disk) describe(of []fate) string {
	names := [fates]string{"lost", "kept", "size only", "first sector", "last sector", "all but last sector", "every other sector"}
	var text strings.Builder
	for i, c := range d.cache {
		fmt.Fprintf(&text, "\n\t%s %s %d+%d: %s", c.op.Kind, c.op.Path, c.op.Offset, len(c.op.Data), names[of[i]])
	}
	return text.String()
}

func sortedPaths(t Tree) []string { return slices.Sorted(maps.Keys(t)) }
