package model

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/nearest"
	"github.com/hostler-os/hostler/internal/schema"
)

// violate adds a violation at the present place; v.Key is what comes behind it.
func (w *walk) violate(at int, v Violation) {
	v.Key = pathText(w.path) + v.Key
	w.violations = append(w.violations, v)
	w.offsets = append(w.offsets, at)
}

// pathText renders a place. Names are quoted where a key would quote them, and
// where no key could hold them.
func pathText(path []step) string {
	var b strings.Builder
	for i, s := range path {
		if s.element {
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(NameText(s.name))
	}
	return b.String()
}

// NameText is how the name of a member stands in the key of a [Violation].
func NameText(name string) string {
	if name != "" && strings.Trim(name, plainCharacters) == "" {
		return clip(name)
	}
	return strconv.Quote(clip(name))
}

const plainCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/"

// mismatch tells that a value has the wrong JSON type.
func (w *walk) mismatch(n *node, at int, got kinds, text string) {
	w.violate(at, Violation{
		Type:    n.typeText(),
		Message: "invalid type: " + w.describe(got, text) + ", expected " + n.expected(),
		Hint:    w.retype(n, got, text),
	})
}

// describe names a value as the reference does, and a secret by its type only.
func (w *walk) describe(got kinds, text string) string {
	name := map[kinds]string{
		kindNull: "null", kindBoolean: "boolean", kindInteger: "integer", kindNumber: "floating point",
		kindString: "string", kindArray: "sequence", kindObject: "map",
	}[got]
	switch {
	case w.secret || got&(kindNull|kindArray|kindObject) != 0:
		return name
	case got == kindString:
		return name + " " + strconv.Quote(clip(text))
	}
	return name + " `" + clip(text) + "`"
}

// retype is the hint for a value of the wrong type: how to write the one that was meant.
func (w *walk) retype(n *node, got kinds, text string) string {
	switch {
	case w.secret:
	case n.kinds == kindString && got&(kindBoolean|kindInteger|kindNumber) != 0:
		return "write it in quotes: " + strconv.Quote(clip(text))
	case n.kinds == kindArray && n.items != nil && n.items.kinds == kindString && got == kindString:
		return "write a list: [" + strconv.Quote(clip(text)) + "]"
	case n.kinds == kindBoolean && got == kindString && (text == "true" || text == "false"),
		n.kinds&kindInteger != 0 && got == kindString && isNumber(text) && isInteger(text):
		return "write it without quotes: " + text
	}
	return n.hint()
}

// expected names what may stand here, as the reference does.
func (n *node) expected() string {
	var names []string
	add := func(k kinds, name string) {
		if n.kinds&k != 0 {
			names = append(names, name)
		}
	}
	if n.fromMap != nil {
		return "an array or a table"
	}
	add(kindString, "a string")
	add(kindBoolean, "a boolean")
	switch {
	case n.kinds&kindNumber != 0:
		names = append(names, "a number")
	case n.kinds&kindInteger != 0 && n.typeName != "" && n.kinds == kindInteger:
		names = append(names, n.typeName)
	default:
		add(kindInteger, "an integer")
	}
	add(kindArray, "a sequence")
	switch {
	case n.kinds&kindObject == 0:
	case n.title != "" && n.kinds == kindObject:
		names = append(names, "struct "+n.title)
	default:
		names = append(names, "a map")
	}
	return strings.Join(names, " or ")
}

// hint is the rule of a place in words, with an example.
func (n *node) hint() string {
	var parts []string
	if n.kinds == kindBoolean {
		parts = append(parts, "give true or false")
	}
	if n.rule != "" {
		parts = append(parts, n.typeName+": "+n.rule)
	}
	if len(n.examples) > 0 && !n.secret {
		if text, err := api.Marshal(n.examples[0]); err == nil {
			parts = append(parts, "For example: "+clip(string(text)))
		}
	}
	return strings.Join(parts, " ")
}

// unknown tells that n has no member called name.
func (w *walk) unknown(n *node, at int, name string) {
	v := Violation{Message: "unknown field `" + clip(name) + "`, " + oneOf(n.memberNames()), Unknown: true}
	path := w.path[:len(w.path)-1]
	switch {
	case len(path) == 1 && name == root:
		v.Hint = "give what is inside of settings, without settings around it"
	case w.lists == 0:
		v.Hint = didYouMean(w.model.suggest(n, stepNames(path), []string{name}))
	default:
		v.Hint = didYouMean(nearest.Name(name, n.memberNames()))
	}
	w.violate(at, v)
}

func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return "did you mean " + near + "?"
}

func stepNames(path []step) []string {
	names := make([]string, len(path))
	for i, s := range path {
		names[i] = s.name
	}
	return names
}

func (n *node) memberNames() []string {
	names := make([]string, len(n.members))
	for i, m := range n.members {
		names[i] = m.name
	}
	return names
}

