package manifest

import (
	"fmt"
	"slices"
)

// GapError is returned when no chain of steps leads from one version to another.
type GapError struct {
	At     Version // where the chain of the largest steps ends
	Target Version
}

func (e *GapError) Error() string {
	return fmt.Sprintf("Reached end of migration chain at %s but target is %s", e.At, e.Target)
}

// Hint says what a publisher does about the gap.
func (e *GapError) Hint() string {
	return fmt.Sprintf("add a step from %s to the migrations of the manifest (in Release.toml), with an empty list if it needs none", e.At)
}

// MaxChain is how many migrations a host runs at most between two versions: each
// is a process, and one that is named a hundred thousand times would never end.
const MaxChain = 1024

// Chain returns the targets that carry data from one version to another, in the
// order in which they run; backward, the forward chain reversed as a whole. Of
// several ways it takes the one of the largest steps, as the reference does; where
// that ends before the target, the reference gives up, and this goes back to
// the next smaller step. The error is a *GapError if there is no way at all;
// one of more than MaxChain targets is refused.
func (m *Manifest) Chain(from, to Version) ([]string, error) {
	low, high := from, to
	if from.Compare(to) > 0 {
		low, high = to, from
	}
	w := walk{high: high, steps: m.steps(high), tried: make(map[Version]int), dead: make(map[Version]bool)}
	if !w.reach(low) {
		return nil, &GapError{At: w.end(low), Target: high}
	}
	var targets []string
	for _, step := range w.path {
		targets = append(targets, step.Targets...)
	}
	if len(targets) > MaxChain {
		return nil, fmt.Errorf("%d migrations lead from %s to %s; at most %d are possible", len(targets), low, high, MaxChain)
	}
	if low != from {
		slices.Reverse(targets)
	}
	return targets, nil
}

// steps are those that lead up and not beyond high, by where they begin, the largest first.
func (m *Manifest) steps(high Version) map[Version][]Migration {
	steps := make(map[Version][]Migration)
	for _, s := range m.Migrations {
		if s.From.Compare(s.To) < 0 && s.To.Compare(high) <= 0 {
			steps[s.From] = append(steps[s.From], s)
		}
	}
	for _, list := range steps {
		slices.SortFunc(list, func(a, b Migration) int { return b.To.Compare(a.To) })
	}
	return steps
}

// walk looks for a way to high; dead are versions that none begins at, tried is
// how many of a version's steps lead to such.
type walk struct {
	high  Version
	steps map[Version][]Migration
	tried map[Version]int
	dead  map[Version]bool
	path  []Migration
}

// reach looks step by step, not by recursion: how many there are is the publisher's affair.
func (w *walk) reach(at Version) bool {
	start := at
	for at != w.high {
		if s, ok := w.step(at); ok {
			w.path = append(w.path, s)
			at = s.To
			continue
		}
		if at == start {
			return false
		}
		w.dead[at] = true
		at = w.path[len(w.path)-1].From
		w.path = w.path[:len(w.path)-1]
	}
	return true
}

// step is the largest one from a version that may still lead to high. None is
// looked at again after it was found to lead nowhere.
func (w *walk) step(at Version) (Migration, bool) {
	for _, s := range w.steps[at][w.tried[at]:] {
		if !w.dead[s.To] {
			return s, true
		}
		w.tried[at]++
	}
	return Migration{}, false
}

// end is where the largest steps lead.
func (w *walk) end(at Version) Version {
	for len(w.steps[at]) > 0 {
		at = w.steps[at][0].To
	}
	return at
}
