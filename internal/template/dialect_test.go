package template_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/template"
)

// document is what the tables of this package render from.
const document = `{
  "text": "a<b> & \"c\"", "seven": 7, "zero": 0, "half": 0.50, "yes": true, "no": false, "null": null, "empty": "",
  "list": ["x", "y", "z"], "none": [], "nothing": {},
  "map": {"b": {"v": 2}, "a": {"v": 1, "enabled": true}, "c-d": {"v": 3}},
  "pairs": [["k", ["l", "m"]]],
  "objects": [{"name": "n1", "tags": ["t1", "t2"]}, {"name": "n2", "tags": []}],
  "dotted": {"a.b": {"c d": "deep"}},
  "name": "group's name"
}`

func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var m map[string]any
	if err := decoder.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// dialect is a case of a table: s is short for settings.s, which is the document.
type dialect struct {
	name, body, want string
	class            template.Class // of the error, instead of want
}

func runDialect(t *testing.T, tests []dialect) {
	t.Helper()
	settings := map[string]any{"s": decode(t, document)}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := renderBody(tt.body, settings)
			if e, ok := errors.AsType[*template.Error](err); ok {
				if e.Class != tt.class {
					t.Fatalf("%s: %v (class %s), want class %q", tt.body, err, e.Class, tt.class)
				}
				if e.Line < 1 || e.Column < 1 || e.Expr == "" {
					t.Errorf("%s: error without its place: %#v", tt.body, e)
				}
				return
			}
			if tt.class != "" {
				t.Fatalf("%s: got %q, want an error of class %s", tt.body, got, tt.class)
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("%s (-got +want):\n%s", tt.body, diff)
			}
		})
	}
}

func renderBody(body string, settings map[string]any) (string, error) {
	compiled, err := template.ParseBody("t", body, []template.Requirement{
		{Extension: "s"},
		{Extension: "std", Helpers: []string{"any_enabled", "default", "if_not_null"}},
	})
	if err != nil {
		return "", err
	}
	out, err := compiled.Render(template.Data{Settings: settings, OS: map[string]any{"arch": "x86_64"}})
	return string(out), err
}

func TestValues(t *testing.T) {
	runDialect(t, []dialect{
		{name: "escaped", body: `{{settings.s.text}}`, want: `a&lt;b&gt; &amp; &quot;c&quot;`},
		{name: "triple", body: `{{{settings.s.text}}}`, want: `a<b> & "c"`},
		{name: "triple after two braces", body: `{{ {settings.s.text} }}`, want: `a<b> & "c"`},
		{name: "ampersand", body: `{{& settings.s.text }}`, want: `a<b> & "c"`},
		{name: "ampersand takes no arguments", body: `{{&len settings.s.list}}`, class: template.ClassSyntax},
		{name: "number", body: `{{settings.s.seven}}`, want: "7"},
		{name: "fraction", body: `{{settings.s.half}}`, want: "0.5"},
		{name: "boolean", body: `{{settings.s.no}}`, want: "false"},
		{name: "null prints nothing", body: `[{{settings.s.null}}]`, want: "[]"},
		{name: "list", body: `{{settings.s.list}}`, want: "[x, y, z, ]"},
		{name: "nested list", body: `{{settings.s.pairs}}`, want: "[[k, [l, m, ], ], ]"},
		{name: "map", body: `{{settings.s.map}}`, want: "[object]"},
		{name: "os", body: `{{os.arch}}`, want: "x86_64"},
		{name: "missing", body: `{{settings.s.nosuch}}`, class: template.ClassMissing},
		{name: "missing below", body: `{{settings.s.nosuch.deep}}`, class: template.ClassMissing},
		{name: "member of text", body: `{{settings.s.text.x}}`, class: template.ClassMissing},
		{name: "literal text", body: `{{"x"}}`, class: template.ClassSyntax},
		{name: "nothing", body: `{{}}`, class: template.ClassSyntax},
	})
}

