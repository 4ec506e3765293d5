package render_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/migration"
	"github.com/hostler-os/hostler/migration/render"
)

const (
	oldLine = `schnauzer-v2 render --requires aws@v1 --requires "std@v1(helpers=[default])" --template "{{ default \"none\" settings.aws.region }}/old:{{ os.variant_id }}"`
	newLine = `schnauzer-v2 render --requires='aws@v1' --template='{{{settings.aws.region}}}/new&'`
	needs   = `schnauzer-v2 render --requires "later@v1" --template "{{ settings.later.x }}"`
)

func document(live string) string {
	return `{"version":1,"os":{"variant_id":"aws-dev"},"live":{` + live + `}}`
}

// migrate returns what becomes of a document, or the error.
func migrate(t *testing.T, m migration.Migration, d migration.Direction, text string) (result, logged string) {
	t.Helper()
	doc, err := migration.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var log, out bytes.Buffer
	if err := migration.Apply(m, d, doc, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		return "error: " + err.Error(), log.String()
	}
	if err := doc.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String(), log.String()
}

func TestReplaceSchnauzer(t *testing.T) {
	const (
		region   = `"settings.aws.region":"eu"`
		withOld  = `"data":{` + region + `,"settings.x.source":"eu/old:aws-dev"}`
		withNew  = `"data":{` + region + `,"settings.x.source":"eu/new&"}`
		own      = `"data":{` + region + `,"settings.x.source":"mine"}`
		metadata = `,"metadata":{"settings.x.source":{"setting-generator":`
	)
	quoted := func(line string) string { return `"` + strings.ReplaceAll(line, `"`, `\"`) + `"` }
	escaped := strings.ReplaceAll(oldLine, `\`, `\\`)
	replace := render.ReplaceSchnauzer(render.Template{Key: "settings.x.source", Old: oldLine, New: newLine})
	for name, tc := range map[string]struct {
		m              migration.Migration
		d              migration.Direction
		in, want, logs string
	}{
		"value alone":         {replace, migration.Forward, withOld, withNew, ""},
		"back":                {replace, migration.Backward, withNew, withOld, ""},
		"data and generator":  {replace, migration.Forward, withOld + metadata + quoted(escaped) + `}}`, withNew + metadata + quoted(newLine) + `}}`, ""},
		"table":               {replace, migration.Forward, withOld + metadata + `{"command":` + quoted(escaped) + `,"depth":1}}}`, withNew + metadata + `{"command":` + quoted(newLine) + `,"depth":1}}}`, ""},
		"generator, not data": {replace, migration.Forward, own + metadata + quoted(escaped) + `}}`, own + metadata + quoted(newLine) + `}}`, "not what its template renders"},
		"another generator":   {replace, migration.Forward, withOld + metadata + `"pluto"}}`, withOld + metadata + `"pluto"}}`, "made from something else"},
		"strange generator":   {replace, migration.Forward, withOld + metadata + `[1]}}`, withOld + metadata + `[1]}}`, "made from something else"},
		"no value":            {replace, migration.Forward, `"data":{` + region + `}`, `"data":{` + region + `}`, "nothing to render"},
		"no string":           {replace, migration.Forward, `"data":{"settings.x.source":1}`, "error: migrate live forward: replace template of settings.x.source: the value is no string", ""},
		"no such command":     {render.ReplaceSchnauzer(render.Template{Key: "settings.x.source", Old: "pluto x", New: newLine}), migration.Forward, withOld, "error: migrate live forward: replace template of settings.x.source: the command line is not that of schnauzer-v2 render", ""},
		"new needs what is not there": {
			render.ReplaceSchnauzer(render.Template{Key: "settings.x.source", Old: oldLine, New: needs}), migration.Forward,
			withOld, "error: migrate live forward: replace template of settings.x.source: ", "",
		},
		"generated is made anew": {
			render.ReplaceSchnauzer(render.Template{Key: "settings.x.source", Old: oldLine, New: needs}), migration.Forward,
			withOld + `,"layers":{"settings.x.source":"generated"}`, `"data":{` + region + `}`, "generated anew",
		},
		"old cannot be rendered": {
			render.ReplaceSchnauzer(render.Template{Key: "settings.x.source", Old: needs, New: newLine}), migration.Forward, own, own, "the setting stays",
		},
		"old cannot be rendered, generated": {
			render.ReplaceSchnauzer(render.Template{Key: "settings.x.source", Old: needs, New: newLine}), migration.Forward,
			own + `,"layers":{"settings.x.source":"generated"}`, `"data":{` + region + `}`, "generated anew",
		},
	} {
		got, logged := migrate(t, tc.m, tc.d, document(tc.in))
		if strings.HasPrefix(tc.want, "error: ") {
			if !strings.HasPrefix(got, tc.want) {
				t.Errorf("%s: got %s, want %s", name, got, tc.want)
			}
			continue
		}
		want, _ := migrate(t, migration.NoOp(), tc.d, document(tc.want))
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
		if !strings.Contains(logged, tc.logs) || (tc.logs == "") != (logged == "") {
			t.Errorf("%s: logged %q, want %q", name, logged, tc.logs)
		}
	}
}

// A pending transaction holds a few settings; templates see those that were live beside them.
func TestPending(t *testing.T) {
	m := migration.Sequence(
		render.ReplaceTemplate(render.Template{Key: "settings.x", Old: "{{settings.a}}-{{os.variant_id}}", New: "{{settings.a}}+{{settings.b}}"}),
		migration.RemoveSettings("settings.a"),
	)
	const in = `{"version":1,"os":{"variant_id":"v"},"live":{"data":{"settings.a":"live","settings.b":2}},"pending":{"t":{"data":{"settings.x":"live-v"}},"u":{"data":{"settings.a":"own","settings.x":"own-v"}}}}`
	got, _ := migrate(t, m, migration.Forward, in)
	want, _ := migrate(t, migration.NoOp(), migration.Forward, `{"version":1,"live":{"data":{"settings.b":2}},"pending":{"t":{"data":{"settings.x":"live+2"}},"u":{"data":{"settings.x":"own+2"}}}}`)
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}

// The deprecated kind, both ways, with the metadata that the reference stores.
func TestReplaceTemplate(t *testing.T) {
	m := render.ReplaceTemplate(render.Template{Key: "settings.x", Old: "{{settings.a}}/1", New: "{{settings.a}}/2"})
	older := document(`"data":{"settings.a":"q","settings.x":"q/1"},"metadata":{"settings.x":{"template":"{{settings.a}}/1"}}`)
	newer := document(`"data":{"settings.a":"q","settings.x":"q/2"},"metadata":{"settings.x":{"template":"{{settings.a}}/2"}}`)
	for d, pair := range map[migration.Direction][2]string{migration.Forward: {older, newer}, migration.Backward: {newer, older}} {
		got, logged := migrate(t, m, d, pair[0])
		want, _ := migrate(t, migration.NoOp(), d, pair[1])
		if diff := cmp.Diff(got, want); diff != "" || logged != "" {
			t.Errorf("%s: logged %q (-got +want):\n%s", d, logged, diff)
		}
	}
}
