package model_test

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
)

// share copies the repository's models and variants, for tests that change them.
func share(t testing.TB) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	repository := os.DirFS("../..")
	for _, folder := range []string{"models", "variants"} {
		err := fs.WalkDir(repository, folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(repository, name)
			files[name] = &fstest.MapFile{Data: text}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// tutorial is docs/tutorial-settings-group.md, taken at its word.
type tutorial struct{ text string }

// files are the code blocks that follow the name of a file.
func (d tutorial) files() map[string]string {
	files := map[string]string{}
	for _, m := range regexp.MustCompile("(?ms)^`box/([^`]+)`:\n\n```\\w*\n(.*?)^```$").FindAllStringSubmatch(d.text, -1) {
		files[m[1]] = m[2]
	}
	return files
}

// sets are the arguments of the apiclient set commands, and what is said to be
// printed in the block behind each.
func (d tutorial) sets() (commands []string, answers []string) {
	block := regexp.MustCompile("(?ms)^```sh\napiclient --root box set ([^\n]+)\n(?:cat [^\n]+\n)?```\n(?:[^`]*^```\n(.*?)^```$)?")
	for _, m := range block.FindAllStringSubmatch(d.text, -1) {
		commands, answers = append(commands, m[1]), append(answers, m[2])
	}
	return commands, answers
}

func readTutorial(t testing.TB) tutorial {
	t.Helper()
	text, err := os.ReadFile("../../docs/tutorial-settings-group.md")
	if err != nil {
		t.Fatal(err)
	}
	return tutorial{string(text)}
}

func TestTutorial(t *testing.T) {
	doc := readTutorial(t)
	files := share(t)
	for name, text := range doc.files() {
		if inShare, ok := strings.CutPrefix(name, "usr/share/hostler/"); ok {
			files[inShare] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	variant := regexp.MustCompile(`echo (\w+) > box/usr/share/hostler/variant`).FindStringSubmatch(doc.text)
	if len(variant) == 0 || len(doc.files()) != 4 {
		t.Fatalf("the tutorial has %d files and variant %q", len(doc.files()), variant)
	}
	m, err := model.Load(files, variant[1])
	if err != nil {
		t.Fatal(err)
	}

	service := m.Services()["greeter"]
	if diff := cmp.Diff(m.AffectedServices("settings.greeting.text"), []string{"greeter"}); diff != "" || len(service.ConfigurationFiles) != 1 {
		t.Errorf("services of greeting.text (-got +want):\n%s", diff)
	}
	template := m.ConfigurationFiles()[service.ConfigurationFiles[0]].TemplatePath
	if _, ok := doc.files()[strings.TrimPrefix(template, "/")]; !ok {
		t.Errorf("the tutorial does not write the template %s", template)
	}
	if e, err := m.Explain("settings.greeting.language"); err != nil || string(e.Default) != `"en"` {
		t.Errorf("explain: %+v, %v", e, err)
	}
	commands, answers := doc.sets()
	if len(commands) != 3 {
		t.Fatalf("set commands of the tutorial: %q", commands)
	}
	for i, command := range commands {
		checkTutorialCommand(t, m, command, answers[i])
	}
}

// checkTutorialCommand runs a set and compares a refusal with the answer that
// the tutorial shows.
func checkTutorialCommand(t *testing.T, m *model.Model, command, answer string) {
	t.Helper()
	args := regexp.MustCompile(`(?:[^\s"]|"[^"]*")+`).FindAllString(command, -1)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], `"`, "")
	}
	pairs, err := m.ParsePairs(args)
	var e *model.Error
	switch {
	case err == nil:
		want := []key.Pair{
			{Key: "settings.greeting.guests", Value: []byte(`["node-1","node-2"]`)},
			{Key: "settings.greeting.text", Value: []byte(`"Good morning"`)},
		}
		if diff := cmp.Diff(pairs, want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", command, diff)
		}
	case errors.As(err, &e):
		refusal := e.API()
		got := "Unable to match your input to the data model.  We may not have enough type information.  Please try the --json input form.  Cause: " + refusal.Message + "\n" // as apiclient prints it
		if refusal.Hint != "" {
			got += "hint: " + refusal.Hint + "\n"
		}
		if diff := cmp.Diff(got, answer); diff != "" {
			t.Errorf("%s (-got +want):\n%s", command, diff)
		}
	}
}