func TestPaths(t *testing.T) {
	runDialect(t, []dialect{
		{name: "slash", body: `{{settings/s/seven}}`, want: "7"},
		{name: "index", body: `{{settings.s.list.1}}`, want: "y"},
		{name: "index in brackets", body: `{{settings.s.list.[2]}}`, want: "z"},
		{name: "index too large", body: `{{settings.s.list.3}}`, class: template.ClassMissing},
		{name: "name in a list", body: `{{#if settings.s.list.first}}{{/if}}`, class: template.ClassMissing},
		{name: "segment literal", body: `{{settings.s.dotted.[a.b].[c d]}}`, want: "deep"},
		{name: "hyphen", body: `{{settings.s.map.c-d.v}}`, want: "3"},
		{name: "this", body: `{{this.settings.s.seven}}{{./settings.s.seven}}{{settings.this.s.seven}}`, want: "777"},
		{name: "root", body: `{{#with settings.s}}{{seven}}{{@root.settings.s.zero}}{{/with}}`, want: "70"},
		{name: "root alone is a variable", body: `{{@root}}`, class: template.ClassMissing},
		{name: "white space inside", body: `{{ settings . s }}`, class: template.ClassSyntax},
		{name: "up beyond the top", body: `{{../../settings.s.seven}}`, want: "7"},
		{name: "dot alone", body: `{{.}}`, class: template.ClassSyntax},
		{name: "dots alone", body: `{{..}}`, class: template.ClassSyntax},
		{name: "dot at the end", body: `{{settings.}}`, class: template.ClassSyntax},
		{name: "no bracket", body: `{{settings.[s}}`, class: template.ClassSyntax},
	})
}

func TestConditions(t *testing.T) {
	runDialect(t, []dialect{
		{name: "falsy", body: `{{#if settings.s.zero}}a{{/if}}{{#if settings.s.empty}}b{{/if}}{{#if settings.s.none}}c{{/if}}` +
			`{{#if settings.s.nothing}}d{{/if}}{{#if settings.s.null}}e{{/if}}{{#if settings.s.no}}f{{/if}}`, want: ""},
		{name: "truthy", body: `{{#if settings.s.seven}}a{{/if}}{{#if settings.s.text}}b{{/if}}{{#if settings.s.list}}c{{/if}}` +
			`{{#if settings.s.map}}d{{/if}}{{#if settings.s.yes}}e{{/if}}`, want: "abcde"},
		{name: "missing", body: `{{#if settings.s.nosuch.deep}}a{{else}}b{{/if}}`, want: "b"},
		{name: "zero included", body: `{{#if settings.s.zero includeZero=true}}a{{else}}b{{/if}}`, want: "a"},
		{name: "missing is not zero", body: `{{#if settings.s.nosuch includeZero=true}}a{{else}}b{{/if}}`, want: "b"},
		{name: "unless", body: `{{#unless settings.s.no}}a{{else}}b{{/unless}}`, want: "a"},
		{name: "caret", body: `{{#if settings.s.no}}a{{^}}b{{/if}}`, want: "b"},
		{name: "chain, second", body: `{{#if settings.s.no}}a{{else if settings.s.yes}}b{{else}}c{{/if}}`, want: "b"},
		{name: "chain, else", body: `{{#if settings.s.no}}a{{else if settings.s.no}}b{{else}}c{{/if}}`, want: "c"},
		{name: "chain, first", body: `{{#if settings.s.yes}}a{{else if settings.s.yes}}b{{else}}c{{/if}}`, want: "a"},
		{name: "long chain", body: `{{#if settings.s.no}}a{{else if settings.s.no}}b{{else if settings.s.no}}c{{else if settings.s.yes}}d{{/if}}`, want: "d"},
		{name: "chain of others", body: `{{#if settings.s.no}}a{{else each settings.s.list}}{{this}}{{else}}c{{/if}}`, want: "xyz"},
		{name: "chain inside a chain", body: `{{#if settings.s.no}}{{else if settings.s.yes}}{{#if settings.s.no}}a{{else unless settings.s.no}}b{{/if}}{{/if}}`, want: "b"},
		{name: "chain on lines of its own", body: "{{#if settings.s.no}}\na\n{{else if settings.s.yes}}\nb\n{{else}}\nc\n{{/if}}\n", want: "b\n"},
		{name: "no parameter", body: `{{#if}}a{{/if}}`, class: template.ClassHelper},
		{name: "two elses", body: `{{#if settings.s.no}}{{else}}{{else}}{{/if}}`, class: template.ClassSyntax},
		{name: "else if after else", body: `{{#if settings.s.no}}{{else}}{{else if settings.s.yes}}{{/if}}`, class: template.ClassSyntax},
		{name: "else outside", body: `{{else}}`, class: template.ClassSyntax},
		{name: "inverse section", body: `{{^if settings.s.no}}a{{/if}}`, class: template.ClassSyntax},
		{name: "outside of a block", body: `[{{if settings.s.yes}}]`, want: "[]"},
	})
}

