package datastore

import (
	"bytes"
	"encoding/json"
	"sort"
	"strings"

	"github.com/hostler-os/hostler/internal/key"
)

// Nest builds the nested JSON document of pairs that are sorted by key,
// leaving out the first strip segments of each key. A key that has no further
// segments is left out, and so is one that is also the parent of others.
func Nest(pairs []key.Pair, strip int) json.RawMessage {
	var n nester
	n.out.WriteByte('{')
	for i, p := range pairs {
		segments := p.Key.Segments()
		if len(segments) > strip && !hasChild(pairs[i+1:], p.Key) {
			n.add(segments[strip:], p.Value)
		}
	}
	n.close(0)
	n.out.WriteByte('}')
	return n.out.Bytes()
}

// hasChild tells whether one of the sorted pairs lies below k.
func hasChild(pairs []key.Pair, k key.Key) bool {
	// Other texts that begin with k may sort in between: a, a-b, a.c.
	if len(pairs) == 0 || !strings.HasPrefix(string(pairs[0].Key), string(k)) {
		return false
	}
	below := k + "."
	i := sort.Search(len(pairs), func(i int) bool { return pairs[i].Key >= below })
	return i < len(pairs) && strings.HasPrefix(string(pairs[i].Key), string(below))
}

// nester writes members in key order. All keys below one object are neighbours
// then, so that an object, once closed, is never needed again.
type nester struct {
	out   bytes.Buffer
	path  []string // the objects that are open, outermost first
	comma bool     // the innermost one has a member already
}

func (n *nester) add(segments []string, value json.RawMessage) {
	parents, name := segments[:len(segments)-1], segments[len(segments)-1]
	common := 0
	for common < len(parents) && common < len(n.path) && parents[common] == n.path[common] {
		common++
	}
	n.close(common)
	for _, p := range parents[common:] {
		n.member(p)
		n.out.WriteByte('{')
		n.path = append(n.path, p)
		n.comma = false
	}
	n.member(name)
	n.out.Write(value)
}

// member writes a name. Segments hold nothing that JSON would escape.
func (n *nester) member(name string) {
	if n.comma {
		n.out.WriteByte(',')
	}
	n.comma = true
	n.out.WriteByte('"')
	n.out.WriteString(name)
	n.out.WriteString(`":`)
}

// close closes the open objects beyond depth.
func (n *nester) close(depth int) {
	for range n.path[depth:] {
		n.out.WriteByte('}')
		n.comma = true
	}
	n.path = n.path[:depth]
}
