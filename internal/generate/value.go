package generate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

// take makes a generator's output its value.
func (r *Result) take(text []byte) {
	if len(text) == 0 {
		r.Outcome, r.Reason = Declined, "it printed nothing"
		return
	}
	value := jsontext.Value(text)
	if !value.IsValid() {
		// What it printed may be a secret, so only its length is told.
		r.Reason = fmt.Sprintf("Error deserializing command output as JSON from %s: its %d bytes are not one JSON value", r.Command, len(text))
		return
	}
	if err := value.Compact(); err != nil {
		r.Reason = fmt.Sprintf("Error deserializing command output as JSON from %s: %v", r.Command, err)
		return
	}
	r.Outcome, r.Value = Generated, value
}

// Setting is the result as a report tells it.
func (r *Result) Setting() api.BootSetting {
	states := map[Outcome]api.BootState{Generated: api.BootDone, Declined: api.BootSkipped, Failed: api.BootFailed}
	return api.BootSetting{
		Key: r.Key.String(), From: r.Command, State: states[r.Outcome],
		Reason: r.Reason, Took: r.Took, Stderr: r.Stderr,
	}
}

// Document nests the generated values of results into one settings document,
// without the outer "settings"; nil if there are none. Of a generator with a
// depth, what has a value in layers already is left out. A result that does
// not fit in becomes Failed.
func Document(results []Result, layers map[key.Key]api.Layer) (json.RawMessage, error) {
	tree := map[string]any{}
	for i := range results {
		r := &results[i]
		if r.Outcome != Generated {
			continue
		}
		if err := place(tree, *r, layers); err != nil {
			r.Outcome, r.Reason = Failed, err.Error()
		}
	}
	if len(tree) == 0 {
		return nil, nil
	}
	return jsonv2.Marshal(tree, jsonv2.Deterministic(true))
}

var errNoObject = errors.New("its generator has a depth, but did not print an object")

func place(tree map[string]any, r Result, layers map[key.Key]api.Layer) error {
	segments := r.Key.Segments()
	if len(segments) < 2 {
		return errors.New("only settings can be generated")
	}
	if r.Depth == 0 {
		return put(tree, segments[1:], jsontext.Value(r.Value))
	}
	if jsontext.Value(r.Value).Kind() != '{' {
		return beside(tree, r, layers)
	}
	return below(tree, segments, r.Value, r, layers)
}

// beside gives a value that is no object to all entries of a map: the key
// settings.m.f with depth 1 stands for f of everything in m. That is how images
// of the reference say which source a bootstrap container has that names none.
func beside(tree map[string]any, r Result, layers map[key.Key]api.Layer) error {
	segments := r.Key.Segments()
	parent, name := segments[:len(segments)-1], segments[len(segments)-1]
	for _, entry := range entries(parent, r.Depth, layers) {
		if err := putFree(tree, append(entry, name), r.Value, r, layers); err != nil {
			return err
		}
	}
	return nil
}

// entries are the places depth levels below parent that have a value in layers, sorted.
func entries(parent []string, depth int, layers map[key.Key]api.Layer) [][]string {
	var found [][]string
	for k := range layers {
		at, length := k.Segments(), len(parent)+depth
		if len(at) > length && slices.Equal(at[:len(parent)], parent) {
			found = append(found, slices.Clip(at[:length]))
		}
	}
	slices.SortFunc(found, slices.Compare)
	return slices.CompactFunc(found, slices.Equal)
}

// below places the members of an object, down to the generator's depth.
func below(tree map[string]any, at []string, text []byte, r Result, layers map[key.Key]api.Layer) error {
	if len(at)-len(r.Key.Segments()) == r.Depth {
		return putFree(tree, at, text, r, layers)
	}
	var members map[string]jsontext.Value
	if err := jsonv2.Unmarshal(text, &members); err != nil {
		return errNoObject
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if err := below(tree, append(slices.Clone(at), name), members[name], r, layers); err != nil {
			return err
		}
	}
	return nil
}

// putFree sets a value unless there is one that the generator must leave alone.
func putFree(tree map[string]any, at []string, text []byte, r Result, layers map[key.Key]api.Layer) error {
	k, err := key.FromSegments(at...)
	if err != nil {
		return err
	}
	if layer, has := highest(k, layers); has && !(layer == api.LayerGenerated && r.Weak) {
		return nil
	}
	return put(tree, at[1:], jsontext.Value(text))
}

// put sets a value in a tree of maps. Generators of a parent and of its child meet here.
func put(tree map[string]any, at []string, value jsontext.Value) error {
	for _, name := range at[:len(at)-1] {
		next, ok := tree[name].(map[string]any)
		if !ok {
			if _, taken := tree[name]; taken {
				return fmt.Errorf("another generator made '%s', above it", name)
			}
			next = map[string]any{}
			tree[name] = next
		}
		tree = next
	}
	last := at[len(at)-1]
	if _, taken := tree[last]; taken {
		return fmt.Errorf("another generator made '%s', too", last)
	}
	tree[last] = value
	return nil
}
