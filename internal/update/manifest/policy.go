package manifest

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// Policy says how a release spreads over a fleet.
type Policy struct {
	Waves []PolicyWave `toml:"waves"`
}

// PolicyWave starts some time after the release; at its end that part of the fleet has been reached.
type PolicyWave struct {
	StartAfter      string `toml:"start_after"`      // an offset: "4 hours"
	FleetPercentage int    `toml:"fleet_percentage"` // 1 to 100, counted from the first host
}

// maxPolicySize is far above what a person writes.
const maxPolicySize = 64 << 10

// ParsePolicy parses a policy file.
func ParsePolicy(text []byte) (Policy, error) {
	var p Policy
	if len(text) > maxPolicySize {
		return p, fmt.Errorf("the wave policy has %d bytes, more than the limit of %d", len(text), maxPolicySize)
	}
	d := toml.NewDecoder(bytes.NewReader(text))
	if err := d.DisallowUnknownFields().Decode(&p); err != nil {
		return p, fmt.Errorf("parse wave policy: %w", err)
	}
	return p, nil
}

//go:embed policies/*.toml
var policies embed.FS

// NamedPolicy returns one of the policies that come with the suite; its error lists their names.
func NamedPolicy(name string) (Policy, error) {
	text, err := policies.ReadFile("policies/" + name + ".toml")
	if err != nil {
		return Policy{}, fmt.Errorf("no wave policy %q; there are %s", name, strings.Join(PolicyNames(), ", "))
	}
	return ParsePolicy(text)
}

// PolicyNames lists the policies that come with the suite.
func PolicyNames() (names []string) {
	entries, _ := policies.ReadDir("policies")
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".toml"))
	}
	return names
}

// At is the waves of a release at start. Waves that begin at the same seed
// overwrite each other, and the last percentage is not stored: whoever is left
// gets the release when the last wave starts.
func (p Policy) At(start time.Time) (Waves, error) {
	var waves Waves
	seed := uint32(0)
	for _, w := range p.Waves {
		if w.FleetPercentage < 1 || w.FleetPercentage > 100 {
			return nil, fmt.Errorf("`fleet_percentage` must be a value between 1 - 100: value provided: %d", w.FleetPercentage)
		}
		after, err := ParseOffset(w.StartAfter)
		if err != nil {
			return nil, err
		}
		wave := Wave{seed, start.UTC().Add(after)}
		if i, found := waves.search(seed); found {
			waves[i] = wave
		} else {
			waves = slices.Insert(waves, i, wave)
		}
		// In single precision, as the reference computes it.
		seed = uint32(float32(w.FleetPercentage) / 100 * MaxSeed)
	}
	return waves, waves.Check()
}

var units = map[string]time.Duration{
	"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour,
	"minutes": time.Minute, "hours": time.Hour, "days": 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
}

// maxOffset keeps every sum of a time of day and an offset a time that can be written.
const maxOffset = 100 * 365 * 24 * time.Hour

// ParseOffset parses "4 hours" or "in 4 hours": whole minutes, hours, days or weeks.
func ParseOffset(text string) (time.Duration, error) {
	words := strings.Fields(text)
	if len(words) == 3 && words[0] == "in" {
		words = words[1:]
	}
	if len(words) != 2 || units[words[1]] == 0 {
		return 0, fmt.Errorf("%q is not an offset as in \"4 hours\": a number and minutes, hours, days or weeks", text)
	}
	n, err := strconv.ParseUint(words[0], 10, 32)
	if err != nil || n > uint64(maxOffset/units[words[1]]) {
		return 0, fmt.Errorf("%q: %q is not a whole number, or more than 100 years", text, words[0])
	}
	return time.Duration(n) * units[words[1]], nil
}

// ParseTime parses a time in RFC 3339, or an offset from now.
func ParseTime(text string, now time.Time) (time.Time, error) {
	if t, err := parseTime(text); err == nil {
		return t, nil
	}
	offset, err := ParseOffset(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w; nor a time as in 2030-01-31T18:00:00Z", err)
	}
	return now.UTC().Add(offset), nil
}
