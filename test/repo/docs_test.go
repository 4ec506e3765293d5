package repo_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

func goMod(t *testing.T) *modfile.File {
	t.Helper()
	mod, err := modfile.Parse("go.mod", []byte(read(t, "go.mod")), nil)
	if err != nil {
		t.Fatal(err)
	}
	return mod
}

func TestGoMod(t *testing.T) {
	mod := goMod(t)
	if len(mod.Replace) > 0 {
		t.Errorf("go.mod replaces %s: whoever imports this module would not get it", mod.Replace[0].Old.Path)
	}
	dependencies := read(t, "docs/dependencies.md")
	for _, r := range mod.Require {
		if !r.Indirect && !strings.Contains(dependencies, "`"+r.Mod.Path+"`") {
			t.Errorf("docs/dependencies.md has no line for %s: what it saves, what it weighs, why this one", r.Mod.Path)
		}
	}
	for _, tool := range mod.Tool {
		if !strings.Contains(dependencies, "`"+tool.Path+"`") {
			t.Errorf("docs/dependencies.md has no line for the tool %s", tool.Path)
		}
	}
}

func TestLicence(t *testing.T) {
	if text := read(t, "LICENSE"); !strings.Contains(text, "Apache License") || !strings.Contains(text, "Version 2.0") {
		t.Error("LICENSE is not the Apache License, Version 2.0")
	}
}

// A heading that names the program, in any of the documents: "# apiclient", "### `apiserver`: …".
func TestProgramsAreDocumented(t *testing.T) {
	var all strings.Builder
	for _, doc := range files(t, ".md") {
		if within(doc, "docs") || doc == "README.md" {
			all.WriteString(read(t, doc) + "\n")
		}
	}
	for _, p := range ours(t) {
		if !within(p.short(), "cmd") {
			continue
		}
		heading := regexp.MustCompile("(?m)^#+ .*\\b" + regexp.QuoteMeta(path.Base(p.short())) + "\\b")
		if !heading.MatchString(all.String()) {
			t.Errorf("no heading in docs/ names the program %s", path.Base(p.short()))
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksResolve(t *testing.T) {
	for _, doc := range files(t, ".md") {
		for _, m := range link.FindAllStringSubmatch(read(t, doc), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, ":") {
				continue // within the page, or on the web
			}
			if _, err := os.Stat(filepath.Join(top, path.Dir(doc), target)); err != nil {
				t.Errorf("%s links to %s, which does not exist", doc, m[1])
			}
		}
	}
}
