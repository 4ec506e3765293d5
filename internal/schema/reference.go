package schema

import (
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// refer compiles what a reference names.
func (c *Compiler) refer(p place, text string) (*Schema, error) {
	name, fragment, _ := strings.Cut(text, "#")
	file := c.fileOf(p.file, name)
	doc, ok := c.files[file]
	if !ok {
		return nil, p.wrap(&RemoteError{file})
	}
	pointer, err := url.PathUnescape(fragment)
	if err != nil {
		return nil, p.fault("%q is no JSON pointer", fragment)
	}
	tokens, err := tokensOf(p, file, doc, pointer)
	if err != nil {
		return nil, err
	}
	to := place{file: file}
	for _, token := range tokens {
		if doc, ok = child(doc, token); !ok {
			return nil, p.wrap(&MissingError{file, token})
		}
		to = to.below(token)
	}
	return c.at(to, doc)
}

// fileOf is the document that a reference in another one names.
func (c *Compiler) fileOf(from, name string) string {
	if name == "" {
		return from
	}
	if base, err := url.Parse(idOf(c.files[from])); err == nil {
		if to, err := base.Parse(name); err == nil && c.names[to.String()] != "" {
			return c.names[to.String()]
		}
	}
	if strings.Contains(name, ":") {
		return name
	}
	return path.Join(path.Dir(from), name)
}

// idOf is what a document calls itself, without an empty fragment.
func idOf(doc any) string {
	object, _ := doc.(map[string]any)
	id, _ := object["$id"].(string)
	return strings.TrimSuffix(id, "#")
}

// tokensOf are the steps from a document to what a fragment names: a JSON
// pointer (RFC 6901) or an anchor.
func tokensOf(p place, file string, doc any, fragment string) ([]string, error) {
	if fragment == "" {
		return nil, nil
	}
	if fragment[0] != '/' {
		tokens, ok := findAnchor(doc, fragment)
		if !ok {
			return nil, p.wrap(&MissingError{file, fragment})
		}
		return tokens, nil
	}
	tokens := strings.Split(fragment[1:], "/")
	for i, token := range tokens {
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return tokens, nil
}

// data are keywords whose values are no schemas, whatever they look like.
var data = []string{"const", "enum", "default", "examples"}

// findAnchor finds the schema with an $anchor in a document.
func findAnchor(doc any, anchor string) ([]string, bool) {
	switch doc := doc.(type) {
	case map[string]any:
		if doc["$anchor"] == anchor {
			return nil, true
		}
		for _, name := range sortedNames(doc) {
			if slices.Contains(data, name) {
				continue
			}
			if tokens, ok := findAnchor(doc[name], anchor); ok {
				return slices.Insert(tokens, 0, name), true
			}
		}
	case []any:
		for i, item := range doc {
			if tokens, ok := findAnchor(item, anchor); ok {
				return slices.Insert(tokens, 0, strconv.Itoa(i)), true
			}
		}
	}
	return nil, false
}

func child(doc any, token string) (any, bool) {
	switch doc := doc.(type) {
	case map[string]any:
		v, ok := doc[token]
		return v, ok
	case []any:
		if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(doc) {
			return doc[i], true
		}
	}
	return nil, false
}
