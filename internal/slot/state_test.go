package slot

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// w is the word of priority, tries and success.
func w(priority, tries, success int) Word {
	return Word(0).withPriority(priority).withTries(tries).withSuccessful(success == 1)
}

func TestWord(t *testing.T) {
	tests := []struct {
		word Word
		hex  uint64
	}{
		{w(1, 0, 1), 0x0101000000000000},
		{w(0, 0, 0), 0},
		{w(0, 1, 0), 0x0010000000000000},
		{w(2, 1, 0), 0x0012000000000000},
		{w(2, 0, 1), 0x0102000000000000},
		{Word(0) | everBooted, 0x0200000000000000},
		{w(99, -1, 0), 0x000f000000000000},
	}
	for _, test := range tests {
		if uint64(test.word) != test.hex {
			t.Errorf("got %#x, want %#x", uint64(test.word), test.hex)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		word := Word(rapid.Uint64().Draw(t, "word"))
		n, m := rapid.IntRange(0, 15).Draw(t, "priority"), rapid.IntRange(0, 15).Draw(t, "tries")
		got := word.withPriority(n).withTries(m).withSuccessful(n > m)
		if got.Priority() != n || got.Tries() != m || got.Successful() != (n > m) {
			t.Fatalf("%#x: %d %d %v", uint64(got), got.Priority(), got.Tries(), got.Successful())
		}
		const fields = Word(0x01ff) << 48
		if got&^fields != word&^fields {
			t.Fatalf("%#x became %#x", uint64(word), uint64(got))
		}
	})
}

