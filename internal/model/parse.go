package model

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/key"
)

// maxDepth is how deep objects and lists may nest, as in the reference.
const maxDepth = 128

var (
	errDepth    = errors.New("recursion limit exceeded")
	errTrailing = errors.New("trailing characters")
	errEnough   = errors.New("too many violations")
)

// ParseJSON validates a settings document (no outer member) and flattens it to
// sorted pairs. Reading is strict: UTF-8 only, no member twice, nothing behind
// the document, at most 128 levels. The error is an *[Error].
func (m *Model) ParseJSON(doc []byte) ([]key.Pair, error) {
	w := m.newWalk(doc)
	w.path = append(w.path, step{name: root})
	return w.finish(w.document(m.root))
}

// Check says whether a stored value still fits the model. The error is an *[Error].
func (m *Model) Check(p key.Pair) error {
	n, err := m.find(p.Key)
	if err != nil {
		return err
	}
	w := m.newWalk(p.Value)
	for _, name := range p.Key.Segments() {
		w.path = append(w.path, step{name: name})
	}
	w.secret = m.Secret(p.Key)
	pairs, err := w.finish(w.document(n))
	if err != nil {
		return err
	}
	if len(pairs) != 1 || pairs[0].Key != p.Key {
		return refuse(Violation{Key: string(p.Key), Type: n.typeText(), Message: "it is stored as one value, but has settings below it"})
	}
	return nil
}

// walk reads a document along the model. It writes the document anew, compact
// and in the form in which it is stored, and notes where the leaves are.
type walk struct {
	model      *Model
	doc        []byte
	dec        *jsontext.Decoder
	out        []byte
	leaves     []leaf
	path       []step
	lists      int // lists and free places around us: what is below is part of a leaf
	secret     bool
	violations []Violation
	offsets    []int // of the violations
}

// step is a member, or an element of a list.
type step struct {
	name    string
	element bool
	index   int
}

type leaf struct {
	key        key.Key
	start, end int
}

func (m *Model) newWalk(doc []byte) *walk {
	return &walk{
		model: m, doc: doc, dec: jsontext.NewDecoder(bytes.NewBuffer(doc)),
		out: make([]byte, 0, len(doc)), path: make([]step, 0, 8),
	}
}

// document reads the one value of the document and what must not follow it.
func (w *walk) document(n *node) error {
	if err := w.value(n); err != nil {
		return err
	}
	if _, err := w.dec.ReadToken(); err != io.EOF {
		return errTrailing
	}
	return nil
}

