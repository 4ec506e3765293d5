package model

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// tomlFile is one file of defaults.
type tomlFile struct {
	name   string
	text   []byte
	tables map[string]any
}

func readTOML(share fs.FS, name string) (*tomlFile, error) {
	text, err := readFile(share, name, maxTOMLFile)
	if err != nil {
		return nil, err
	}
	f := &tomlFile{name: name, text: text, tables: map[string]any{}}
	if err := toml.Unmarshal(text, &f.tables); err != nil {
		return nil, tomlError(err)
	}
	return f, nil
}

func tomlError(err error) error {
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := e.Position()
		return &placedError{line, strings.TrimPrefix(e.Error(), "toml: ")}
	}
	return err
}

// has tells whether the file says something at a place.
func (f *tomlFile) has(at []string) bool {
	var v any = f.tables
	for _, name := range at {
		table, _ := v.(map[string]any)
		next, ok := table[name]
		if !ok {
			return false
		}
		v = next
	}
	return true
}

// line finds the line of a place, or of the nearest table around it, by
// reading the file once more; it is wanted for problems only.
func (f *tomlFile) line(at ...string) int {
	var p unstable.Parser
	p.Reset(f.text)
	best, bestLength := 0, 0
	var table []string
	note := func(path []string, n *unstable.Node) {
		if common := commonPrefix(path, at); common > bestLength {
			best, bestLength = p.Shape(p.Range(n.Data)).Start.Line, common
		}
	}
	for p.NextExpression() {
		e := p.Expression()
		var path []string
		if e.Kind == unstable.KeyValue {
			path = slices.Clone(table)
		}
		var last *unstable.Node
		for it := e.Key(); it.Next(); {
			last = it.Node()
			path = append(path, string(last.Data))
		}
		if e.Kind != unstable.KeyValue {
			table = path
		}
		if last != nil {
			note(path, last)
		}
	}
	return best
}

// commonPrefix is the number of leading segments that a and b share.
func commonPrefix(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// mergeTables lays from over to: tables are merged, all else is replaced by
// its own kind. A table called setting-generator is one value.
func mergeTables(to, from map[string]any, at []string, complain func([]string, string)) {
	for _, name := range slices.Sorted(maps.Keys(from)) {
		old, exists := to[name]
		here := append(slices.Clone(at), name)
		newTable, isTable := from[name].(map[string]any)
		oldTable, wasTable := old.(map[string]any)
		switch {
		case name == MetadataSettingGenerator && here[0] == "metadata":
			to[name] = from[name]
		case !exists && isTable:
			copied := map[string]any{}
			mergeTables(copied, newTable, here, complain)
			to[name] = copied
		case exists && tomlKind(old) != tomlKind(from[name]):
			complain(here, fmt.Sprintf("it is %s here and %s in a file merged before", tomlKind(from[name]), tomlKind(old)))
		case isTable && wasTable:
			mergeTables(oldTable, newTable, here, complain)
		default:
			to[name] = from[name]
		}
	}
}

func tomlKind(v any) string {
	switch v.(type) {
	case map[string]any:
		return "a table"
	case []any:
		return "an array"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	}
	return "a date or time"
}

func stringList(v any) ([]string, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		s, ok := item.(string)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}
