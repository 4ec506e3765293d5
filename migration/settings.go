package migration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/key"
)

// AddSettings is for settings that are new in a version. Forward does nothing:
// the image brings their defaults. Backward removes exactly these keys.
func AddSettings(keys ...string) Migration {
	return Funcs{Down: func(s *State) error { return remove(s, keys) }}
}

// RemoveSettings is for settings that a version does not have any more. Forward
// removes exactly these keys; backward does nothing, as their values are lost.
func RemoveSettings(keys ...string) Migration {
	return Reverse(AddSettings(keys...))
}

func remove(s *State, keys []string) error {
	if err := checkKeys(keys...); err != nil {
		return err
	}
	for _, k := range keys {
		s.Delete(k)
	}
	return nil
}

// AddPrefixes is AddSettings for all keys whose text begins with one of the
// prefixes. As in the reference the text decides: "settings.a" also removes
// settings.ab. End a prefix with a dot, or use [AddSubtrees], which looks at
// segments.
func AddPrefixes(prefixes ...string) Migration {
	return Funcs{Down: func(s *State) error {
		for _, prefix := range prefixes {
			if prefix == "" {
				return errors.New("add prefixes: a prefix is empty, so that all keys would be removed")
			}
			for k := range s.Prefix(prefix) {
				s.Delete(k)
			}
		}
		return nil
	}}
}

// AddSubtrees is AddSettings for keys and everything below them: "settings.a"
// removes settings.a and settings.a.b, but not settings.ab.
func AddSubtrees(keys ...string) Migration {
	return Funcs{Down: func(s *State) error {
		if err := checkKeys(keys...); err != nil {
			return err
		}
		for _, top := range keys {
			for _, k := range within(s, lookup(top)) {
				s.Delete(k)
			}
		}
		return nil
	}}
}

// within returns the keys at and below a key that have a value.
func within(s *State, top string) []string {
	var keys []string
	for k := range s.Prefix(top) {
		if key.Key(k).Within(key.Key(top)) {
			keys = append(keys, k)
		}
	}
	return keys
}

// ReplaceString gives a setting that is the string old the string new, and
// backward the other way round. Any other value was chosen by somebody and stays.
func ReplaceString(k, old, new string) Migration {
	return ReplaceValue(k, old, new)
}

// ReplaceValue is ReplaceString for any values that encoding/json can write.
// They are equal if they are the same JSON, however it is spelt.
func ReplaceValue(k string, old, new any) Migration {
	replace := func(from, to any) func(*State) error {
		return func(s *State) error { return replaceValue(s, k, from, to) }
	}
	return Funcs{Up: replace(old, new), Down: replace(new, old)}
}

func replaceValue(s *State, k string, from, to any) error {
	if err := checkKeys(k); err != nil {
		return err
	}
	wanted, err := encode(k, from)
	if err != nil {
		return err
	}
	value, ok := s.Get(k)
	switch {
	case !ok:
		s.Log.Info("setting is not there, nothing to replace", "key", k)
		return nil
	case !equal(value, wanted):
		s.Log.Info("setting has another value, which stays", "key", k)
		return nil
	}
	return s.Set(k, to)
}

// equal tells whether two texts are the same JSON.
func equal(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := decode(a)
	y, errY := decode(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// decode reads any JSON, numbers as they are spelt.
func decode(text json.RawMessage) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// List is a setting that is a list of strings, with what it is by default in
// the older and in the newer version.
type List struct {
	Key      string
	Old, New []string
}

// ReplaceLists gives settings that are exactly the list Old the list New, and
// backward the other way round. The order counts. A list with something else
// than strings in it is an error, any other value stays.
func ReplaceLists(lists ...List) Migration {
	return bothWays(lists, func(s *State, l List) error {
		return replaceList(s, listPlace{l.Key, "", s.Get}, s.Set, l.Old, l.New)
	}, func(l List) List { return List{l.Key, l.New, l.Old} })
}

// listPlace is where a list is found: under a key, or under a metadata of it.
type listPlace struct {
	key, metadata string
	get           func(k string) (json.RawMessage, bool)
}

func replaceList(s *State, at listPlace, set func(k string, value any) error, from, to []string) error {
	if err := checkKeys(at.key); err != nil {
		return err
	}
	log := s.Log.With("key", at.key)
	if at.metadata != "" {
		log = log.With("metadata", at.metadata)
	}
	value, ok := at.get(at.key)
	if !ok {
		log.Info("list is not there, nothing to replace")
		return nil
	}
	list, isList, err := stringList(value)
	switch {
	case err != nil:
		return fmt.Errorf("replace list %s: %w", strings.TrimSpace(at.key+" "+at.metadata), err)
	case !isList:
		log.Info("value is no list, it stays")
		return nil
	case !slices.Equal(list, from):
		log.Info("list is another one, it stays")
		return nil
	}
	return set(at.key, append([]string{}, to...))
}

// stringList reads a list of strings; false if it is no list.
func stringList(text json.RawMessage) (list []string, isList bool, err error) {
	v, err := decode(text)
	if err != nil {
		return nil, false, err
	}
	elements, ok := v.([]any)
	if !ok {
		return nil, false, nil
	}
	for i, e := range elements {
		word, ok := e.(string)
		if !ok {
			return nil, true, fmt.Errorf("its element %d is no string", i)
		}
		list = append(list, word)
	}
	return list, true, nil
}

// bothWays is a migration that does the same for several things, for each
// forward, and backward, in the reverse order, for what invert makes of it.
func bothWays[T any](things []T, do func(*State, T) error, invert func(T) T) Migration {
	return Funcs{
		Up: func(s *State) error {
			for _, t := range things {
				if err := do(s, t); err != nil {
					return err
				}
			}
			return nil
		},
		Down: func(s *State) error {
			for _, t := range slices.Backward(things) {
				if err := do(s, invert(t)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// checkKeys refuses names that are no keys: they would never be found, and the
// migration would do nothing without a word.
func checkKeys(keys ...string) error {
	for _, k := range keys {
		if _, err := canonical(k); err != nil {
			return err
		}
	}
	return nil
}
