package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/shellwords"
	"github.com/hostler-os/hostler/internal/template"
	"github.com/hostler-os/hostler/migration"
)

// program is the one whose command lines are rendered here instead of run.
const program = "schnauzer-v2"

func legacy(k, text string) (*template.Template, error) {
	return template.ParseLegacy("template of "+k, text)
}

// commandLine compiles the template of a command line.
func commandLine(k, line string) (*template.Template, error) {
	words, err := shellwords.Split(line)
	if err != nil {
		return nil, fmt.Errorf("split command line: %w", err)
	}
	if len(words) < 2 || words[0] != program || words[1] != "render" {
		return nil, fmt.Errorf("the command line is not that of %s render", program)
	}
	var requires []template.Requirement
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	body := flags.String("template", "", "")
	flags.Func("requires", "", func(text string) error {
		r, err := template.ParseRequirement(text)
		requires = append(requires, r)
		return err
	})
	if err := flags.Parse(words[2:]); err != nil {
		return nil, fmt.Errorf("command line: %w", err)
	}
	if flags.NArg() > 0 {
		return nil, errors.New("command line: there is an argument that belongs to no option")
	}
	return template.ParseBody("template of "+k, *body, requires)
}

// settings is what templates see of a part of a document.
func settings(s *migration.State) (template.Data, error) {
	tree := map[string]any{}
	for k, raw := range s.Effective() {
		value, err := decode(raw)
		if err != nil {
			return template.Data{}, fmt.Errorf("read %s: %w", k, err)
		}
		graft(tree, key.Key(k).Segments(), value)
	}
	group := func(name string) map[string]any {
		group, _ := tree[name].(map[string]any)
		return group
	}
	return template.Data{
		Settings: group("settings"),
		OS: map[string]any{
			"pretty_name": s.OS.PrettyName, "variant_id": s.OS.VariantID, "version_id": s.OS.VersionID,
			"build_id": s.OS.BuildID, "arch": s.OS.Arch,
		},
		Extra: map[string]any{"services": group("services"), "configuration-files": group("configuration-files")},
	}, nil
}

func decode(raw json.RawMessage) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// graft puts a value into a tree. Where a key is also the parent of others, these win.
func graft(tree map[string]any, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		next, ok := tree[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[name] = next
		}
		tree = next
	}
	last := path[len(path)-1]
	if _, ok := tree[last].(map[string]any); !ok {
		tree[last] = value
	}
}
