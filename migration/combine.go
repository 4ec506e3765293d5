package migration

import (
	"slices"

	"github.com/hostler-os/hostler/internal/key"
)

// Sequence runs several migrations one after the other; backward, the last one first.
func Sequence(list ...Migration) Migration {
	return Funcs{
		Up: func(s *State) error {
			for _, m := range list {
				if err := m.Forward(s); err != nil {
					return err
				}
			}
			return nil
		},
		Down: func(s *State) error {
			for _, m := range slices.Backward(list) {
				if err := m.Backward(s); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// Reverse runs a migration backward on the way forward, and the other way round.
func Reverse(m Migration) Migration {
	return Funcs{Up: m.Backward, Down: m.Forward}
}

// When runs a migration only where the condition holds, such as for some variants.
func When(condition func(*State) bool, m Migration) Migration {
	when := func(act func(*State) error) func(*State) error {
		return func(s *State) error {
			if !condition(s) {
				return nil
			}
			return act(s)
		}
	}
	return Funcs{Up: when(m.Forward), Down: when(m.Backward)}
}

// Rename gives a key, and everything below it, another name, and backward its
// old one again: values with their layers, and metadata. A value that has the
// new name already was left by another version and is replaced.
func Rename(old, new string) Migration {
	rename := func(from, to string) func(*State) error {
		return func(s *State) error { return renameTree(s, from, to) }
	}
	return Funcs{Up: rename(old, new), Down: rename(new, old)}
}

// renameTree first takes all away and then puts it back, because one of the
// names may lie below the other.
func renameTree(s *State, from, to string) error {
	if err := checkKeys(from, to); err != nil {
		return err
	}
	from, to = lookup(from), lookup(to)
	data, metadata := takeTree(s, from)
	for _, d := range data {
		k := to + d.key[len(from):]
		if s.Has(k) {
			s.Log.Warn("setting is there under both names; the one that is renamed stays", "from", d.key, "to", k)
		}
		if err := checkKeys(k); err != nil {
			return err
		}
		s.put(d.renamed(k))
	}
	for _, m := range metadata {
		k := to + m.key[len(from):]
		if err := checkKeys(k); err != nil {
			return err
		}
		s.putMetadata(k, m.name, m.text)
	}
	return nil
}

// keyMember is one metadata of a key.
type keyMember struct {
	key string
	member
}

// takeTree removes all values and metadata at and below a key.
func takeTree(s *State, top string) (data []datum, metadata []keyMember) {
	for _, k := range within(s, top) {
		d, _ := s.find(k)
		data = append(data, d)
		s.Delete(k)
	}
	for _, k := range s.MetadataKeys() {
		if !key.Key(k).Within(key.Key(top)) {
			continue
		}
		for _, name := range s.MetadataOf(k) {
			text, _ := s.Metadata(k, name)
			metadata = append(metadata, keyMember{k, member{name, text}})
			s.DeleteMetadata(k, name)
		}
	}
	return data, metadata
}
