package template_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/template"
)

func TestFrontMatter(t *testing.T) {
	settings := map[string]any{"motd": "m", "ntp": "n"}
	tests := []struct{ name, text, want string }{
		{"empty", "+++\nx", "x"},
		{"only blank lines", "\n\n+++++\nx", "x"},
		{"version", "[required-extensions]\nmotd = \"v1\"\n+++\n{{settings.motd}}", "m"},
		{"table", "[required-extensions]\nmotd = { version = \"v1\", helpers = [], optional = true }\n+++\n{{settings.motd}}", "m"},
		{"sub-table", "[required-extensions.std]\nversion = \"v1\"\nhelpers = [\"goarch\"]\n+++\n{{goarch \"x86_64\"}}", "amd64"},
		{"quoted name", "[required-extensions]\n\"motd\" = 'v1'\n+++\n{{settings.motd}}", "m"},
		{"plus signs in a comment", "# +++\n+++\nx", "x"},
		{"plus signs in strings", "[required-extensions]\nmotd = \"+++\\\"+++\"\nntp = '''\n+++\n'''\n+++\nx", "x"},
		{"carriage returns", "[required-extensions]\r\nmotd = \"v1\"\r\n+++\r\n{{settings.motd}}\r\n", "m\r\n"},
		{"a second line of plus signs is text", "+++\n+++\n", "+++\n"},
		{"no body", "+++\n", ""},
		{"absent extension", "[required-extensions]\nnosuch = \"v1\"\n+++\n{{#if settings.nosuch}}a{{else}}b{{/if}}", "b"},
		{"escape", "escape = \"none\"\n+++\n{{os.x}}", "<&>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			compiled, err := template.Parse("t", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			got, err := compiled.Render(template.Data{Settings: settings, OS: map[string]any{"x": "<&>"}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(got), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFrontMatterErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"none", "{{settings.motd}}\n", "t:1:1: no line of three or more plus signs (+++) ends the front matter"},
		{"text behind the plus signs", "\n+++ x\n", "t:2:1: a line break has to follow the line of plus signs directly"},
		{"nothing behind the plus signs", "+++", "t:1:1: a line break has to follow the line of plus signs directly"},
		{"unfinished string", "a = \"+++\n", "t:1:1: no line of three or more plus signs (+++) ends the front matter"},
		{"not TOML", "[required-extensions]\nmotd = \n+++\n", "t:2:8: read front matter: unexpected character U+000A at start of value"},
		{"unknown table", "[required-extensions]\n[other]\nx = 1\n+++\n", "t:2:2: front matter has no member \"other\"; it may have escape and [required-extensions]"},
		{"version is a number", "[required-extensions]\n\nmotd = 1\n+++\n", `t:3:1: extension motd: expected a version such as "v1", or a table { version = "v1", helpers = ["…"] }`},
		{"no version", "[required-extensions]\nmotd = { optional = true }\n+++\n", "t:2:1: extension motd: version is missing"},
		{"wrong member", "[required-extensions]\nmotd = { version = \"v1\", helper = [] }\n+++\n", "t:2:1: extension motd: unknown member helper; there are version, helpers and optional"},
		{"wrong type", "[required-extensions]\nmotd = { version = \"v1\", helpers = \"x\" }\n+++\n", "t:2:1: extension motd: wrong type for helpers"},
		{"helpers of others", "[required-extensions]\nmotd = { version = \"v1\", helpers = [\"x\"] }\n+++\n", "t:2:1: extension motd has no helpers"},
		{"unknown helper", "[required-extensions]\naws = { version = \"v1\", helpers = [\"x\"] }\n+++\n", "t:2:1: extension aws has no helper x; it has ecr-prefix"},
		{"helper asked for twice", "[required-extensions]\naws = { version = \"v1\", helpers = [\"ecr-prefix\", \"ecr-prefix\"] }\n+++\n", "t:1:1: helper ecr-prefix is asked for twice: of aws and of aws"},
		{"unknown escape", "\nescape = \"xml\"\n+++\n", `t:2:1: escape "xml" is not one of html, json, none, shell, systemd, systemd-env, toml`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := template.Parse("t", []byte(tt.text))
			e := new(template.Error)
			if !errors.As(err, &e) || e.Class != template.ClassFrontmatter {
				t.Fatalf("got %v, want an error of class frontmatter", err)
			}
			if diff := cmp.Diff(e.Error(), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRequires(t *testing.T) {
	compiled, err := template.Parse("t", []byte("[required-extensions]\nstd = { version = \"v2\", helpers = [\"goarch\"], optional = true }\naws = \"v1\"\n+++\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []template.Requirement{
		{Extension: "aws", Version: "v1"},
		{Extension: "std", Version: "v2", Helpers: []string{"goarch"}, Optional: true},
	}
	if diff := cmp.Diff(compiled.Requires(), want); diff != "" {
		t.Error(diff)
	}
}

func TestParseRequirement(t *testing.T) {
	tests := []struct {
		text string
		want template.Requirement
	}{
		{"aws@v1", template.Requirement{Extension: "aws", Version: "v1"}},
		{" a-b@v1.2_c ", template.Requirement{Extension: "a-b", Version: "v1.2_c"}},
		{"std@v1()", template.Requirement{Extension: "std", Version: "v1"}},
		{"std@v1(helpers=[])", template.Requirement{Extension: "std", Version: "v1"}},
		{"std@v1(helpers=[a])", template.Requirement{Extension: "std", Version: "v1", Helpers: []string{"a"}}},
		{"std@v1 ( helpers = [ a,  b-c ] ) ", template.Requirement{Extension: "std", Version: "v1", Helpers: []string{"a", "b-c"}}},
	}
	for _, tt := range tests {
		got, err := template.ParseRequirement(tt.text)
		if diff := cmp.Diff(got, tt.want); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", tt.text, err, diff)
		}
	}
	for _, text := range []string{"", "aws", "aws@", "a.b@v1", "aws@v1(", "aws@v1(a, b)", "aws@v1(helpers=[,])", "aws@v1(helpers=a)", "aws@v1 x"} {
		if got, err := template.ParseRequirement(text); err == nil || !strings.Contains(err.Error(), "expected EXTENSION@VERSION") {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
}
