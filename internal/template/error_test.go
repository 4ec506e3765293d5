package template_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/template"
)

const frontMatter = "[required-extensions]\ns = \"v1\"\n+++\n" // three lines

func TestErrorTexts(t *testing.T) {
	tests := []struct{ body, want string }{
		{"a\nä {{settings.s.nosuch}}", "t:5:3: no value for settings.s.nosuch in {{settings.s.nosuch}}"},
		{"{{settings.other.x}}", "t:4:1: no value for settings.other.x (extension other is not required) in {{settings.other.x}}"},
		{"{{#if settings.s.n}}", "t:4:1: {{/if}} is missing: the block is not closed in {{#if settings.s.n}}"},
		{"{{#if settings.s.n}}{{#each settings.s.l}}{{/if}}", "t:4:43: expected {{/each}}, found {{/if}} in {{/if}}"},
		{"{{/if}}", "t:4:1: no block is open here in {{/if}}"},
		{"{{#if settings.s.n}}{{else}}{{else}}{{/if}}", "t:4:29: the block of if has an else already in {{else}}"},
		{"{{settings.s n}}", "t:4:1: expected }}, found n in {{settings.s n}}"},
		{"{{settings.s.n\n  \"x\" }}", "t:4:1: expected }}, found \" in {{settings.s.n \"x\" }}"},
		{"{{", "t:4:1: expected a name or a path, found the end of the template in {{"},
		{"{{}}", "t:4:1: expected a name or a path, found }} in {{}}"},
		{"{{{settings.s}}", "t:4:1: expected }}}, found }} in {{{settings.s}}"},
		{"{{#}}", "t:4:1: expected a helper's name, found }} in {{#}}"},
		{"{{len 01}}", "t:4:1: literal 01 is not JSON in {{len 01}}"},
		{"{{goarch 1}}", "t:4:1: helper goarch is not asked for: list it in the helpers of extension std in {{goarch 1}}"},
		{"{{nosuch 1}}", "t:4:1: there is no helper nosuch in {{nosuch 1}}"},
		{"{{#if (gt settings.s.text 1)}}{{/if}}", "t:4:1: helper gt: parameter 1 (settings.s.text): expected an integer, found a string in {{#if (gt settings.s.text 1)}}"},
		{"{{#each settings.s.text}}{{/each}}", "t:4:1: parameter 1 (settings.s.text): expected a list or a map, found a string in {{#each settings.s.text}}"},
		{"{{settings.s.list.x}}", "t:4:1: settings.s.list.x: \"x\" is not an index of a list in {{settings.s.list.x}}"},
		{"{{eq 1 \"" + strings.Repeat("é", 200) + "\" settings.s.nosuch (nosuch)}}", "t:4:1: there is no helper nosuch in {{eq 1 \"" + strings.Repeat("é", 92) + "…"},
	}
	settings := map[string]any{"s": decode(t, document)}
	for _, tt := range tests {
		t.Run(tt.body, func(t *testing.T) {
			_, err := render("t", frontMatter+tt.body, settings)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(err.Error(), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Values may be secret, so no message holds one.
func TestErrorsHideValues(t *testing.T) {
	const secret = "hunter2"
	settings := map[string]any{"s": map[string]any{"x": secret, "l": []any{secret, map[string]any{secret: secret}}, "m": map[string]any{"k": map[string]any{}}}}
	calls := []string{
		`goarch settings.s.x`, `host settings.s.x`, `base64_decode settings.s.x`, `negate_or_else true settings.s.x`,
		`join_array "," settings.s.x`, `join_array "," settings.s.l`, `join_array settings.s.l settings.s.l`,
		`join_map "=" "," settings.s.x settings.s.m`, `default 1 settings.s.l`, `kube_reserve_memory settings.s.x 1`,
		`is_ipv4 settings.s.x`, `replace_ipv4_octet settings.s.x 1 1`, `etc_hosts_entries settings.s.l`, `gt settings.s.x 1`,
		`localhost_aliases settings.s.x "a" null`, `oci_defaults settings.s.x settings.s.m`, `lookup settings.s.x 1`,
		`log settings.s.x level=settings.s.x`, `lookup settings.s.l settings.s.x`,
	}
	for _, call := range calls {
		compiled, err := template.ParseLegacy("t", "{{"+call+"}}")
		if err != nil {
			t.Fatal(err)
		}
		out, err := compiled.Render(template.Data{Settings: settings})
		if err == nil || out != nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %q, %v", call, out, err)
		}
	}
}

func TestLenient(t *testing.T) {
	compiled, err := template.Parse("t", []byte(frontMatter+"a{{settings.s.x}}b{{{settings.s.y.z}}}c{{settings.s.null}}{{#each settings.s.list}}{{@key}}{{/each}}"))
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	out, err := compiled.Render(template.Data{
		Settings: map[string]any{"s": decode(t, document)},
		Lenient:  func(e *template.Error) { missing = append(missing, e.Expr) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != "abc" {
		t.Errorf("got %q", out)
	}
	want := []string{"{{settings.s.x}}", "{{{settings.s.y.z}}}", "{{@key}}", "{{@key}}", "{{@key}}"}
	if diff := cmp.Diff(missing, want); diff != "" {
		t.Error(diff)
	}
}

func TestLegacySeesEverything(t *testing.T) {
	compiled, err := template.ParseLegacy("t", `{{settings.a.x}}{{services.b}}{{os.arch}}{{goarch os.arch}}`)
	if err != nil {
		t.Fatal(err)
	}
	out, err := compiled.Render(template.Data{
		Settings: map[string]any{"a": map[string]any{"x": "1"}},
		OS:       map[string]any{"arch": "x86_64"},
		Extra:    map[string]any{"services": map[string]any{"b": "2"}},
	})
	if err != nil || string(out) != "12x86_64amd64" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestExtraIsForLegacyTemplatesOnly(t *testing.T) {
	compiled, err := template.ParseBody("t", `{{services.b}}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = compiled.Render(template.Data{Extra: map[string]any{"services": map[string]any{"b": "2"}}})
	if e := new(template.Error); !errors.As(err, &e) || e.Class != template.ClassMissing {
		t.Errorf("got %v", err)
	}
}
