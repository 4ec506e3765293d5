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

// maxEntries bounds tables and values together. The TOML library takes time
// that grows with the square of what one table holds: half a second for this much.
const maxEntries = 8 << 10

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
	x := indexer{text: text, line: 1, places: places{}, elements: map[string]int{}}
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

	offset, line, begin int // up to where lines are counted, and where that line begins
}

func (x *indexer) expression(e *unstable.Node) error {
	switch e.Kind {
	case unstable.Table, unstable.ArrayTable:
		path, err := x.key("", e.Key(), true)
		if err != nil {
			return err
		}
		if e.Kind == unstable.ArrayTable {
			n := x.elements[path]
			x.elements[path] = n + 1
			path += element(n)
			x.note(path, e.Child().Raw)
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
		x.note(path, part.Raw)
		if n := x.elements[path]; header && n > 0 && !parts.IsLast() {
			path += element(n - 1)
		}
	}
	if x.entries++; x.entries > maxEntries {
		return "", &Fault{Message: fmt.Sprintf("it has more than %d tables and values", maxEntries), Hint: "this is more than any user data needs"}
	}
	return path, nil
}

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
		return &Fault{Message: fmt.Sprintf("lists and tables are nested more than %d deep", maxDepth), Key: clip(path)}
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
			if n.Raw.Length > 0 {
				x.note(path+element(i), n.Raw)
			}
			if err := x.inside(path+element(i), n, depth+1); err != nil {
				return err
			}
			i++
		}
	}
	return nil
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
func (x *indexer) note(path string, at unstable.Range) {
	if _, known := x.places[path]; !known {
		x.places[path] = x.at(int(at.Offset))
	}
}

// at counts lines on from where it last was: keys come in the order of the text.
func (x *indexer) at(offset int) place {
	if offset < x.offset {
		x.offset, x.line, x.begin = 0, 1, 0
	}
	passed := x.text[x.offset:offset]
	x.line += bytes.Count(passed, []byte{'\n'})
	if i := bytes.LastIndexByte(passed, '\n'); i >= 0 {
		x.begin = x.offset + i + 1
	}
	x.offset = offset
	return place{x.line, 1 + utf8.RuneCount(x.text[x.begin:offset])}
}

func (x *indexer) fault(at unstable.Range, message string) error {
	p := x.at(int(at.Offset))
	return &Fault{Message: message, Line: p.line, Column: p.column}
}
