package manifest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// MaxSeed is the number of places among which hosts are spread: their seeds are 0 to 2047.
const MaxSeed = 2048

// Kind is where among the waves a host finds itself.
type Kind string

// The kinds of places.
const (
	NoWaves Kind = "none"    // everybody gets the release at once
	Initial Kind = "initial" // before the first wave: always gets it
	General Kind = "general" // between the starts of two waves
	Last    Kind = "last"    // behind the last start: everybody left gets it then
)

// Place is a host's place among the waves of a release.
type Place struct {
	Kind   Kind
	Number int       // of the wave, from 1; 0 if there are none
	Of     int       // how many waves there are
	Start  time.Time // when the wave starts; zero if the host is always ready
	End    time.Time // when all of the wave have got the release; zero if there is no such time
	Due    time.Time // when this host gets it; zero: always
}

// Ready tells whether the host gets the release at that time.
func (p Place) Ready(now time.Time) bool { return p.Due.IsZero() || !now.Before(p.Due) }

func (w Waves) search(seed uint32) (int, bool) {
	return slices.BinarySearchFunc(w, seed, func(w Wave, seed uint32) int { return cmp.Compare(w.Seed, seed) })
}

// Place finds the place of the host with that seed. A wave from seed lo to seed
// hi spreads the hosts above lo and up to hi evenly over the time until the next
// wave starts. The host with the seed of the first wave, or below, is the canary:
// it is always ready. A seed above MaxSeed counts as MaxSeed.
//
// The reference multiplies a host's share of the wave by its absolute seed
// instead of its distance from lo, so that in later waves nearly all hosts crowd
// at the end: see [Waves.ReferenceDue]. Here it is the distance.
func (w Waves) Place(seed uint32) Place {
	return w.place(seed, func(lo Wave, seed uint32) uint32 { return seed - lo.Seed })
}

// ReferenceDue is when the reference's client considers the host due; zero:
// always. It is never before the time of Place.
func (w Waves) ReferenceDue(seed uint32) time.Time {
	return w.place(seed, func(_ Wave, seed uint32) uint32 { return seed }).Due
}

func (w Waves) place(seed uint32, steps func(lo Wave, seed uint32) uint32) Place {
	seed = min(seed, MaxSeed)
	known := w.below()
	i, _ := known.search(seed) // the first wave at or above the seed
	p := Place{Number: max(i, 1), Of: len(known)}
	switch {
	case len(known) == 0:
		return Place{Kind: NoWaves}
	case i == 0:
		p.Kind, p.End = Initial, known[0].Start
	case i == len(known):
		p.Kind, p.Start = Last, known[i-1].Start
		p.Due = p.Start
	default:
		lo, hi := known[i-1], known[i]
		p.Kind, p.Start, p.End = General, lo.Start, hi.Start
		p.Due = due(lo, hi, steps(lo, seed))
	}
	return p
}

// below are the waves that a seed can belong to.
func (w Waves) below() Waves {
	i, found := w.search(MaxSeed)
	if found {
		i++
	}
	return w[:i]
}

// due is the time of a host that many seeds behind lo: never after hi starts,
// nor, should that be before lo starts, anything else.
func due(lo, hi Wave, steps uint32) time.Time {
	length := hi.Start.Sub(lo.Start)
	if length <= 0 {
		return hi.Start
	}
	share := length / time.Duration(hi.Seed-lo.Seed)
	if share > 0 && time.Duration(steps) > math.MaxInt64/share {
		return hi.Start
	}
	if t := lo.Start.Add(share * time.Duration(steps)); t.Before(hi.Start) {
		return t
	}
	return hi.Start
}

// ErrUnordered is returned for waves of which a later one does not start later.
var ErrUnordered = fixed("Waves are not ordered; percentages and dates must be in ascending order")

// Check returns ErrUnordered if waves do not start in the order of their seeds.
func (w Waves) Check() error {
	for i := 1; i < len(w); i++ {
		if !w[i-1].Start.Before(w[i].Start) {
			return fmt.Errorf("%w: wave %d starts at %s, wave %d at %s", ErrUnordered,
				i, formatTime(w[i-1].Start), i+1, formatTime(w[i].Start))
		}
	}
	return nil
}
