// Package generate runs setting generators: the programs that the image's
// metadata names for settings that have no value.
//
// Start with [Parse], which reads the metadata; [Choose] says which generators
// must run and why the others need not; [Waves] orders them; [Runner.Run] runs
// one wave, in parallel, with a deadline for each. Every generator costs at most
// its own setting: whatever it does, the others go on and [Result] tells why.
//
// How settings are read and stored is not known here: package sundog brings both.
package generate

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

// The strengths of a generated value. A strong one is kept for good; a weak
// one is generated anew at each boot.
const (
	strong = "strong"
	weak   = "weak"
)

// Generator is one setting's generator.
type Generator struct {
	Key      key.Key
	Command  string
	Weak     bool
	Always   bool // run although the setting has a value
	Depth    int  // how many levels below Key values are set
	Deadline time.Duration
	Needs    []key.Key // that are generated before, as the metadata says
	Text     string    // where further needs are named: the command line and the template
}

// Parse reads the metadata setting-generator of all settings, sorted by key.
// Templates are the metadata of that name. What cannot be read is a failed
// setting, not a failed boot.
func Parse(metadata map[string]json.RawMessage, templates map[string]string, deadline time.Duration) ([]Generator, []api.BootSetting) {
	var generators []Generator
	var failed []api.BootSetting
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		g, err := parse(name, metadata[name], deadline)
		if err != nil {
			failed = append(failed, api.BootSetting{Key: name, From: g.Command, State: api.BootFailed, Reason: err.Error()})
			continue
		}
		g.Text = g.Command + " " + templates[name]
		generators = append(generators, g)
	}
	return generators, failed
}

func parse(name string, text json.RawMessage, deadline time.Duration) (Generator, error) {
	var in api.Generator
	if err := json.Unmarshal(text, &in); err != nil {
		return Generator{}, fmt.Errorf("read metadata setting-generator: %w", err)
	}
	g := Generator{
		Command: in.Command, Weak: in.Strength == weak, Depth: in.Depth, Deadline: deadline,
		Always: in.SkipIfPopulated != nil && !*in.SkipIfPopulated,
	}
	switch {
	case in.Strength != "" && in.Strength != weak && in.Strength != strong:
		return g, fmt.Errorf("strength is '%s', neither strong nor weak", in.Strength)
	case in.Depth < 0:
		return g, fmt.Errorf("depth is %d; it counts levels below the key", in.Depth)
	}
	var err error
	if g.Key, err = key.Parse(name); err != nil {
		return g, err
	}
	for _, need := range in.Needs {
		k, err := key.Parse(need)
		if err != nil {
			return g, fmt.Errorf("needs: %w", err)
		}
		g.Needs = append(g.Needs, k)
	}
	if in.Timeout != "" {
		if g.Deadline, err = time.ParseDuration(in.Timeout); err != nil || g.Deadline <= 0 {
			return g, fmt.Errorf("timeout '%s' is no duration", in.Timeout)
		}
	}
	return g, nil
}

// Choose tells which generators must run, given the layer that each effective
// setting comes from and the settings that have just changed. What user data, a
// user or the image has said is never generated. What was generated before is,
// if it is weak, or made from what has changed.
func Choose(generators []Generator, layers map[key.Key]api.Layer, changed []key.Key) (run []Generator, skipped []api.BootSetting) {
	stale, tops := outdated(generators, changed), highest(layers)
	for _, g := range generators {
		layer, ok := tops[g.Key]
		again := layer == api.LayerGenerated && (g.Weak || stale[g.Key])
		if !ok || g.Always || g.Depth > 0 || again {
			run = append(run, g)
			continue
		}
		skipped = append(skipped, api.BootSetting{
			Key: g.Key.String(), From: g.Command, State: api.BootSkipped, Reason: reasons[layer],
		})
	}
	return run, skipped
}

