package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Requirement is one required extension (= settings group).
type Requirement struct {
	Extension string
	Version   string // asked for by the format, checked against nothing
	Helpers   []string
	Optional  bool // the group may be absent; any group may, so this changes nothing
}

// frontMatter is what stands above a body.
type frontMatter struct {
	requires []Requirement
	escape   Escape
	legacy   bool // every group and every helper
}

// parseFrontMatter reads the front matter and sets where the body starts.
func parseFrontMatter(src *source) (frontMatter, error) {
	end, body, err := findDelimiter(src)
	if err != nil {
		return frontMatter{}, err
	}
	src.body = body
	return decodeFrontMatter(src, src.text[:end])
}

// findDelimiter returns where the front matter ends and the body starts. The
// delimiter is the first run of three or more plus signs that is not inside a
// TOML string or comment; a line break has to follow it directly.
func findDelimiter(src *source) (end, body int, err error) {
	end = skipTOML(src.text)
	if end < 0 {
		return 0, 0, &Error{
			Class: ClassFrontmatter, File: src.name, Line: 1, Column: 1,
			Msg: "no line of three or more plus signs (+++) ends the front matter",
		}
	}
	after := end
	for after < len(src.text) && src.text[after] == '+' {
		after++
	}
	for _, newline := range []string{"\r\n", "\n", "\r"} {
		if strings.HasPrefix(src.text[after:], newline) {
			return end, after + len(newline), nil
		}
	}
	return 0, 0, src.frontError(end, "a line break has to follow the line of plus signs directly")
}

// skipTOML returns the offset of the first "+++" outside of strings and comments, or -1.
func skipTOML(text string) int {
	for i := 0; i < len(text); {
		rest := text[i:]
		switch {
		case strings.HasPrefix(rest, "+++"):
			return i
		case rest[0] == '#':
			i += skipPast(rest, "\n")
		case strings.HasPrefix(rest, `"""`), strings.HasPrefix(rest, `'''`):
			i += 3 + skipPast(rest[3:], rest[:3])
		case rest[0] == '\'':
			i += 1 + skipPast(rest[1:], "'")
		case rest[0] == '"':
			i += 1 + skipBasicString(rest[1:])
		default:
			i++
		}
	}
	return -1
}

func skipPast(text, end string) int {
	if i := strings.Index(text, end); i >= 0 {
		return i + len(end)
	}
	return len(text)
}

func skipBasicString(text string) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

func (src *source) frontError(offset int, format string, args ...any) *Error {
	line, column := position(src.text, min(offset, len(src.text)))
	return &Error{Class: ClassFrontmatter, File: src.name, Line: line, Column: column, Msg: fmt.Sprintf(format, args...)}
}

func decodeFrontMatter(src *source, text string) (frontMatter, error) {
	var raw struct {
		Escape   *string        `toml:"escape"`
		Required map[string]any `toml:"required-extensions"`
	}
	decoder := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields()
	if err := decoder.Decode(&raw); err != nil {
		return frontMatter{}, src.tomlError(err)
	}
	front := frontMatter{escape: EscapeHTML}
	if raw.Escape != nil {
		front.escape = Escape(*raw.Escape)
		if _, ok := escapers[front.escape]; !ok {
			return frontMatter{}, src.frontError(offsetOfKey(text, "escape"), "escape %q is not one of %s", front.escape, escapeNames())
		}
	}
	for name, value := range raw.Required {
		r, err := decodeRequirement(name, value)
		if err != nil {
			return frontMatter{}, src.frontError(offsetOfKey(text, name), "%v", err)
		}
		front.requires = append(front.requires, r)
	}
	slices.SortFunc(front.requires, func(a, b Requirement) int { return strings.Compare(a.Extension, b.Extension) })
	return front, nil
}

// tomlError gives a decoder's error its place.
func (src *source) tomlError(err error) *Error {
	e := &Error{Class: ClassFrontmatter, File: src.name, Line: 1, Column: 1, Msg: "read front matter: " + err.Error()}
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(unknown.Errors) > 0 {
		first := &unknown.Errors[0]
		e.Line, e.Column = first.Position()
		e.Msg = fmt.Sprintf("front matter has no member %q; it may have escape and [required-extensions]", strings.Join(first.Key(), "."))
		return e
	}
	if wrong, ok := errors.AsType[*toml.DecodeError](err); ok {
		e.Line, e.Column = wrong.Position()
		e.Msg = "read front matter: " + strings.TrimPrefix(wrong.Error(), "toml: ")
	}
	return e
}