func TestEachAndWith(t *testing.T) {
	runDialect(t, []dialect{
		{name: "list", body: `{{#each settings.s.list}}{{@index}}{{this}}{{@first}}{{@last}} {{/each}}`, want: "0xtruefalse 1yfalsefalse 2zfalsetrue "},
		{name: "map in order", body: `{{#each settings.s.map}}{{@key}}={{this.v}}{{#unless @last}},{{/unless}}{{/each}}`, want: "a=1,b=2,c-d=3"},
		{name: "index of a map", body: `{{#each settings.s.map}}{{@index}}{{/each}}`, class: template.ClassMissing},
		{name: "key of a list", body: `{{#each settings.s.list}}{{@key}}{{/each}}`, class: template.ClassMissing},
		{name: "empty, else", body: `{{#each settings.s.none}}a{{else}}b{{/each}}{{#each settings.s.nothing}}a{{else}}c{{/each}}`, want: "bc"},
		{name: "empty, no else", body: `{{#each settings.s.none}}a{{/each}}{{#each settings.s.nothing}}a{{/each}}`, want: ""},
		{name: "missing, else", body: `{{#each settings.s.nosuch}}a{{else}}b{{/each}}`, want: "b"},
		{name: "missing, no else", body: `{{#each settings.s.nosuch}}a{{/each}}`, class: template.ClassMissing},
		{name: "text, else", body: `{{#each settings.s.text}}a{{else}}b{{/each}}`, want: "b"},
		{name: "text, no else", body: `{{#each settings.s.text}}a{{/each}}`, class: template.ClassMissing},
		{name: "nested and up", body: `{{#each settings.s.objects}}{{#each tags}}{{this}}@{{../name}} {{/each}}{{/each}}`, want: "t1@n1 t2@n1 "},
		{name: "variable above", body: `{{#each settings.s.map}}{{#with this}}{{@../key}}{{/with}}{{/each}}`, want: "abc-d"},
		{name: "variable is the block's own", body: `{{#each settings.s.map}}{{#with this}}{{@key}}{{/with}}{{/each}}`, class: template.ClassMissing},
		{name: "if is no scope", body: `{{#each settings.s.map}}{{#if v}}{{@key}}{{../seven}}{{/if}}{{/each}}`, class: template.ClassMissing},
		{name: "outer names are not seen", body: `{{#each settings.s.list}}{{os.arch}}{{/each}}`, class: template.ClassMissing},
		{name: "up from each", body: `{{#with settings.s}}{{#each list}}{{../name}};{{/each}}{{/with}}`, want: "group&#x27;s name;group&#x27;s name;group&#x27;s name;"},
		{name: "block parameter", body: `{{#each settings.s.objects as |o|}}{{o.name}}{{#each o.tags as |t i|}}{{i}}{{t}}{{o.name}}{{/each}} {{/each}}`, want: "n10t1n11t2n1 n2 "},
		{name: "key as block parameter", body: `{{#each settings.s.map as |value key|}}{{key}}{{value.v}}{{/each}}`, want: "a1b2c-d3"},
		{name: "up is never a block parameter", body: `{{#with settings.s}}{{#each list as |name|}}{{name}}{{../seven}}{{/each}}{{/with}}`, want: "x7y7z7"},
		{name: "literal", body: `{{#each [1, "two", {"a": 3}]}}{{this}};{{/each}}`, want: "1;two;[object];"},
		{name: "with", body: `{{#with settings.s.map.a}}{{v}}{{enabled}}{{/with}}`, want: "1true"},
		{name: "with, block parameter", body: `{{#with settings.s.map as |m|}}{{m.a.v}}{{/with}}`, want: "1"},
		{name: "with, else", body: `{{#with settings.s.nosuch}}a{{else}}b{{/with}}{{#with settings.s.zero}}a{{else}}c{{/with}}`, want: "bc"},
		{name: "with, missing", body: `{{#with settings.s.nosuch}}a{{/with}}`, class: template.ClassMissing},
		{name: "unfinished block parameters", body: `{{#each settings.s.list as |a}}{{/each}}`, class: template.ClassSyntax},
		{name: "no block parameters", body: `{{#each settings.s.list as ||}}{{/each}}`, class: template.ClassSyntax},
	})
}

