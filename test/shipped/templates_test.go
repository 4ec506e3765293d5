package shipped_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	hostler "github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/template"
)

var update = flag.Bool("update", false, "write the goldens anew")

var release = map[string]any{
	"pretty_name": "Hostler 1.2.3", "variant_id": "metal-dev", "version_id": "1.2.3", "build_id": "abc", "arch": "x86_64",
}

// Every file of every variant, from each of the documents.
func TestShippedTemplates(t *testing.T) {
	for _, variant := range variants(t) {
		m := load(t, variant)
		for _, document := range []string{"defaults", "rich", "hostile"} {
			settings := settings(t, m, document)
			for name, file := range m.ConfigurationFiles() {
				t.Run(path.Join(variant, document, name), func(t *testing.T) {
					text := render(t, file.TemplatePath, settings)
					parse(t, file.Path, text)
					golden(t, filepath.Join("testdata", variant, document, name), text)
				})
			}
		}
	}
}

// Goldens of files that no variant has any longer would lie.
func TestGoldensAreUsed(t *testing.T) {
	used := map[string]bool{}
	for _, variant := range variants(t) {
		for name := range load(t, variant).ConfigurationFiles() {
			used[path.Join(variant, name)] = true
		}
	}
	err := filepath.WalkDir("testdata", func(file string, entry fs.DirEntry, err error) error {
		parts := strings.Split(filepath.ToSlash(file), "/")
		if len(parts) == 4 && !used[path.Join(parts[1], parts[3])] {
			t.Errorf("%s is the golden of no file", file)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Every template that ships is the template of some file.
func TestTemplatesAreUsed(t *testing.T) {
	used := map[string]bool{}
	for _, variant := range variants(t) {
		for _, file := range load(t, variant).ConfigurationFiles() {
			used[path.Base(file.TemplatePath)] = true
		}
	}
	entries, err := hostler.Assets.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !used[entry.Name()] {
			t.Errorf("templates/%s is the template of no file", entry.Name())
		}
	}
}

// The reference leaves the escape to its default, html, which mangles files of every other format.
func TestTemplatesSayHowTheyEscape(t *testing.T) {
	for _, variant := range variants(t) {
		for name, file := range load(t, variant).ConfigurationFiles() {
			if mode := compile(t, file.TemplatePath).EscapeMode(); mode == template.EscapeHTML {
				t.Errorf("%s: the template of %s escapes as html", variant, name)
			}
		}
	}
}

func variants(t *testing.T) []string {
	t.Helper()
	names, err := model.Variants(hostler.Assets)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func load(t *testing.T, variant string) *model.Model {
	t.Helper()
	m, err := model.Load(hostler.Assets, variant)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// settings are the variant's defaults below what the document says of the
// groups that the variant has, checked by the model, as templates see them.
func settings(t *testing.T, m *model.Model, document string) map[string]any {
	t.Helper()
	pairs := m.Defaults()
	if document != "defaults" {
		more, err := m.ParseTree(read(t, m, document))
		if err != nil {
			t.Fatal(err)
		}
		pairs = slices.Concat(pairs, more)
	}
	tree := map[string]any{}
	for _, pair := range pairs {
		place(t, tree, pair)
	}
	return tree["settings"].(map[string]any)
}

func read(t *testing.T, m *model.Model, document string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", document+".json"))
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := os.ReadFile(filepath.Join("testdata", "certificate.base64"))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("@CERTIFICATE@"), bytes.TrimSpace(certificate))
	tree := decode(t, text).(map[string]any)
	maps.DeleteFunc(tree, func(group string, _ any) bool { return !slices.Contains(groups(m), group) })
	return tree
}

func groups(m *model.Model) []string {
	var names []string
	for _, pattern := range m.Keys() {
		_, rest, _ := strings.Cut(pattern, ".")
		name, _, _ := strings.Cut(rest, ".")
		names = append(names, name)
	}
	return names
}

func place(t *testing.T, tree map[string]any, pair key.Pair) {
	t.Helper()
	segments := pair.Key.Segments()
	for _, segment := range segments[:len(segments)-1] {
		below, ok := tree[segment].(map[string]any)
		if !ok {
			below = map[string]any{}
			tree[segment] = below
		}
		tree = below
	}
	tree[segments[len(segments)-1]] = decode(t, pair.Value)
}

func decode(t *testing.T, text []byte) (value any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func compile(t *testing.T, templatePath string) *template.Template {
	t.Helper()
	source, err := hostler.Assets.ReadFile(path.Join("templates", path.Base(templatePath)))
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := template.Parse(path.Base(templatePath), source)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func render(t *testing.T, templatePath string, settings map[string]any) []byte {
	t.Helper()
	text, err := compile(t, templatePath).Render(template.Data{Settings: settings, OS: release})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func golden(t *testing.T, file string, text []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), string(want)); diff != "" {
		t.Errorf("differs from %s; go test -update writes it anew:\n%s", file, diff)
	}
}
