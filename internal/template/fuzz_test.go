package template_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/template"
)

func seed(f *testing.F) vectors {
	v := loadVectors(f)
	for _, vector := range v.Vectors {
		f.Add(vector.Template)
	}
	f.Add(frontMatter + "{{{{raw}}}} {{x}} {{{{/raw}}}}{{#> p a=1}}{{/p}}{{#*inline 'p'}}{{/inline}}{{else if}}")
	return v
}

// checkError requires that an error is placed inside of the text.
func checkError(t *testing.T, text string, err error) {
	e := new(template.Error)
	if !errors.As(err, &e) {
		t.Fatalf("%q: %v is no *template.Error", text, err)
	}
	if e.Line > strings.Count(text, "\n")+1 || e.Msg == "" || !utf8.ValidString(e.Error()) {
		t.Fatalf("%q: %#v", text, e)
	}
}

func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := template.Parse("t", []byte(text)); err != nil {
			checkError(t, text, err)
		}
		if _, err := template.ParseLegacy("t", text); err != nil {
			checkError(t, text, err)
		}
	})
}

func FuzzRender(f *testing.F) {
	v := seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		compiled, err := template.ParseLegacy("t", text)
		if err != nil {
			return
		}
		data := template.Data{Settings: v.Settings["typical"]}
		out, err := compiled.Render(data)
		if err != nil {
			checkError(t, text, err)
		}
		if len(out) > 16<<20 || err != nil && out != nil {
			t.Fatalf("%q: %d bytes with error %v", text, len(out), err)
		}
		again, _ := compiled.Render(data)
		if !bytes.Equal(out, again) {
			t.Fatalf("%q: rendered differently the second time", text)
		}
	})
}

// Go's maps have no order, the text has one.
func TestSameInputSameBytes(t *testing.T) {
	const body = frontMatter + `{{#each settings.s}}{{@key}}={{this}}{{@first}}{{@last}};{{/each}}{{settings.s}}`
	compiled, err := template.Parse("t", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "map")
		var first []byte
		for turn := range 3 {
			group := make(map[string]any, len(m))
			for key, value := range m {
				group[key] = value
			}
			out, err := compiled.Render(template.Data{Settings: map[string]any{"s": group}})
			if err != nil {
				t.Fatal(err)
			}
			if turn > 0 && !bytes.Equal(out, first) {
				t.Fatalf("got %q and %q", first, out)
			}
			first = out
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := template.Parse("t", []byte(typicalFile)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	v := loadVectors(b)
	compiled, err := template.Parse("t", []byte(typicalFile))
	if err != nil {
		b.Fatal(err)
	}
	data := template.Data{Settings: v.Settings["typical"]}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := compiled.Render(data); err != nil {
			b.Fatal(err)
		}
	}
}

// typicalFile is what configuration files look like: 40 lines of TOML.
const typicalFile = `escape = "toml"

[required-extensions]
container-registry = "v1"
host-containers = "v1"
kernel = "v1"
metrics = "v1"
network = "v1"
ntp = "v1"
updates = "v1"
std = { version = "v1", helpers = ["join_array", "default"] }
+++
# Written from settings.
metrics_url = "{{settings.metrics.metrics-url}}"
send_metrics = {{settings.metrics.send-metrics}}
service_checks = [{{join_array ", " settings.metrics.service-checks}}]
seed = {{settings.updates.seed}}
version_lock = "{{settings.updates.version-lock}}"
ignore_waves = {{settings.updates.ignore-waves}}
{{#if settings.network.https-proxy}}
https_proxy = "{{settings.network.https-proxy}}"
{{/if}}
no_proxy = [{{join_array ", " settings.network.no-proxy}}]
lockdown = "{{default "none" settings.kernel.lockdown}}"

[sysctl]
{{#each settings.kernel.sysctl}}
"{{@key}}" = "{{this}}"
{{/each}}

{{#each settings.host-containers}}
[host-containers."{{@key}}"]
{{#if this.source}}
source = "{{this.source}}"
{{/if}}
enabled = {{this.enabled}}
superpowered = {{this.superpowered}}

{{/each}}
{{#each settings.container-registry.mirrors}}
[mirrors."{{registry}}"]
endpoints = [{{#each endpoint}}{{#unless @first}}, {{/unless}}"{{this}}"{{/each}}]
{{/each}}
{{#if (eq settings.updates.version-lock "latest")}}
# follows the newest
{{else}}
# pinned
{{/if}}
`