func TestSubExpressionsAndLiterals(t *testing.T) {
	runDialect(t, []dialect{
		{name: "value keeps its type", body: `{{#if (eq settings.s.seven 8)}}a{{else}}b{{/if}}`, want: "b"},
		{name: "text is text", body: `{{#if (default false settings.s.nosuch)}}a{{else}}b{{/if}}`, want: "a"},
		{name: "or is decided", body: `{{#if (or settings.s.seven settings.s.none)}}a{{/if}}`, want: "a"},
		{name: "and is decided", body: `{{#if (and (eq 1 2) settings.s.none)}}a{{else}}b{{/if}}`, want: "b"},
		{name: "nested", body: `{{#if (and (gt settings.s.seven 6) (not (eq settings.s.text "x")))}}a{{/if}}`, want: "a"},
		{name: "as a name", body: `{{(lookup settings.s "seven")}}`, want: "7"},
		{name: "as a collection", body: `{{#each (lookup settings.s "list")}}{{this}}{{/each}}`, want: "xyz"},
		{name: "block helper", body: `{{default (if settings.s.yes) 1}}{{default (if settings.s.yes) settings.s.nosuch}}`, want: "1"},
		{name: "strings", body: `{{default "a\"\u0041\n" settings.s.null}}{{default 'b"\'c' settings.s.null}}`, want: "a\"A\nb\"'c"},
		{name: "numbers", body: `{{default 5 settings.s.null}} {{default -1.50 settings.s.null}} {{default 1E2 settings.s.null}}`, want: "5 -1.5 100.0"},
		{name: "large and small numbers", body: `{{default 1E30 settings.s.null}} {{default 1E-7 settings.s.null}} {{default 18446744073709551615 settings.s.null}}`, want: "1e30 1e-7 18446744073709551615"},
		{name: "lists and maps", body: `{{len [1, [2, 3], {"a": null}]}}{{len {"a": 1, "b": [2]}}}{{len {}}}`, want: "320"},
		{name: "number with a zero before", body: `{{default 01 settings.s.null}}`, class: template.ClassSyntax},
		{name: "line break in a string", body: "{{default \"a\nb\" settings.s.null}}", class: template.ClassSyntax},
		{name: "unfinished string", body: `{{default "a settings.s.null}}`, class: template.ClassSyntax},
		{name: "empty parentheses", body: `{{default () 1}}`, class: template.ClassSyntax},
		{name: "unfinished parentheses", body: `{{default (len settings.s.list}}`, class: template.ClassSyntax},
		{name: "many parentheses", body: `{{default ` + strings.Repeat("(not ", 101) + `1` + strings.Repeat(")", 101) + `1}}`, class: template.ClassSyntax},
		{name: "else is no argument", body: `{{default else}}`, class: template.ClassSyntax},
		{name: "as before a name is one", body: `{{#if as settings.s.null}}a{{else}}b{{/if}}`, want: "b"},
		{name: "unknown helper", body: `{{nosuch 1}}`, class: template.ClassHelper},
		{name: "unknown helper that is not reached", body: `{{#if settings.s.no}}{{nosuch 1}}{{/if}}`, want: ""},
		{name: "unknown helper in parentheses", body: `{{#if (nosuch)}}{{/if}}`, class: template.ClassHelper},
		{name: "unknown block", body: `{{#nosuch}}{{/nosuch}}`, class: template.ClassHelper},
		{name: "helper that was not asked for", body: `{{goarch "x86_64"}}`, class: template.ClassHelper},
		{name: "section of a value", body: `{{#settings.s.list}}{{/settings.s.list}}`, class: template.ClassSyntax},
	})
}

