package model

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/key"
)

// ParsePairs types key=value strings by the model; "settings." is optional.
// Strings are taken as they stand; booleans and numbers as JSON writes them;
// lists as JSON or as elements between commas; objects and maps as JSON. Of
// two values for one key the last wins. The error is an *[Error].
func (m *Model) ParsePairs(pairs []string) ([]key.Pair, error) {
	tree := map[string]any{}
	var violations []Violation
	for _, text := range pairs {
		if err := m.plantPair(tree, text); err != nil {
			violations = append(violations, asError(err).Violations...)
		}
	}
	out, err := m.ParseTree(tree)
	if err != nil {
		violations = append(violations, asError(err).Violations...)
	}
	if len(violations) > 0 {
		return nil, &Error{Violations: violations[:min(len(violations), maxViolations)]}
	}
	return out, nil
}

// plantPair reads one pair into the tree.
func (m *Model) plantPair(tree map[string]any, text string) error {
	left, right, ok := splitPair(text)
	if !ok {
		return refuse(Violation{
			Message: "Failed to split the string: " + clip(text),
			Hint:    "give KEY=VALUE, for example motd=hello",
		})
	}
	k, err := key.Parse(left)
	if err != nil {
		return refuse(Violation{
			Message: fmt.Sprintf("Prefix '%s' is not a valid key: %s", clip(left), clip(err.Error())),
			Hint:    "give KEY=VALUE, for example motd=hello",
		})
	}
	k, err = m.Resolve(string(k))
	if err != nil {
		return err
	}
	n, err := m.find(k)
	if err != nil {
		return err
	}
	v, err := m.typed(n, k, right)
	if err != nil {
		return err
	}
	return graft(tree, k, v)
}

// splitPair splits at the first = outside of the key's quotes.
func splitPair(text string) (left, right string, ok bool) {
	quoted := false
	for i := range len(text) {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == '=' && !quoted:
			return text[:i], text[i+1:], true
		}
	}
	return "", "", false
}

// typed makes the value that text means at the place n.
func (m *Model) typed(n *node, k key.Key, text string) (any, error) {
	if !utf8.ValidString(text) {
		return nil, refuse(Violation{Key: string(k), Type: n.typeText(), Message: "invalid UTF-8", Hint: "text must be UTF-8"})
	}
	trimmed := strings.TrimSpace(text)
	looksJSON := trimmed != "" && (trimmed[0] == '[' && trimmed[len(trimmed)-1] == ']' || trimmed[0] == '{' || strings.HasPrefix(trimmed, `["`))
	switch {
	case n.kinds&(kindArray|kindObject) != 0 && looksJSON && (trimmed[0] == '[' || n.kinds&kindObject != 0 || n.fromMap != nil):
		return m.fromJSON(n, k, trimmed)
	case n.kinds == kindObject:
		return nil, refuse(Violation{
			Key: string(k), Type: n.typeText(),
			Message: "invalid type: string, expected " + n.expected(),
			Hint:    "give it as JSON, {\"NAME\": VALUE}, or set what is below it: " + string(k) + "." + n.childNames()[0] + "=VALUE",
		})
	case n.kinds&kindArray != 0 && n.kinds&kindString == 0:
		return m.commaList(n, k, text)
	}
	return n.word(text), nil
}

// fromJSON reads a value given as JSON.
func (m *Model) fromJSON(n *node, k key.Key, text string) (any, error) {
	v, err := decodeStrict([]byte(text))
	if err != nil {
		violation, _ := syntaxViolation([]byte(text), 0, err)
		violation.Key, violation.Type, violation.Hint = string(k), n.typeText(), n.hint()
		return nil, refuse(violation)
	}
	return v, nil
}

// commaList reads elements between commas.
func (m *Model) commaList(n *node, k key.Key, text string) (any, error) {
	item := n.element(0)
	if item.kinds&(kindArray|kindObject) != 0 && item.kinds&kindString == 0 || len(n.prefix) > 0 {
		return nil, refuse(Violation{
			Key: string(k), Type: n.typeText(),
			Message: "invalid type: string, expected " + n.expected(),
			Hint:    "give it as a JSON list. " + n.hint(),
		})
	}
	list := []any{}
	if text == "" {
		return list, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		list = append(list, item.word(strings.TrimSpace(part)))
	}
	return list, nil
}

// word types one word: a string where one is wanted, else what JSON makes of it.
func (n *node) word(text string) any {
	switch {
	case n.kinds&kindBoolean != 0 && (text == "true" || text == "false"):
		return text == "true"
	case n.kinds&(kindInteger|kindNumber) != 0 && isNumber(text):
		return json.Number(text)
	}
	return text
}

func isNumber(text string) bool {
	v := jsontext.Value(text)
	return v.Kind() == '0' && v.IsValid() && strings.TrimSpace(text) == text
}

// graft puts v into the tree below settings; objects join what is there.
func graft(tree map[string]any, k key.Key, v any) error {
	path := k.Segments()[1:]
	if len(path) == 0 {
		return refuse(Violation{Key: string(k), Message: "it is all settings, not one", Hint: "name a setting, for example motd=hello"})
	}
	for _, name := range path[:len(path)-1] {
		next, ok := tree[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[name] = next
		}
		tree = next
	}
	join(tree, path[len(path)-1], v)
	return nil
}

func join(tree map[string]any, name string, v any) {
	from, isObject := v.(map[string]any)
	to, wasObject := tree[name].(map[string]any)
	if !isObject || !wasObject {
		tree[name] = v
		return
	}
	for sub, v := range from {
		join(to, sub, v)
	}
}