// offsetOfKey returns where a line defines a key, or 0: the decoder does not tell.
func offsetOfKey(text, name string) int {
	offset := 0
	for line := range strings.Lines(text) {
		key, _, _ := strings.Cut(line, "=")
		if strings.Trim(strings.TrimSpace(key), `"'`) == name {
			return offset
		}
		offset += len(line)
	}
	return 0
}

// decodeRequirement reads the two forms of a required extension: a version, or a table.
func decodeRequirement(name string, value any) (Requirement, error) {
	switch value := value.(type) {
	case string:
		return Requirement{Extension: name, Version: value}, nil
	case map[string]any:
		return decodeRequirementTable(name, value)
	}
	return Requirement{}, fmt.Errorf(`extension %s: expected a version such as "v1", or a table { version = "v1", helpers = ["…"] }`, name)
}

func decodeRequirementTable(name string, table map[string]any) (Requirement, error) {
	r := Requirement{Extension: name}
	for member, value := range table {
		ok := true
		switch member {
		case "version":
			r.Version, ok = value.(string)
		case "optional":
			r.Optional, ok = value.(bool)
		case "helpers":
			r.Helpers, ok = stringList(value)
		default:
			return r, fmt.Errorf("extension %s: unknown member %s; there are version, helpers and optional", name, member)
		}
		if !ok {
			return r, fmt.Errorf("extension %s: wrong type for %s", name, member)
		}
	}
	if _, ok := table["version"]; !ok {
		return r, fmt.Errorf("extension %s: version is missing", name)
	}
	return r, nil
}

func stringList(value any) ([]string, bool) {
	list, ok := value.([]any)
	if !ok {
		return nil, false
	}
	texts := make([]string, len(list))
	for i, element := range list {
		if texts[i], ok = element.(string); !ok {
			return nil, false
		}
	}
	return texts, true
}

// helpers returns the helpers that the body may call: the built-in ones and those that were asked for.
func (f *frontMatter) helpers(src *source) (map[string]*helper, error) {
	registered := make(map[string]*helper, len(builtins))
	register(registered, builtins)
	if f.legacy {
		for _, table := range extensions {
			register(registered, table)
		}
		return registered, nil
	}
	asked := make(map[string]string)
	for _, r := range f.requires {
		for _, name := range r.Helpers {
			if other, ok := asked[name]; ok {
				return nil, src.requirementError(name, "helper %s is asked for twice: of %s and of %s", name, other, r.Extension)
			}
			asked[name] = r.Extension
			h, err := findHelper(r.Extension, name)
			if err != nil {
				return nil, src.requirementError(r.Extension, "%v", err)
			}
			registered[name] = h
		}
	}
	return registered, nil
}

// requirementError is about the requirement of an extension, which stands in the front matter if there is one.
func (src *source) requirementError(extension, format string, args ...any) *Error {
	if src.body == 0 {
		return &Error{Class: ClassFrontmatter, File: src.name, Msg: fmt.Sprintf(format, args...)}
	}
	return src.frontError(offsetOfKey(src.text[:src.body], extension), format, args...)
}

func register(registered map[string]*helper, table []helper) {
	for i := range table {
		registered[table[i].name] = &table[i]
	}
}

// findHelper returns the helper of an extension, or an error that lists what there is.
func findHelper(extension, name string) (*helper, error) {
	table, ok := extensions[extension]
	if !ok {
		return nil, fmt.Errorf("extension %s has no helpers", extension)
	}
	for i := range table {
		if table[i].name == name {
			return &table[i], nil
		}
	}
	return nil, fmt.Errorf("extension %s has no helper %s; it has %s", extension, name, strings.Join(helperNames(table), ", "))
}

func helperNames(table []helper) []string {
	names := make([]string, len(table))
	for i, h := range table {
		names[i] = h.name
	}
	slices.Sort(names)
	return names
}