// outdated are the keys of generators that need what has changed, or what
// another of them makes anew.
func outdated(generators []Generator, changed []key.Key) map[key.Key]bool {
	stale := map[key.Key]bool{}
	for grew := len(changed) > 0; grew; {
		grew = false
		for _, g := range generators {
			if !stale[g.Key] && touchesAny(g.wanted(), changed) {
				stale[g.Key], grew = true, true
				changed = append(changed[:len(changed):len(changed)], g.Key)
			}
		}
	}
	return stale
}

// wanted are the keys that a generator needs, as far as one can tell.
func (g Generator) wanted() []key.Key {
	return append(slices.Clone(g.Needs), mentioned(g.Text)...)
}

func touchesAny(keys, others []key.Key) bool {
	return slices.ContainsFunc(keys, func(a key.Key) bool {
		return slices.ContainsFunc(others, func(b key.Key) bool { return a.Within(b) || b.Within(a) })
	})
}

var reasons = map[api.Layer]string{
	api.LayerDefault:   "the image has a default for it",
	api.LayerGenerated: "generated at an earlier boot",
	api.LayerUserData:  "set by user data",
	api.LayerUser:      "set through the API",
}

// rank orders layers.
var rank = map[api.Layer]int{api.LayerDefault: 1, api.LayerGenerated: 2, api.LayerUserData: 3, api.LayerUser: 4}

// highest is, for all keys that have a value and all above them, the highest
// layer that has one there or below. Nobody who asks for many keys needs to look
// through all for each.
func highest(layers map[key.Key]api.Layer) map[key.Key]api.Layer {
	tops := make(map[key.Key]api.Layer, len(layers))
	for k, layer := range layers {
		for above := true; above && rank[layer] > rank[tops[k]]; k, above = k.Parent() {
			tops[k] = layer
		}
	}
	return tops
}

// Waves orders generators such that each comes in a later wave than those whose
// settings it needs: the ones that its metadata names, and those that its
// command line or template mentions. Generators that need each other are failed.
func Waves(generators []Generator) (waves [][]Generator, failed []api.BootSetting) {
	waiting := map[key.Key][]key.Key{}
	for _, g := range generators {
		waiting[g.Key] = needs(g, generators)
	}
	for len(generators) > 0 {
		var wave, rest []Generator
		for _, g := range generators {
			if slices.ContainsFunc(waiting[g.Key], func(k key.Key) bool { return waiting[k] != nil }) {
				rest = append(rest, g)
			} else {
				wave = append(wave, g)
			}
		}
		if len(wave) == 0 {
			return waves, append(failed, circle(rest, waiting)...)
		}
		for _, g := range wave {
			waiting[g.Key] = nil
		}
		waves, generators = append(waves, wave), rest
	}
	return waves, failed
}

// needs are the keys of other generators whose settings a generator needs; not nil.
func needs(g Generator, all []Generator) []key.Key {
	found, wanted := []key.Key{}, g.wanted()
	for _, other := range all {
		if other.Key != g.Key && touchesAny(wanted, []key.Key{other.Key}) {
			found = append(found, other.Key)
		}
	}
	return found
}

// settingPattern finds the bare keys of settings in a text.
var settingPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\bsettings(?:\.[A-Za-z0-9_/-]+)+`)
})

// mentioned are the settings that a text names, such as a template's.
func mentioned(text string) []key.Key {
	var keys []key.Key
	for _, word := range settingPattern().FindAllString(text, -1) {
		if k, err := key.Parse(word); err == nil {
			keys = append(keys, k)
		}
	}
	return keys
}

func circle(rest []Generator, waiting map[key.Key][]key.Key) []api.BootSetting {
	var failed []api.BootSetting
	for _, g := range rest {
		failed = append(failed, api.BootSetting{
			Key: g.Key.String(), From: g.Command, State: api.BootFailed,
			Reason: fmt.Sprintf("it needs %s, and that cannot be generated before it", first(waiting[g.Key], waiting)),
		})
	}
	return failed
}

func first(keys []key.Key, waiting map[key.Key][]key.Key) key.Key {
	for _, k := range keys {
		if waiting[k] != nil {
			return k
		}
	}
	return ""
}