func TestChanges(t *testing.T) {
	const other = Word(0x8c00_0000_dead_beef) // bits that are nobody's
	tests := []struct {
		name     string
		change   Change
		act, ina Word // before
		want     [2]Word
		refused  Reason
	}{
		{"clear", ClearInactive, w(1, 0, 1), w(15, 15, 1) | other, [2]Word{w(1, 0, 1), other}, ""},
		{"valid", MarkInactiveValid, w(1, 0, 1), w(0, 0, 0) | other, [2]Word{w(1, 0, 1), w(0, 1, 0) | other}, ""},
		{"valid keeps the rest", MarkInactiveValid, 0, w(3, 7, 1), [2]Word{0, w(3, 1, 1)}, ""},
		{"upgrade", UpgradeToInactive, w(2, 0, 1) | other, w(0, 1, 0), [2]Word{w(1, 0, 1) | other, w(2, 1, 0)}, ""},
		{"upgrade twice", UpgradeToInactive, w(1, 0, 1), w(2, 1, 0), [2]Word{}, AlreadyMarked},
		{"upgrade to the former system", UpgradeToInactive, w(2, 0, 1), w(0, 1, 1), [2]Word{}, AlreadyMarked},
		{"upgrade to nothing", UpgradeToInactive, w(2, 0, 1), w(0, 0, 0), [2]Word{}, NotValid},
		{"cancel", CancelUpgrade, w(1, 0, 1), w(2, 1, 0), [2]Word{w(2, 0, 1), w(0, 1, 0)}, ""},
		{"cancel nothing", CancelUpgrade, w(2, 0, 1), w(0, 0, 0), [2]Word{w(2, 0, 1), 0}, ""},
		{"roll back", RollbackToInactive, w(2, 0, 1), w(1, 0, 1), [2]Word{w(1, 0, 1), w(2, 0, 1)}, ""},
		{"roll back to one without priority", RollbackToInactive, w(2, 0, 1), w(0, 0, 1), [2]Word{w(1, 0, 1), w(2, 0, 1)}, ""},
		{"roll back to an untried one", RollbackToInactive, w(2, 0, 1), w(1, 1, 0), [2]Word{w(1, 0, 1), w(2, 1, 0)}, ""},
		{"roll back to one that failed", RollbackToInactive, w(1, 0, 1), w(2, 0, 0), [2]Word{}, CannotRollBack},
		{"roll back to one not activated", RollbackToInactive, w(1, 0, 1), w(0, 1, 0), [2]Word{}, CannotRollBack},
		{"successful", MarkSuccessfulBoot, w(2, 0, 0), w(1, 0, 1), [2]Word{w(2, 0, 1), w(1, 0, 1)}, ""},
		{"successful keeps tries", MarkSuccessfulBoot, w(2, 3, 0) | other, 0, [2]Word{w(2, 3, 1) | other, 0}, ""},
		{"keep", Keep, other, w(15, 15, 1), [2]Word{other, w(15, 15, 1)}, ""},
	}
	for _, test := range tests {
		for _, active := range []Name{A, B} {
			t.Run(fmt.Sprintf("%s, %s active", test.name, active), func(t *testing.T) {
				before := State{Active: active, Private: 1}
				before.Sets[active], before.Sets[active.Other()] = test.act, test.ina
				after, err := test.change(before)
				refusal, _ := errors.AsType[*Refusal](err)
				if test.refused != "" {
					if refusal == nil || refusal.Reason != test.refused || refusal.Hint() == "" || after != before {
						t.Errorf("got %v %v, want %s", after, err, test.refused)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				got := [2]Word{after.Sets[active], after.Sets[active.Other()]}
				if diff := cmp.Diff(got, test.want); diff != "" || after.Active != active {
					t.Error(diff)
				}
				if after.Private.EverBooted() != (test.name == "successful" || test.name == "successful keeps tries") || after.Private&1 == 0 {
					t.Errorf("private is %#x", uint64(after.Private))
				}
			})
		}
	}
}

func TestSingleSet(t *testing.T) {
	for name, change := range map[string]Change{
		"clear": ClearInactive, "valid": MarkInactiveValid, "upgrade": UpgradeToInactive,
		"cancel": CancelUpgrade, "roll back": RollbackToInactive,
	} {
		s := State{Sets: [2]Word{w(1, 0, 1)}, Single: true}
		after, err := change(s)
		if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Reason != NoInactive || after != s {
			t.Errorf("%s: %v, %v", name, after, err)
		}
	}
	s, err := MarkSuccessfulBoot(State{Sets: [2]Word{w(1, 1, 0)}, Single: true})
	if err != nil || s.Sets[A] != w(1, 1, 1) || !s.Private.EverBooted() {
		t.Error(s, err)
	}
	if next, ok := s.Next(); !ok || next != A {
		t.Error(next, ok)
	}
}

// The sequence that the boot loader's own test has.
func TestBootSequence(t *testing.T) {
	words := []Word{w(3, 3, 0), w(2, 2, 0), w(1, 0, 1)}
	var got []string
	for range 8 {
		chosen, after := Boot(words)
		words[chosen] = after
		got = append(got, fmt.Sprintf("%d:%d", chosen, after.Tries()))
	}
	if diff := cmp.Diff(got, []string{"0:2", "0:1", "0:0", "1:1", "1:0", "2:0", "2:0", "2:0"}); diff != "" {
		t.Error(diff)
	}
}

func TestBoot(t *testing.T) {
	tests := []struct {
		name   string
		words  []Word
		chosen int
		after  Word
	}{
		{"none", nil, -1, 0},
		{"no priority", []Word{w(0, 1, 1), w(0, 15, 0)}, -1, 0},
		{"neither tries nor success", []Word{w(15, 0, 0)}, -1, 0},
		{"the first of equal ones", []Word{w(1, 0, 1), w(1, 0, 1)}, 0, w(1, 0, 1)},
		{"a try is taken of a successful one", []Word{w(1, 2, 1)}, 0, w(1, 1, 1)},
		{"the spare one when the other failed", []Word{w(1, 0, 1), w(2, 0, 0)}, 0, w(1, 0, 1)},
		{"the preferred one", []Word{w(1, 0, 1), w(2, 1, 0)}, 1, w(2, 0, 0)},
	}
	for _, test := range tests {
		if chosen, after := Boot(test.words); chosen != test.chosen || after != test.after {
			t.Errorf("%s: %d, %#x", test.name, chosen, uint64(after))
		}
	}
}

// The life of a host, as docs/slots.md tells it.
func TestLife(t *testing.T) {
	s := State{Sets: [2]Word{w(1, 0, 1), 0}}
	do := func(change Change) {
		t.Helper()
		var err error
		if s, err = change(s); err != nil {
			t.Fatal(err)
		}
	}
	want := func(a, b Word, next Name) {
		t.Helper()
		if got, ok := s.Next(); s.Sets != [2]Word{a, b} || !ok || got != next {
			t.Errorf("got %#x, next %s", s.Sets, got)
		}
	}
	boot := func(active Name) {
		t.Helper()
		var ok bool
		if s, ok = s.Boot(); !ok || s.Active != active {
			t.Errorf("%v, %s boots", ok, s.Active)
		}
	}
	do(MarkSuccessfulBoot)
	want(w(1, 0, 1), 0, A)
	do(ClearInactive)
	do(MarkInactiveValid)
	want(w(1, 0, 1), w(0, 1, 0), A)
	do(UpgradeToInactive)
	want(w(1, 0, 1), w(2, 1, 0), B)
	do(CancelUpgrade)
	want(w(2, 0, 1), w(0, 1, 0), A)
	do(UpgradeToInactive)
	boot(B)
	want(w(1, 0, 1), w(2, 0, 0), A) // it has used its only try
	boot(A)                         // it hung: back
	if _, err := UpgradeToInactive(s); err == nil {
		t.Error("activated again what has failed")
	}
	do(ClearInactive)
	do(MarkInactiveValid)
	do(UpgradeToInactive)
	boot(B)
	do(MarkSuccessfulBoot)
	want(w(1, 0, 1), w(2, 0, 1), B)
	do(RollbackToInactive)
	boot(A)
	want(w(2, 0, 1), w(1, 0, 1), A)
}

// Whatever is done while a set runs that has booted well, something boots.
// Before that, as with the reference, clearing the other set leaves nothing:
// those who update look at State.Good first.
func TestSomethingBoots(t *testing.T) {
	changes := []Change{ClearInactive, MarkInactiveValid, UpgradeToInactive, CancelUpgrade, RollbackToInactive, MarkSuccessfulBoot, Keep}
	rapid.Check(t, func(t *rapid.T) {
		s := State{Sets: [2]Word{w(1, 0, 1), 0}}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "boot") {
				var ok bool
				if s, ok = s.Boot(); !ok {
					t.Fatalf("nothing boots: %#x", s.Sets)
				}
				continue
			}
			change := MarkSuccessfulBoot
			if s.Good() {
				change = rapid.SampledFrom(changes).Draw(t, "change")
			}
			if after, err := change(s); err == nil {
				s = after
			}
			if _, ok := s.Next(); !ok {
				t.Fatalf("nothing boots: %#x, %s active", s.Sets, s.Active)
			}
		}
	})
}