func TestBuiltinHelpers(t *testing.T) {
	runDialect(t, []dialect{
		{name: "eq", body: `{{eq settings.s.seven 7}} {{eq settings.s.list ["x","y","z"]}} {{eq settings.s.nothing {}}} {{eq "7" 7}} {{eq null settings.s.null}}`, want: "true true true false true"},
		{name: "integer and fraction differ", body: `{{eq 1 1.0}} {{eq 1.0 1.00}}`, want: "false true"},
		{name: "ne", body: `{{ne settings.s.seven 7}} {{ne true "true"}}`, want: "false true"},
		{name: "order", body: `{{gt 2 1}}{{gt 1 1}} {{gte 1 1}}{{gte 0 1}} {{lt 1 2}}{{lt 1 1}} {{lte 1 1}}{{lte 2 1}}`, want: "truefalse truefalse truefalse truefalse"},
		{name: "order of text", body: `{{gt "2" 1}}`, class: template.ClassHelper},
		{name: "order of fractions", body: `{{gt 2.5 1}}`, class: template.ClassHelper},
		{name: "and, or, not", body: `{{and 1 0}} {{and 1 "a"}} {{or 0 ""}} {{or 0 1}} {{not 0}} {{not 1}}`, want: "false true false true true false"},
		{name: "missing operand", body: `{{or settings.s.nosuch 1}}`, class: template.ClassHelper},
		{name: "missing second operand", body: `{{eq 1 settings.s.nosuch}}`, class: template.ClassHelper},
		{name: "missing parameter", body: `{{eq 1}}`, class: template.ClassHelper},
		{name: "more parameters than needed", body: `{{eq 1 1 2}}`, want: "true"},
		{name: "null operand", body: `{{or settings.s.null 1}}`, want: "true"},
		{name: "len", body: `{{len settings.s.list}}{{len settings.s.map}}{{len "\u00e4"}}{{len 5}}{{len null}}`, want: "33200"},
		{name: "len of nothing", body: `{{len settings.s.nosuch}}`, class: template.ClassHelper},
		{name: "lookup", body: `{{lookup settings.s.list 2}}{{lookup settings.s.map.a "v"}}{{lookup settings.s "text"}}`, want: "z1a&lt;b&gt; &amp; &quot;c&quot;"},
		{name: "lookup unescaped", body: `{{{lookup settings.s "text"}}}`, want: `a<b> & "c"`},
		{name: "lookup by a value", body: `{{#each settings.s.list}}{{lookup @root.settings.s.list @index}}{{/each}}`, want: "xyz"},
		{name: "lookup finds nothing", body: `{{lookup settings.s.list 3}}`, class: template.ClassMissing},
		{name: "lookup finds null", body: `{{lookup settings.s "null"}}`, class: template.ClassMissing},
		{name: "lookup in text", body: `{{lookup settings.s.text 0}}`, class: template.ClassMissing},
		{name: "lookup without a key", body: `{{lookup settings.s.list}}`, class: template.ClassHelper},
		{name: "log prints nothing", body: `[{{log settings.s.text level="warn"}}{{log settings.s.nosuch}}]`, want: "[]"},
		{name: "log level", body: `{{log 1 level="loud"}}`, class: template.ClassHelper},
	})
}

