package slot

import (
	"fmt"
)

// Name is a set's: A or B.
type Name int

// The sets.
const (
	A Name = iota
	B
)

// ParseName reads "A" or "B", in either case.
func ParseName(text string) (Name, error) {
	switch text {
	case "A", "a":
		return A, nil
	case "B", "b":
		return B, nil
	}
	return A, fmt.Errorf("no set '%s', there are A and B", text)
}

func (n Name) String() string { return [...]string{"A", "B"}[n] }

// Other is the other set.
func (n Name) Other() Name { return B - n }

// State is all that decides what boots next.
type State struct {
	Sets    [2]Word // attribute words of the boot partitions of A and B
	Private Word    // attribute word of the private partition
	Active  Name    // the set that runs
	Single  bool    // there is no set B
}

// Change is one of the changes below: from a state to the next, or a [Refusal].
type Change func(State) (State, error)

// priorities of the set that shall boot and of the one to fall back to.
const (
	preferred = 2
	spare     = 1
)

// ClearInactive makes the inactive set never boot: something is about to be written there.
func ClearInactive(s State) (State, error) {
	return s.inactive(func(w Word) Word { return w.withPriority(0).withTries(0).withSuccessful(false) })
}

// MarkInactiveValid gives the inactive set one try: it is written, and waits to be activated.
func MarkInactiveValid(s State) (State, error) {
	return s.inactive(func(w Word) Word { return w.withTries(1) })
}

// UpgradeToInactive makes the inactive set boot next. It must be valid and not activated already.
func UpgradeToInactive(s State) (State, error) {
	switch ina := s.Sets[s.Active.Other()]; {
	case s.Single:
		return s, s.refuse(NoInactive)
	case ina.Priority() > 0 || ina.Successful():
		return s, s.refuse(AlreadyMarked)
	case ina.Tries() == 0:
		return s, s.refuse(NotValid)
	}
	s.prefer(s.Active.Other())
	return s.inactive(func(w Word) Word { return w.withPriority(preferred).withSuccessful(false) })
}

// CancelUpgrade takes [UpgradeToInactive] back: the active set boots next, and
// the inactive one stays valid.
func CancelUpgrade(s State) (State, error) {
	if s.Single {
		return s, s.refuse(NoInactive)
	}
	s.Sets[s.Active] = s.Sets[s.Active].withPriority(preferred)
	return s.inactive(func(w Word) Word { return w.withPriority(0) })
}

// RollbackToInactive makes the inactive set, the former system, boot next.
func RollbackToInactive(s State) (State, error) {
	ina := s.Sets[s.Active.Other()]
	switch {
	case s.Single:
		return s, s.refuse(NoInactive)
	case !ina.Successful() && (ina.Priority() == 0 || ina.Tries() == 0):
		return s, s.refuse(CannotRollBack)
	}
	s.prefer(s.Active.Other())
	return s, nil
}

// MarkSuccessfulBoot notes that the active set has booted well, and that one ever has.
func MarkSuccessfulBoot(s State) (State, error) {
	s.Sets[s.Active] = s.Sets[s.Active].withSuccessful(true)
	s.Private |= everBooted
	return s, nil
}

// Keep changes nothing. Written back, it repairs a damaged copy of the table.
func Keep(s State) (State, error) { return s, nil }

// prefer makes n boot before the other set.
func (s *State) prefer(n Name) {
	s.Sets[n] = s.Sets[n].withPriority(preferred)
	s.Sets[n.Other()] = s.Sets[n.Other()].withPriority(spare)
}

func (s State) inactive(change func(Word) Word) (State, error) {
	if s.Single {
		return s, s.refuse(NoInactive)
	}
	n := s.Active.Other()
	s.Sets[n] = change(s.Sets[n])
	return s, nil
}

func (s State) refuse(reason Reason) error {
	return &Refusal{Reason: reason, Inactive: s.Sets[s.Active.Other()]}
}

// Good tells whether the active set has booted well. Until then the other set is
// all there is to fall back to, and must not be written.
func (s State) Good() bool { return s.Sets[s.Active].Successful() }

// words are those that the boot loader looks at, in the table's order.
func (s State) words() []Word {
	if s.Single {
		return s.Sets[:1]
	}
	return s.Sets[:]
}

// Next is the set that the boot loader will take, if there is one that boots.
func (s State) Next() (Name, bool) {
	chosen, _ := Boot(s.words())
	return Name(max(chosen, 0)), chosen >= 0
}

// Boot is the state after a boot: another set may be active and has a try less.
// It is false if nothing boots.
func (s State) Boot() (State, bool) {
	chosen, after := Boot(s.words())
	if chosen < 0 {
		return s, false
	}
	s.Active, s.Sets[chosen] = Name(chosen), after
	return s, true
}

// Boot is the boot loader's algorithm (GRUB's gptprio.next) over the words of
// all boot partitions in the table's order: of those that have tries left or
// have booted well it takes the one with the highest priority, the first of
// equal ones, never one with priority 0. A try is taken down even of one that
// has booted well; when there is none left, nothing is written. It returns the
// index of the one taken and its word afterwards, or -1 if nothing boots.
func Boot(words []Word) (chosen int, after Word) {
	chosen, best := -1, 0
	for i, w := range words {
		if w.Bootable() && w.Priority() > best {
			chosen, best = i, w.Priority()
		}
	}
	if chosen < 0 {
		return -1, 0
	}
	after = words[chosen]
	return chosen, after.withTries(after.Tries() - 1)
}