// finish turns what was read into pairs or into one error.
func (w *walk) finish(err error) ([]key.Pair, error) {
	if err != nil && !errors.Is(err, errEnough) {
		v, offset := syntaxViolation(w.doc, w.dec.InputOffset(), err)
		w.violations, w.offsets = []Violation{v}, []int{offset}
	}
	if len(w.violations) > 0 {
		locate(w.doc, w.violations, w.offsets)
		return nil, &Error{Violations: w.violations}
	}
	pairs := make([]key.Pair, 0, len(w.leaves))
	for _, l := range w.leaves {
		pairs = append(pairs, key.Pair{Key: l.key, Value: bytes.Clone(w.out[l.start:l.end])})
	}
	slices.SortFunc(pairs, func(a, b key.Pair) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return pairs, nil
}

// value reads one value at the place n.
func (w *walk) value(n *node) error {
	start, outer := len(w.out), w.secret
	w.secret = w.secret || n.secret
	at, before := w.offset(), len(w.violations)
	kind := w.dec.PeekKind()
	var err error
	switch {
	case kind == '{' && n.fromMap != nil:
		err = w.list(n, w.entries)
	case kind == '{' && n.kinds&kindObject != 0:
		err = w.object(n)
	case kind == '[' && n.kinds&kindArray != 0:
		err = w.list(n, w.elements)
	case kind == '"' && n.fromOne:
		err = w.only(n)
	case kind == '{' || kind == '[':
		w.mismatch(n, at, kindOf(kind), "")
		err = w.skip()
	default:
		err = w.scalar(n, at)
	}
	if err == nil && len(w.violations) == before && !n.bare {
		w.check(n, at, w.out[start:])
	}
	if err == nil && len(w.violations) == before {
		w.respell(n, start)
		err = w.note(kind, start, at)
	}
	w.secret = outer
	return err
}

// note records a leaf: whatever is no object and not part of a list.
func (w *walk) note(kind jsontext.Kind, start, at int) error {
	if w.lists > 0 || kind == '{' && w.out[start] == '{' {
		return nil
	}
	k, err := key.FromSegments(stepNames(w.path)...)
	if err != nil {
		w.violate(at, Violation{Message: "Error creating valid datastore key: " + clip(err.Error())})
		return w.enough()
	}
	w.leaves = append(w.leaves, leaf{k, start, len(w.out)})
	return nil
}

// respell replaces a value by the spelling that is stored.
func (w *walk) respell(n *node, start int) {
	if n.spellings == nil {
		return
	}
	var given string
	if json.Unmarshal(w.out[start:], &given) != nil {
		return
	}
	if stored, ok := n.spellings[given]; ok {
		w.out = append(w.out[:start], stored...)
	}
}

// object reads an object with the members that n has.
func (w *walk) object(n *node) error {
	if err := w.enter(); err != nil {
		return err
	}
	var seen map[string]bool
	if n.aliased {
		seen = map[string]bool{}
	}
	w.out = append(w.out, '{')
	var written []span
	for w.dec.PeekKind() != '}' {
		at := w.offset()
		tok, err := w.dec.ReadToken()
		if err != nil {
			return err
		}
		name, from := tok.String(), len(w.out)
		if err := w.member(n, name, at, seen); err != nil {
			return err
		}
		if w.lists > 0 && len(w.out) > from {
			_, stored := n.child(name)
			written = append(written, span{stored, from, len(w.out)})
		}
	}
	w.arrange(n, written)
	w.closeWith('}')
	_, err := w.dec.ReadToken()
	return err
}

// member reads the value of the member called name.
func (w *walk) member(n *node, name string, at int, seen map[string]bool) error {
	child, stored := n.child(name)
	w.path = append(w.path, step{name: stored})
	defer func() { w.path = w.path[:len(w.path)-1] }()
	declared := n.has(name)
	switch {
	case child == nil:
		w.unknown(n, at, name)
		return w.skip()
	case seen[stored]:
		w.violate(at, Violation{Message: "duplicate field `" + stored + "`", Hint: "give it once, by one of its names"})
		return w.skip()
	case !declared && !w.named(n, at, name):
		return w.skip()
	case declared && w.dec.PeekKind() == 'n':
		return w.skip()
	}
	if seen != nil {
		seen[stored] = true
	}
	quoted, err := jsontext.AppendQuote(w.out, stored)
	if err != nil {
		return err
	}
	w.out = append(quoted, ':')
	if err := w.value(child); err != nil {
		return err
	}
	w.out = append(w.out, ',')
	return w.enough()
}

// span is where a member stands in the output.
type span struct {
	name       string
	start, end int
}

// arrange puts the members of an object that is part of a leaf into the
// schema's order, further ones behind them by name, so that equal values are
// stored as equal texts.
func (w *walk) arrange(n *node, members []span) {
	order := func(a, b span) int {
		return cmp.Or(cmp.Compare(n.rank(a.name), n.rank(b.name)), strings.Compare(a.name, b.name))
	}
	if slices.IsSortedFunc(members, order) {
		return
	}
	at := members[0].start
	text := bytes.Clone(w.out[at:])
	slices.SortFunc(members, order)
	w.out = w.out[:at]
	for _, m := range members {
		w.out = append(w.out, text[m.start-at:m.end-at]...)
	}
}

// rank is the place of a member in the schema's order.
func (n *node) rank(name string) int {
	if i, ok := n.index[name]; ok {
		return i
	}
	return len(n.members)
}

// named checks a name that the user chose.
func (w *walk) named(n *node, at int, name string) bool {
	faults := n.nameFaults(name)
	if len(faults) == 0 {
		return true
	}
	for _, v := range w.explain(n.names, name, faults) {
		w.violate(at, v)
	}
	return false
}

// list reads a list by means of read.
func (w *walk) list(n *node, read func(*node) error) error {
	if err := w.enter(); err != nil {
		return err
	}
	w.lists++
	w.out = append(w.out, '[')
	err := read(n)
	w.closeWith(']')
	w.lists--
	if err != nil {
		return err
	}
	_, err = w.dec.ReadToken()
	return err
}

func (w *walk) elements(n *node) error {
	for i := 0; w.dec.PeekKind() != ']'; i++ {
		item := n.element(i)
		if item == nil {
			return w.surplus(n, i)
		}
		w.path = append(w.path, step{element: true, index: i})
		err := w.value(item)
		w.path = w.path[:len(w.path)-1]
		if err != nil {
			return err
		}
		w.out = append(w.out, ',')
		if err := w.enough(); err != nil {
			return err
		}
	}
	return nil
}

// surplus skips elements that must not be there.
func (w *walk) surplus(n *node, length int) error {
	at, want := w.offset(), strconv.Itoa(length)
	for ; w.dec.PeekKind() != ']'; length++ {
		if err := w.skip(); err != nil {
			return err
		}
	}
	w.violate(at, Violation{Type: n.typeText(), Message: "invalid length " + strconv.Itoa(length) + ", expected " + want + " elements", Hint: n.hint()})
	return w.enough()
}

// scalar reads a value that is neither object nor list.
func (w *walk) scalar(n *node, at int) error {
	tok, err := w.dec.ReadToken()
	if err != nil {
		return err
	}
	text := tok.String()
	got := kindOf(tok.Kind())
	if got == kindNumber && isInteger(text) {
		got = kindInteger
	}
	switch {
	case n.kinds&got == 0:
		w.mismatch(n, at, got, text)
		w.out = append(w.out, "null"...)
	case got == kindString:
		w.out, err = jsontext.AppendQuote(w.out, text)
	case got&(kindInteger|kindNumber) != 0 && !inRange(text, got):
		w.violate(at, Violation{Type: n.typeText(), Message: "invalid value: " + w.describe(got, text) + ", expected " + n.expected(), Hint: n.hint()})
		w.out = append(w.out, "null"...)
	default:
		w.out = append(w.out, text...)
	}
	return err
}

// enter begins an object or a list.
func (w *walk) enter() error {
	if w.dec.StackDepth() >= maxDepth {
		return errDepth
	}
	_, err := w.dec.ReadToken()
	return err
}

// closeWith ends an object or a list in the output.
func (w *walk) closeWith(c byte) {
	w.out = append(bytes.TrimSuffix(w.out, []byte{','}), c)
}

// skip reads a value that is of no use, and still minds the depth.
func (w *walk) skip() error {
	depth := w.dec.StackDepth()
	for {
		tok, err := w.dec.ReadToken()
		if err != nil {
			return err
		}
		if k := tok.Kind(); (k == '{' || k == '[') && w.dec.StackDepth() > maxDepth {
			return errDepth
		}
		if w.dec.StackDepth() == depth {
			return w.enough()
		}
	}
}

func (w *walk) enough() error {
	if len(w.violations) >= maxViolations {
		return errEnough
	}
	return nil
}

// offset is where the next value or name begins.
func (w *walk) offset() int {
	i := int(w.dec.InputOffset())
	for i < len(w.doc) && strings.IndexByte(" \t\r\n,:", w.doc[i]) >= 0 {
		i++
	}
	return i
}

func kindOf(k jsontext.Kind) kinds {
	switch k {
	case '{':
		return kindObject
	case '[':
		return kindArray
	case '"':
		return kindString
	case '0':
		return kindNumber
	case 't', 'f':
		return kindBoolean
	}
	return kindNull
}

// isInteger tells by the literal, as the reference does: 1.0, 1e3 and -0 are
// floating point.
func isInteger(literal string) bool {
	return literal != "-0" && strings.Trim(literal, "-0123456789") == ""
}

// inRange keeps numbers from growing into something that costs more to
// compare than it cost to send.
func inRange(literal string, kind kinds) bool {
	var err error
	switch {
	case kind == kindNumber && len(literal) > 64:
		return false
	case kind == kindNumber:
		_, err = strconv.ParseFloat(literal, 64)
	case literal[0] == '-':
		_, err = strconv.ParseInt(literal, 10, 64)
	default:
		_, err = strconv.ParseUint(literal, 10, 64)
	}
	return err == nil
}