func TestWhiteSpace(t *testing.T) {
	runDialect(t, []dialect{
		{name: "standalone", body: "a\n  {{#if settings.s.yes}}  \n  b\n\t{{/if}}\nc\n", want: "a\n  b\nc\n"},
		{name: "standalone at the start and the end", body: "{{#if settings.s.yes}}\nb\n{{/if}}", want: "b\n"},
		{name: "standalone else", body: "{{#if settings.s.no}}\na\n {{else}} \nb\n{{/if}}\n", want: "b\n"},
		{name: "not standalone", body: "a {{#if settings.s.yes}}\nb{{/if}}\n", want: "a \nb\n"},
		{name: "two on a line", body: "{{#if settings.s.yes}}{{#if settings.s.yes}}\na\n{{/if}}{{/if}}\n", want: "\na\n\n"},
		{name: "values are not standalone", body: "a\n {{settings.s.seven}}\nb", want: "a\n 7\nb"},
		{name: "comment", body: "a\n  {{! x }}\nb{{!-- {{y}} --}}c\n", want: "a\nbc\n"},
		{name: "unfinished long comment is a short one", body: "{{!-- x }}y", want: "y"},
		{name: "carriage returns", body: "a\r\n{{#if settings.s.yes}}\r\nb\r\n{{/if}}\r\nc", want: "a\r\nb\r\nc"},
		{name: "tildes", body: "a \n {{~settings.s.seven~}} \n b", want: "a7b"},
		{name: "tilde of one side", body: "a {{~settings.s.seven}} b {{settings.s.seven~}} c", want: "a7 b 7c"},
		{name: "tildes of blocks", body: "a {{~#if settings.s.yes~}} b {{~else~}} c {{~/if~}} d", want: "abd"},
		{name: "tildes of triple braces", body: "a {{{~settings.s.seven~}}} b {{~{settings.s.seven}~}} c", want: "a7b7c"},
		{name: "tilde stops at a tag", body: "a {{settings.s.seven}} {{~settings.s.seven}}", want: "a 77"},
		{name: "only white space", body: " \n\t", want: " \n\t"},
	})
}

