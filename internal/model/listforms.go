package model

import "github.com/go-json-experiment/json/jsontext"

// What may stand in the place of a list: a text alone, and a map.

// only reads a text in the place of a list of it.
func (w *walk) only(n *node) error {
	w.lists++
	w.out = append(w.out, '[')
	err := w.value(n.element(0))
	w.out = append(w.out, ']')
	w.lists--
	return err
}

// entries reads a map in the place of a list: each entry becomes an object.
func (w *walk) entries(n *node) error {
	item := n.element(0)
	for w.dec.PeekKind() != '}' {
		at := w.offset()
		tok, err := w.dec.ReadToken()
		if err != nil {
			return err
		}
		w.path = append(w.path, step{name: tok.String()})
		err = w.entry(item, n.fromMap, tok.String(), at)
		w.path = w.path[:len(w.path)-1]
		if err != nil {
			return err
		}
		w.out = append(w.out, "},"...)
		if err := w.enough(); err != nil {
			return err
		}
	}
	return nil
}

// entry writes the object that a map's entry stands for, but for its last brace.
func (w *walk) entry(item *node, names *fromMap, name string, at int) error {
	w.out = append(w.out, '{')
	begin := len(w.out)
	w.out = append(w.out, `"`+names.key+`":`...)
	start := len(w.out)
	var err error
	if w.out, err = jsontext.AppendQuote(w.out, name); err != nil {
		return err
	}
	keyNode, _ := item.child(names.key)
	w.check(keyNode, at, w.out[start:])
	middle := len(w.out) + 1
	w.out = append(w.out, `,"`+names.value+`":`...)
	valueNode, _ := item.child(names.value)
	if err := w.value(valueNode); err != nil {
		return err
	}
	w.out = append(w.out, ',')
	w.arrange(item, []span{{names.key, begin, middle}, {names.value, middle, len(w.out)}})
	w.out = w.out[:len(w.out)-1]
	return nil
}
