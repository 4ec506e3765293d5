package migration

import (
	"slices"

	"github.com/hostler-os/hostler/internal/key"
)

// RemoveWeakSettings removes settings whose strength is weak, both ways,
// together with their metadata strength and setting-generator: generators and
// defaults of the image that comes fill them again. It looks at these keys and
// all below them, without any at all keys.
func RemoveWeakSettings(keys ...string) Migration {
	act := func(s *State) error { return removeWeak(s, keys) }
	return Funcs{Up: act, Down: act}
}

// AddWeakSettings is for settings that a version makes weak or adds as weak
// ones. Forward does nothing. Backward removes the metadata, and the values
// that are weak: an older image would take them for somebody's choice.
func AddWeakSettings(list ...Metadata) Migration {
	var keys []string
	for _, m := range list {
		keys = append(keys, m.Key)
	}
	weak := func(s *State) error { return removeWeak(s, keys) }
	if len(keys) == 0 {
		weak = nil
	}
	return Sequence(AddMetadata(list...), Funcs{Down: weak})
}

func removeWeak(s *State, tops []string) error {
	if err := checkKeys(tops...); err != nil {
		return err
	}
	for _, k := range s.MetadataKeys() {
		if !isWithin(k, tops) || !isWeak(s, k) {
			continue
		}
		s.Delete(k)
		s.DeleteMetadata(k, metadataStrength)
		s.DeleteMetadata(k, metadataGenerator)
	}
	return nil
}

func isWithin(k string, tops []string) bool {
	return len(tops) == 0 || slices.ContainsFunc(tops, func(top string) bool { return key.Key(k).Within(key.Key(lookup(top))) })
}

func isWeak(s *State, k string) bool {
	strength, _ := s.Metadata(k, metadataStrength)
	return string(strength) == `"weak"`
}
