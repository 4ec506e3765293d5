package slot

import (
	"fmt"

	"github.com/hostler-os/hostler/internal/gpt"
)

// Kind is what a partition is for.
type Kind int

// The kinds.
const (
	BootPartition Kind = iota
	RootPartition
	HashPartition
	ReservedPartition
	PrivatePartition
	DataPartition
	EFIPartition
	EFIBackupPartition
	BIOSPartition
)

// kinds are the name, which is also that of errors, and the type of each kind.
var kinds = [...]struct {
	name, guid string
}{
	BootPartition:      {"BOTTLEROCKET-BOOT", "6b636168-7420-6568-2070-6c616e657421"},
	RootPartition:      {"BOTTLEROCKET-ROOT", "5526016a-1a97-4ea4-b39a-b7c8c6ca4502"},
	HashPartition:      {"BOTTLEROCKET-HASH", "598f10af-c955-4456-6a99-7720068a6cea"},
	ReservedPartition:  {"BOTTLEROCKET-RESERVED", "0c5d99a5-d331-4147-baef-08e2b855bdc9"},
	PrivatePartition:   {"BOTTLEROCKET-PRIVATE", "440408bb-eb0b-4328-a6e5-a29038fad706"},
	DataPartition:      {"BOTTLEROCKET-DATA", "626f7474-6c65-6474-6861-726d61726b73"},
	EFIPartition:       {"EFI-SYSTEM", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"},
	EFIBackupPartition: {"EFI-BACKUP", "b39ce39c-0a00-b4ab-2d11-f18f8237a21c"},
	BIOSPartition:      {"BIOS-BOOT", "21686148-6449-6e6f-744e-656564454649"},
}

func (k Kind) String() string { return kinds[k].name }

// Type is the type GUID of partitions of this kind.
func (k Kind) Type() gpt.GUID { return gpt.MustParseGUID(kinds[k].guid) }

// Parts are the partition numbers of a set.
type Parts [3]int // by BootPartition, RootPartition, HashPartition

// Layout says which partitions of a table are which.
type Layout struct {
	Sets    [2]Parts // of A and B
	Single  bool     // there is no set B
	Private int      // partition number
}

// LayoutOf finds the sets in a table: the first boot, root and hash partitions
// are A's, the second ones B's. With one boot partition there is no B.
func LayoutOf(t *gpt.Table) (Layout, error) {
	numbers := map[gpt.GUID][]int{}
	for _, p := range t.Partitions {
		numbers[p.Type] = append(numbers[p.Type], p.Number)
	}
	l := Layout{Single: len(numbers[BootPartition.Type()]) == 1}
	for _, name := range []Name{A, B} {
		if name == B && l.Single {
			break
		}
		for kind := range l.Sets[name] {
			of := numbers[Kind(kind).Type()]
			if len(of) <= int(name) {
				return l, fmt.Errorf("find %s partition of set %s: the table has none", Kind(kind), name)
			}
			l.Sets[name][kind] = of[name]
		}
	}
	private := numbers[PrivatePartition.Type()]
	if len(private) == 0 {
		return l, fmt.Errorf("find %s partition: the table has none", PrivatePartition)
	}
	l.Private = private[0]
	return l, nil
}

// state reads the words of a table with this layout.
func (l Layout) state(t *gpt.Table, active Name) State {
	word := func(number int) Word { return Word(t.Partition(number).Attributes) }
	s := State{Active: active, Single: l.Single, Private: word(l.Private)}
	s.Sets[A] = word(l.Sets[A][BootPartition])
	if !l.Single {
		s.Sets[B] = word(l.Sets[B][BootPartition])
	}
	return s
}

// put writes the words of s into a table with this layout.
func (l Layout) put(t *gpt.Table, s State) {
	t.Partition(l.Private).Attributes = uint64(s.Private)
	for name, word := range s.words() {
		t.Partition(l.Sets[name][BootPartition]).Attributes = uint64(word)
	}
}

// owner is the set that a partition belongs to.
func (l Layout) owner(number int) (Name, bool) {
	for name, parts := range l.Sets {
		for _, part := range parts {
			if part == number && number != 0 {
				return Name(name), true
			}
		}
	}
	return A, false
}

// Apply makes a change of a table's flags, active being the set that runs.
func Apply(t *gpt.Table, active Name, change Change) error {
	l, err := LayoutOf(t)
	if err != nil {
		return err
	}
	return l.apply(t, active, change)
}

func (l Layout) apply(t *gpt.Table, active Name, change Change) error {
	s, err := change(l.state(t, active))
	if err != nil {
		return err
	}
	l.put(t, s)
	return nil
}
