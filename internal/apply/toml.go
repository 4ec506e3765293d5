package apply

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// checkTOML tells whether the decoder would read a document, in a time that
// grows with its length. The decoder looks through all keys of a table for each
// further one, and 60,000 sysctls take it a quarter of a minute.
func checkTOML(text []byte) error {
	c := tomlChecker{root: &tomlNode{kind: tomlOpened}}
	c.table = c.root
	c.parser.Reset(text)
	for c.parser.NextExpression() {
		e := c.parser.Expression()
		if err := c.expression(e); err != nil {
			return c.locate(err, e.Child())
		}
	}
	if e, ok := errors.AsType[*unstable.ParserError](c.parser.Error()); ok {
		return fmt.Errorf("line %d: %w", c.parser.Shape(c.parser.Range(e.Highlight)).Start.Line, e)
	}
	return c.parser.Error()
}

// tomlKind is how a name came to be, which decides what else may define it.
type tomlKind uint8

const (
	tomlValue   tomlKind = iota // also an inline table: nothing comes after it
	tomlImplied                 // [a.b] makes a
	tomlOpened                  // [a]
	tomlDotted                  // a.b = 1 makes a
	tomlArray                   // [[a]]; what is below is its last element
)

type tomlNode struct {
	kind  tomlKind
	below map[string]*tomlNode
}

func (n *tomlNode) add(name []byte, kind tomlKind) *tomlNode {
	if n.below == nil {
		n.below = make(map[string]*tomlNode)
	}
	added := &tomlNode{kind: kind}
	n.below[string(name)] = added
	return added
}

type tomlChecker struct {
	parser      unstable.Parser
	root, table *tomlNode
}

func (c *tomlChecker) locate(err error, at *unstable.Node) error {
	for at.Kind != unstable.Key && at.Next() != nil { // the value is before its key
		at = at.Next()
	}
	line := 1 + bytes.Count(c.parser.Data()[:at.Raw.Offset], []byte{'\n'})
	return fmt.Errorf("line %d: %w", line, err)
}

func (c *tomlChecker) expression(e *unstable.Node) error {
	switch e.Kind {
	case unstable.KeyValue:
		return c.keyValue(c.table, e)
	case unstable.Table, unstable.ArrayTable:
		return c.header(e)
	}
	return nil
}

// header goes to the table that is named from the top.
func (c *tomlChecker) header(e *unstable.Node) error {
	at := c.root
	for parts := e.Key(); parts.Next(); {
		name := parts.Node().Data
		next := at.below[string(name)]
		switch {
		case parts.IsLast():
			table, err := open(at, name, next, e.Kind == unstable.ArrayTable)
			c.table = table
			return err
		case next == nil:
			next = at.add(name, tomlImplied)
		case next.kind == tomlValue:
			return fmt.Errorf("key %q already exists as a value", name)
		}
		at = next
	}
	return nil
}

// open defines a table, or one more of an array of them.
func open(at *tomlNode, name []byte, known *tomlNode, array bool) (*tomlNode, error) {
	kind := tomlOpened
	if array {
		kind = tomlArray
	}
	switch {
	case known == nil:
		return at.add(name, kind), nil
	case array && known.kind == tomlArray:
		known.below = nil
		return known, nil
	case !array && known.kind == tomlImplied:
		known.kind = tomlOpened
		return known, nil
	}
	return nil, fmt.Errorf("table %q already exists", name)
}

func (c *tomlChecker) keyValue(at *tomlNode, e *unstable.Node) error {
	for parts := e.Key(); parts.Next(); {
		name := parts.Node().Data
		next := at.below[string(name)]
		switch {
		case next == nil && parts.IsLast():
			next = at.add(name, tomlValue)
		case next == nil:
			next = at.add(name, tomlDotted)
		case parts.IsLast() || next.kind != tomlDotted:
			return fmt.Errorf("key %q is already defined", name)
		}
		at = next
	}
	return c.value(e.Value())
}

// value looks into lists and inline tables, which are worlds of their own, and
// lets the decoder judge what is neither.
func (c *tomlChecker) value(v *unstable.Node) error {
	switch v.Kind {
	case unstable.String, unstable.Bool, unstable.Comment:
		return nil
	case unstable.InlineTable, unstable.Array:
		table := &tomlNode{}
		for children := v.Children(); children.Next(); {
			if err := c.inside(table, children.Node()); err != nil {
				return err
			}
		}
		return nil
	}
	var decoded map[string]any
	return toml.Unmarshal(append([]byte("v = "), v.Data...), &decoded)
}

func (c *tomlChecker) inside(table *tomlNode, child *unstable.Node) error {
	if child.Kind == unstable.KeyValue {
		return c.keyValue(table, child)
	}
	return c.value(child)
}
