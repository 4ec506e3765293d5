package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/pelletier/go-toml/v2"
)

// The faults of edits.
var (
	// ErrExists is returned by Add for a release that the manifest has already.
	ErrExists = errors.New("the manifest has this release already")
	// ErrNoRelease is returned when no release is the one that was named.
	ErrNoRelease = errors.New("the manifest has no such release")
)

// Add appends a release without waves. Its maximum version, that of the newest
// known or its own if zero, becomes that of every release of the same variant
// and architecture.
func (m *Manifest) Add(u Update) error {
	if _, found := m.Find(u.Variant, u.Arch, u.Version); found {
		return fmt.Errorf("%s %s %s: %w", u.Variant, u.Arch, u.Version, ErrExists)
	}
	if u.MaxVersion == (Version{}) {
		u.MaxVersion = m.highest(u)
	}
	u.Waves = nil
	m.Updates = append(m.Updates, u)
	m.SetMaxVersion(u.MaxVersion, u.Variant, u.Arch)
	return nil
}

func (m *Manifest) highest(u Update) Version {
	highest := u.Version
	for _, other := range m.Updates {
		if other.Variant == u.Variant && other.Arch == u.Arch && other.MaxVersion.Compare(highest) > 0 {
			highest = other.MaxVersion
		}
	}
	return highest
}

// Remove removes the release, wherever it occurs. Maximum versions stay.
func (m *Manifest) Remove(variant, arch string, version Version) error {
	before := len(m.Updates)
	m.Updates = slices.DeleteFunc(m.Updates, func(u Update) bool { return u.Same(variant, arch, version) })
	if len(m.Updates) == before {
		return fmt.Errorf("%s %s %s: %w", variant, arch, version, ErrNoRelease)
	}
	return nil
}

// SetMaxVersion sets the newest version that may be run, for all releases of
// that variant and architecture; empty stands for any. It returns how many those are.
func (m *Manifest) SetMaxVersion(highest Version, variant, arch string) (matched int) {
	for i := range m.Updates {
		u := &m.Updates[i]
		if (variant == "" || u.Variant == variant) && (arch == "" || u.Arch == arch) {
			u.MaxVersion = highest
			matched++
		}
	}
	return matched
}

// SetWaves replaces the waves of the release, wherever it occurs, and returns
// how often that is. The error is ErrUnordered for waves that could not be kept in order.
func (m *Manifest) SetWaves(variant, arch string, version Version, waves Waves) (matched int, err error) {
	if err := waves.Check(); err != nil {
		return 0, err
	}
	for i := range m.Updates {
		if m.Updates[i].Same(variant, arch, version) {
			m.Updates[i].Waves = slices.Clone(waves)
			matched++
		}
	}
	if matched == 0 {
		return 0, fmt.Errorf("%s %s %s: %w", variant, arch, version, ErrNoRelease)
	}
	return matched, nil
}

// Release is what a Release.toml says: the version that is being built, and the
// migrations between all versions up to it.
type Release struct {
	Version    Version
	Migrations []Migration
}

// ParseRelease parses a Release.toml.
func ParseRelease(text []byte) (Release, error) {
	var file struct {
		Version    string              `toml:"version"`
		Migrations map[string][]string `toml:"migrations"`
	}
	if len(text) > MaxSize {
		return Release{}, fmt.Errorf("the release file has %d bytes, more than the limit of %d", len(text), MaxSize)
	}
	if err := toml.NewDecoder(bytes.NewReader(text)).Decode(&file); err != nil {
		return Release{}, fmt.Errorf("parse release file: %w", err)
	}
	v, err := ParseVersion(file.Version)
	if err != nil {
		return Release{}, fmt.Errorf("parse release file: version: %w", err)
	}
	r := Release{Version: v}
	if r.Migrations, err = releaseMigrations(file.Migrations); err != nil {
		return Release{}, fmt.Errorf("parse release file: %w", err)
	}
	return r, nil
}

func releaseMigrations(table map[string][]string) (list []Migration, err error) {
	for key, targets := range table {
		m, err := parseMigrationKey(key)
		if err != nil {
			return nil, err
		}
		m.Targets = targets
		list = append(list, m)
	}
	sortMigrations(list)
	for i := 1; i < len(list); i++ {
		if list[i].key() == list[i-1].key() {
			return nil, fixed("Duplicate version key: %s", list[i].key())
		}
	}
	return list, nil
}