// oneOf lists choices as the reference does.
func oneOf(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = "`" + name + "`"
	}
	switch len(names) {
	case 0:
		return "there are no fields"
	case 1:
		return "expected " + quoted[0]
	case 2:
		return "expected " + quoted[0] + " or " + quoted[1]
	}
	return "expected one of " + strings.Join(quoted, ", ")
}

// check has package schema check a value that was read, in its stored form.
func (w *walk) check(n *node, at int, text []byte) {
	if n.bare || n.schema == nil {
		return
	}
	v, err := decode(text)
	if err != nil {
		w.violate(at, Violation{Message: err.Error()})
		return
	}
	if text, ok := v.(string); ok && n.quick != nil && n.quick(text) {
		return
	}
	for _, violation := range w.explain(n, v, n.schema.Validate(v)) {
		w.violate(at, violation)
	}
}

// decode turns compact JSON of ours into what package schema wants.
func decode(text []byte) (any, error) {
	switch text[0] {
	case '"':
		b, err := jsontext.AppendUnquote(nil, text)
		return string(b), err
	case 't', 'f':
		return text[0] == 't', nil
	case '[', '{':
		return decodeStrict(text)
	}
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return n, nil
	}
	return json.Number(text), nil
}

// explain words the faults of a value. Keys of the violations are relative to
// the value.
func (w *walk) explain(n *node, v any, faults []schema.Fault) []Violation {
	hidden := w.secret || n.secret || n.hides
	var out []Violation
	for _, fault := range faults {
		violation := Violation{Type: n.typeText(), Message: n.wording(v, fault, hidden), Hint: n.hint()}
		if list, ok := v.([]any); ok && n.message == "" && len(list) > 0 || isObject(v) {
			violation.Key = pointerText(v, fault.Path)
		}
		out = append(out, violation)
		if n.message != "" {
			break
		}
	}
	return out
}

func isObject(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

// pointerText renders the way from a value to a fault in it.
func pointerText(v any, tokens []string) string {
	var path []step
	for _, token := range tokens {
		switch container := v.(type) {
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i >= len(container) {
				return pathText(path)
			}
			path, v = append(path, step{element: true, index: i}), container[i]
		case map[string]any:
			path, v = append(path, step{name: token}), container[token]
		}
	}
	text := pathText(path)
	if len(path) > 0 && !path[0].element {
		text = "." + text
	}
	return text
}

// wording says one fault of v in the words of the type, or else of the keyword.
func (n *node) wording(v any, fault schema.Fault, hidden bool) string {
	if n.message != "" {
		return n.ruleText(v, fault, hidden)
	}
	shown := show(v, hidden)
	switch fault.Keyword {
	case "required":
		return "missing field `" + strings.Join(fault.Missing, "`, `") + "`"
	case "enum":
		return "unknown variant `" + show(fault.Got, hidden) + "`, " + oneOf(showAll(fault.Want))
	case "minItems":
		return fmt.Sprintf("invalid length %v, expected at least %v elements", fault.Got, fault.Want)
	case "maxItems":
		return fmt.Sprintf("invalid length %v, expected at most %v elements", fault.Got, fault.Want)
	case "minimum":
		return fmt.Sprintf("invalid value: integer `%s`, expected %s, at least %v", shown, n.expected(), fault.Want)
	case "maximum":
		return fmt.Sprintf("invalid value: integer `%s`, expected %s, at most %v", shown, n.expected(), fault.Want)
	}
	text := "it does not fit the rule"
	if !hidden {
		text = fault.String()
	}
	if n.typeName != "" {
		text = "Unable to deserialize into " + n.typeName + ": " + text
	}
	return text
}

// ruleText fills in the type's own message. The format's reason may tell of
// the value's characters, so it is left out for a secret.
func (n *node) ruleText(v any, fault schema.Fault, hidden bool) string {
	text := strings.ReplaceAll(n.message, "{}", show(v, hidden))
	if n.typeName != "" {
		text = "Unable to deserialize into " + n.typeName + ": " + text
	}
	if fault.Err != nil && !hidden {
		text += ": " + fault.Err.Error()
	}
	return text
}

// show renders a value inside a message.
func show(v any, hidden bool) string {
	if hidden {
		return api.Mask
	}
	switch v := v.(type) {
	case string:
		return clip(v)
	case json.Number:
		return clip(v.String())
	}
	text, err := api.Marshal(v)
	if err != nil {
		return "?"
	}
	return clip(string(text))
}

func showAll(choices any) []string {
	values, _ := choices.([]any)
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = show(v, false)
	}
	return out
}

// typeText is the name of a place's type: a named type's, or boolean, object,
// map of X, array of X.
func (n *node) typeText() string {
	switch {
	case n.typeName != "":
		return n.typeName
	case n.free:
		return "anything"
	case n.kinds == kindArray && n.items != nil && !n.items.never && n.prefix == nil:
		return "array of " + n.items.typeText()
	case n.kinds == kindObject && len(n.members) == 0 && n.values != nil:
		return "map of " + n.values.typeText()
	}
	return strings.Join(n.kinds.Names(), " or ")
}
