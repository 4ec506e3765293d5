package tufrepo

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/unicode/norm"
)

// maxDepth of metadata. Nothing that anybody publishes comes near it, and each
// level may cost one more copy of what is in it.
const maxDepth = 64

// canonicalForms are the bytes that a signature of a JSON value may cover: the
// value with members sorted by name, without white space, with whole numbers
// only, and strings in which nothing but quotes and backslashes is escaped.
//
// There is one form, unless a string is not in Unicode's normal form C: most
// tools sign strings as they are, the reference's normalise them first.
func canonicalForms(value []byte) ([][]byte, error) {
	plain := canonicalizer{from: jsontext.NewDecoder(bytes.NewReader(value))}
	if err := plain.value(); err != nil {
		return nil, err
	}
	if norm.NFC.IsNormal(plain.out) {
		return [][]byte{plain.out}, nil
	}
	normal := canonicalizer{from: jsontext.NewDecoder(bytes.NewReader(value)), normalise: true}
	if err := normal.value(); err != nil {
		// Two members become one: there is no such form, and nobody signed it.
		return [][]byte{plain.out}, nil
	}
	return [][]byte{plain.out, normal.out}, nil
}

// canonicalizer copies a value token by token.
type canonicalizer struct {
	from      *jsontext.Decoder // refuses repeated names and broken UTF-8
	normalise bool
	out       []byte
}

func (c *canonicalizer) value() error {
	if c.from.StackDepth() >= maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	token, err := c.from.ReadToken()
	if err != nil {
		return err
	}
	switch token.Kind() {
	case '{':
		return c.object()
	case '[':
		return c.array()
	case '"':
		c.text(token.String())
	case '0':
		return c.number(token.String())
	default:
		c.out = append(c.out, token.String()...)
	}
	return nil
}

func (c *canonicalizer) array() error {
	c.out = append(c.out, '[')
	for first := true; c.from.PeekKind() != ']'; first = false {
		if !first {
			c.out = append(c.out, ',')
		}
		if err := c.value(); err != nil {
			return err
		}
	}
	c.out = append(c.out, ']')
	_, err := c.from.ReadToken()
	return err
}

// member is where an object's member lies in what is written.
type member struct {
	name       string
	start, end int
}

func byName(a, b member) int { return cmp.Compare(a.name, b.name) }

func (c *canonicalizer) object() error {
	c.out = append(c.out, '{')
	begin := len(c.out)
	var members []member
	for c.from.PeekKind() != '}' {
		m, err := c.member()
		if err != nil {
			return err
		}
		members = append(members, m)
	}
	if !slices.IsSortedFunc(members, byName) {
		c.sort(begin, members)
	}
	for i := 1; i < len(members); i++ {
		if members[i].name == members[i-1].name {
			return fmt.Errorf("member %s twice, in two spellings", printable(members[i].name))
		}
	}
	if len(members) > 0 {
		c.out = c.out[:len(c.out)-1] // the last comma
	}
	c.out = append(c.out, '}')
	_, err := c.from.ReadToken()
	return err
}

// member writes a name, its value and a comma.
func (c *canonicalizer) member() (member, error) {
	m := member{start: len(c.out)}
	token, err := c.from.ReadToken()
	if err != nil {
		return m, err
	}
	m.name = c.text(token.String())
	c.out = append(c.out, ':')
	err = c.value()
	c.out = append(c.out, ',')
	m.end = len(c.out)
	return m, err
}

// sort puts the members that were written from begin on into order.
func (c *canonicalizer) sort(begin int, members []member) {
	written := bytes.Clone(c.out)
	slices.SortFunc(members, byName)
	c.out = c.out[:begin]
	for _, m := range members {
		c.out = append(c.out, written[m.start:m.end]...)
	}
}

// text writes a string, and answers it as it was written.
func (c *canonicalizer) text(s string) string {
	if c.normalise {
		s = norm.NFC.String(s)
	}
	c.out = append(c.out, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			c.out = append(c.out, '\\')
		}
		c.out = append(c.out, s[i])
	}
	c.out = append(c.out, '"')
	return s
}

var errFraction = errors.New("a number that is not whole, or larger than 64 bits")

func (c *canonicalizer) number(text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return fmt.Errorf("%w: %s", errFraction, printable(text))
	}
	c.out = append(c.out, text...)
	return nil
}
