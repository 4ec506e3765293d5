package template_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/template"
)

func TestLimits(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	list := make([]any, 3000)
	settings := map[string]any{"s": map[string]any{"long": long, "list": list}}
	nested := func(open, end string) string { return strings.Repeat(open, 101) + strings.Repeat(end, 101) }
	tests := []struct{ name, body, want string }{
		{"source", long, "t: template is longer than 1 MiB"},
		{"not UTF-8", "\xff", "t: template is not UTF-8 text"},
		{"blocks", nested("{{#if 1}}", "{{/if}}"), "more than 100 blocks inside one another"},
		{"chains", "{{#if 0}}" + strings.Repeat("{{else if 0}}", 100) + "{{/if}}", "more than 100 blocks inside one another"},
		{"parentheses", "{{len " + nested("(len ", ")") + "}}", "more than 100 levels of parentheses"},
		{"recursion", `{{#*inline "p"}}{{> p}}{{/inline}}{{> p}}`, "more than 100 levels of blocks and partials"},
		{"steps", `{{#each settings.s.list}}{{#each @root.settings.s.list}}{{#each @root.settings.s.list}}{{/each}}{{/each}}{{/each}}`, "more than 10000000 steps"},
		{"recursion that branches", `{{#*inline "p"}}{{#if 1}}{{> p}}{{> p}}{{/if}}{{/inline}}{{> p}}`, "more than 100 levels of blocks and partials"},
		{"output", `{{#each settings.s.list}}{{@root.settings.s.long}}{{/each}}`, "more than 16 MiB of output"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := render("t", frontMatter+tt.body, settings)
			if e := new(template.Error); !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// Literals inside one another are no literal below a depth, so what comes of them is a syntax error.
func TestLimitOfLiterals(t *testing.T) {
	_, err := render("t", frontMatter+"{{len "+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+"}}", nil)
	if e := new(template.Error); !errors.As(err, &e) || e.Class != template.ClassSyntax {
		t.Errorf("got %v", err)
	}
}

// Parsing takes time in proportion to the text, whatever is in it.
func TestParseOfRepetitions(t *testing.T) {
	for _, unit := range []string{
		"{{!-- x}}", "{{!--}}", `\\{{`, `\\\\`, "{{[x}}", "{{a [[[", "{{#if 1}}", "{{a b=", "{{x}}\n ", "  \n", `{{a "`, "{{{{raw}}}}", "{{> p}}", "(((", "{{a 'x", "\t{{!}}",
	} {
		text := strings.Repeat(unit, (1<<20-1)/len(unit))
		began := time.Now()
		if _, err := template.ParseLegacy("t", text); err != nil {
			checkError(t, text, err)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%q: took %v", unit, took)
		}
	}
}