func TestEscapedBraces(t *testing.T) {
	runDialect(t, []dialect{
		{name: "one backslash", body: `a\{{settings.s.seven}}b`, want: `a{{settings.s.seven}}b`},
		{name: "two backslashes", body: `a\\{{settings.s.seven}}b`, want: `a\7b`},
		{name: "three backslashes", body: `a\\\{{settings.s.seven}}b`, want: `a\\7b`},
		{name: "backslash elsewhere", body: `a\b\\c\`, want: `a\b\\c\`},
		{name: "four braces", body: `\{{{{raw}}}}`, want: `{{{{raw}}}}`},
		{name: "raw block", body: "{{{{raw}}}}{{settings.s.seven}} {{#if}}{{{{/raw}}}}", want: "{{settings.s.seven}} {{#if}}"},
		{name: "raw block with a backslash", body: `{{{{raw}}}}\{{x}}{{{{/raw}}}}`, want: `{{x}}`},
		{name: "raw block drops white space in front", body: "{{{{raw}}}} \n x {{{{/raw}}}}", want: "x "},
		{name: "raw block of another helper", body: "{{{{if settings.s.no}}}}x{{{{/if}}}}", want: ""},
		{name: "unclosed raw block", body: "{{{{raw}}}}x", class: template.ClassSyntax},
		{name: "wrongly closed raw block", body: "{{{{raw}}}}x{{{{/if}}}}", class: template.ClassSyntax},
		{name: "raw block without a name", body: "{{{{}}}}x{{{{/}}}}", class: template.ClassSyntax},
		{name: "single braces", body: "{a} }} {b", want: "{a} }} {b"},
	})
}

func TestPartials(t *testing.T) {
	runDialect(t, []dialect{
		{name: "unknown", body: `a{{> nosuch}}b`, want: "ab"},
		{name: "inline", body: `{{#*inline "p"}}[{{settings.s.seven}}]{{/inline}}{{> p}}{{> p}}`, want: "[7][7]"},
		{name: "context", body: `{{#*inline "p"}}{{v}}{{/inline}}{{> p settings.s.map.a}}{{> p settings.s.map.b}}`, want: "12"},
		{name: "hash", body: `{{#*inline "p"}}{{v}}{{w}}{{/inline}}{{> p settings.s.map.a w="x"}}{{#with settings.s.map.b}}{{> p w=5}}{{/with}}`, want: "1x25"},
		{name: "sees the element", body: `{{#*inline "p"}}{{this}},{{/inline}}{{#each settings.s.list}}{{> p}}{{/each}}`, want: "x,y,z,"},
		{name: "default", body: `{{#> p}}default{{/p}}{{#*inline "p"}}mine{{/inline}}{{#> p}}default{{/p}}`, want: "defaultmine"},
		{name: "body", body: `{{#*inline "p"}}<{{> @partial-block}}>{{/inline}}{{#> p}}{{settings.s.seven}}{{/p}}`, want: "<7>"},
		{name: "body inside a body", body: `{{#*inline "p"}}<{{> @partial-block}}>{{/inline}}{{#> p}}{{#> p}}x{{/p}}{{/p}}`, want: "<<x>>"},
		{name: "defined in a call's body", body: `{{#*inline "layout"}}{{> title}}{{/inline}}{{#> layout}}{{#*inline "title"}}T{{/inline}}{{/layout}}[{{> title}}]`, want: "T[T]"},
		{name: "defined in a partial", body: `{{#*inline "p"}}{{#*inline "q"}}Q{{/inline}}{{> q}}{{/inline}}{{> p}}[{{> q}}]`, want: "Q[]"},
		{name: "name from a value", body: `{{#*inline "x"}}X{{/inline}}{{> (lookup settings.s.list 0)}}`, want: "X"},
		{name: "indented", body: "{{#*inline \"p\"}}\na\nb\n{{/inline}}\n  {{> p}}\nc\n", want: "  a\n  b\nc\n"},
		{name: "not indented with a tilde", body: "{{#*inline \"p\"}}a\nb{{/inline}}\n  {{~> p}}\n", want: "a\nb"},
		{name: "calls itself", body: `{{#*inline "p"}}{{> p}}{{/inline}}{{> p}}`, class: template.ClassHelper},
		{name: "unknown decorator", body: `{{*nosuch}}`, class: template.ClassHelper},
		{name: "inline without a block", body: `{{*inline "p"}}`, class: template.ClassHelper},
		{name: "inline without a name", body: `{{#*inline}}{{/inline}}`, class: template.ClassHelper},
		{name: "inline with a wrong name", body: `{{#*inline 5}}{{/inline}}`, class: template.ClassHelper},
		{name: "inline takes no else", body: `{{#*inline "p"}}{{else}}{{/inline}}`, class: template.ClassSyntax},
		{name: "unclosed partial", body: `{{#> p}}`, class: template.ClassSyntax},
		{name: "wrongly closed partial", body: `{{#> p}}{{/q}}`, class: template.ClassSyntax},
	})
}
