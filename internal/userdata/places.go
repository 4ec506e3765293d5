package userdata

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/hostler-os/hostler/internal/model"
)

// maxEntries bounds tables, values and elements of lists together. The TOML library takes
// time that grows with the square of what one table holds: half a second for this much.
const maxEntries = 8 << 10

// maxPaths bounds the text of all keys, in bytes: a long one may have many below it.
const maxPaths = 8 << 20

// place is where something stands, both from 1.
type place struct{ line, column int }

// places tells where keys stand, by the text that the model gives them in its
// violations, such as settings.ntp.time-servers[0].
type places map[string]place

// of is the place of a key, or of the nearest one around it.
func (p places) of(key string) place {
	for key != "" {
		if at, ok := p[key]; ok {
			return at
		}
		key = parent(key)
	}
	return place{}
}

// parent cuts the last part off a key's text.
func parent(key string) string {
	quoted := false
	for i := len(key) - 1; i > 0; i-- {
		switch c := key[i]; {
		case c == '"' && key[i-1] != '\\':
			quoted = !quoted
		case !quoted && (c == '.' || c == '['):
			return key[:i]
		}
	}
	return ""
}

// index reads the document once without decoding it: it finds the places and
// refuses what would cost too much to decode.
func index(text []byte) (places, error) {
	x := indexer{text: text, line: 1, column: 1, places: places{}, elements: map[string]int{}}
	x.parser.Reset(text)
	for x.parser.NextExpression() {
		if err := x.expression(x.parser.Expression()); err != nil {
			return nil, err
		}
	}
	return x.places, nil // what the parser stumbled over, decoding tells better
}

type indexer struct {
	text     []byte
	parser   unstable.Parser
	places   places
	elements map[string]int // of arrays of tables
	table    string
	entries  int
	paths    int // bytes of keys that were noted

	offset, line, column int // up to where lines are counted, and the place of that
}

func (x *indexer) expression(e *unstable.Node) error {
	switch e.Kind {
	case unstable.Table, unstable.ArrayTable:
		begin := x.at(e.Child().Raw)
		path, err := x.key("", e.Key(), true)
		if err != nil {
			return err
		}
		if e.Kind == unstable.ArrayTable {
			n := x.elements[path]
			x.elements[path] = n + 1
			path += element(n)
			x.places[path] = begin
		}
		x.table = path
	case unstable.KeyValue:
		return x.value(x.table, e, 0)
	}
	return nil
}

// key appends a dotted key to a path and notes each of its parts.
func (x *indexer) key(path string, parts unstable.Iterator, header bool) (string, error) {
	for n := 0; parts.Next(); n++ {
		part := parts.Node()
		if n >= maxSegments || len(part.Data) > maxKey {
			return "", x.fault(part.Raw, fmt.Sprintf("a key has at most %d parts of %d bytes each", maxSegments, maxKey))
		}
		if path != "" {
			path += "."
		}
		path += model.NameText(string(part.Data))
		if err := x.note(path, part.Raw); err != nil {
			return "", err
		}
		if n := x.elements[path]; header && n > 0 && !parts.IsLast() {
			path += element(n - 1)
		}
	}
	return path, x.count()
}

// count counts one more table, value or element of a list.
func (x *indexer) count() error {
	if x.entries++; x.entries > maxEntries {
		return &Fault{Message: fmt.Sprintf("it has more than %d tables and values", maxEntries), Hint: tooMuch, Line: x.line, Column: x.column}
	}
	return nil
}

const tooMuch = "this is more than any user data needs"

// value notes a key with its value, and what is in that.
func (x *indexer) value(table string, e *unstable.Node, depth int) error {
	path, err := x.key(table, e.Key(), false)
	if err != nil {
		return err
	}
	return x.inside(path, e.Value(), depth)
}

func (x *indexer) inside(path string, v *unstable.Node, depth int) error {
	if depth > maxDepth {
		return &Fault{Message: fmt.Sprintf("lists and tables are nested more than %d deep", maxDepth), Key: clip(path), Line: x.line, Column: x.column}
	}
	children := v.Children()
	switch v.Kind {
	case unstable.InlineTable:
		for children.Next() {
			if n := children.Node(); n.Kind == unstable.KeyValue {
				if err := x.value(path, n, depth+1); err != nil {
					return err
				}
			}
		}
	case unstable.Array:
		for i := 0; children.Next(); {
			n := children.Node()
			if n.Kind == unstable.Comment {
				continue
			}
			if err := x.element(path+element(i), n, depth+1); err != nil {
				return err
			}
			i++
		}
	}
	return nil
}

// element notes an element of a list, and what is in it.
func (x *indexer) element(path string, v *unstable.Node, depth int) error {
	if err := x.count(); err != nil {
		return err
	}
	if v.Raw.Length > 0 {
		if err := x.note(path, v.Raw); err != nil {
			return err
		}
	}
	return x.inside(path, v, depth)
}

func element(i int) string { return "[" + strconv.Itoa(i) + "]" }

func clip(text string) string {
	const most = 200
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// note keeps the first place of a path.
func (x *indexer) note(path string, at unstable.Range) error {
	if _, known := x.places[path]; known {
		return nil
	}
	if x.paths += len(path); x.paths > maxPaths {
		return x.fault(at, fmt.Sprintf("the keys of all its tables and values have more than %d bytes", maxPaths))
	}
	x.places[path] = x.at(at)
	return nil
}

// at counts lines and characters on from where it last was: keys come in the
// order of the text, and all of it may stand on one line.
func (x *indexer) at(r unstable.Range) place {
	offset := int(r.Offset)
	if offset < x.offset {
		x.offset, x.line, x.column = 0, 1, 1
	}
	passed := x.text[x.offset:offset]
	if i := bytes.LastIndexByte(passed, '\n'); i >= 0 {
		x.line += bytes.Count(passed, []byte{'\n'})
		x.column, passed = 1, passed[i+1:]
	}
	x.column += utf8.RuneCount(passed)
	x.offset = offset
	return place{x.line, x.column}
}

func (x *indexer) fault(at unstable.Range, message string) error {
	p := x.at(at)
	return &Fault{Message: message, Line: p.line, Column: p.column}
}
