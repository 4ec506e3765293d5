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
	n := nest{tree: map[string]any{}, layers: layers, tops: highest(layers)}
	for i := range results {
		r := &results[i]
		if r.Outcome != Generated {
			continue
		}
		if err := n.place(r); err != nil {
			r.Outcome, r.Reason = Failed, err.Error()
		}
	}
	if len(n.tree) == 0 {
		return nil, nil
	}
	return jsonv2.Marshal(n.tree, jsonv2.Deterministic(true))
}

// nest is the document that grows, and what it must go around.
type nest struct {
	tree   map[string]any
	layers map[key.Key]api.Layer // of all that has a value
	tops   map[key.Key]api.Layer // see highest
}

var errNoObject = errors.New("its generator has a depth, but did not print an object")

func (n *nest) place(r *Result) error {
	segments := r.Key.Segments()
	switch {
	case len(segments) < 2:
		return errors.New("only settings can be generated")
	case r.Depth == 0:
		return n.put(segments, r.Value)
	case jsontext.Value(r.Value).Kind() != '{':
		return n.beside(segments, r)
	}
	return n.below(segments, r.Depth, r.Value, r)
}

// beside gives a value that is no object to all entries of a map: the key
// settings.m.f with depth 1 stands for f of everything in m. That is how images
// of the reference say which source a bootstrap container has that names none.
func (n *nest) beside(segments []string, r *Result) error {
	parent, name := segments[:len(segments)-1], segments[len(segments)-1]
	for _, entry := range n.entries(parent, r.Depth) {
		if err := n.putFree(append(entry, name), r.Value, r); err != nil {
			return err
		}
	}
	return nil
}

// entries are the places depth levels below parent that have a value, sorted.
func (n *nest) entries(parent []string, depth int) [][]string {
	var found [][]string
	for k := range n.layers {
		at, length := k.Segments(), len(parent)+depth
		if len(at) > length && slices.Equal(at[:len(parent)], parent) {
			found = append(found, slices.Clip(at[:length]))
		}
	}
	slices.SortFunc(found, slices.Compare)
	return slices.CompactFunc(found, slices.Equal)
}

// below places the members of an object, so many levels deep.
func (n *nest) below(at []string, depth int, text []byte, r *Result) error {
	if depth == 0 {
		return n.putFree(at, text, r)
	}
	var members map[string]jsontext.Value
	if err := jsonv2.Unmarshal(text, &members); err != nil {
		return errNoObject
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if err := n.below(append(slices.Clone(at), name), depth-1, members[name], r); err != nil {
			return err
		}
	}
	return nil
}

// putFree sets a value unless there is one that the generator must leave alone.
func (n *nest) putFree(at []string, text []byte, r *Result) error {
	k, err := key.FromSegments(at...)
	if err != nil {
		return err
	}
	if layer, has := n.tops[k]; has && !(layer == api.LayerGenerated && r.Weak) {
		return nil
	}
	return n.put(at, text)
}

// put sets the value of a setting. Generators of a parent and of its child meet here.
func (n *nest) put(at []string, value jsontext.Value) error {
	tree, last := n.tree, at[len(at)-1]
	for _, name := range at[1 : len(at)-1] {
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
	if _, taken := tree[last]; taken {
		return fmt.Errorf("another generator made '%s', too", last)
	}
	tree[last] = value
	return nil
}
