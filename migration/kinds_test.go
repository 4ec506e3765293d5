package migration_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/migration"
)

// live is a document whose live part has these members.
func live(members string) string {
	return `{"version":1,"from":"1.0.0","to":"1.1.0","live":{` + members + `}}`
}

// apply migrates the live part and returns it, or the error, and what was logged.
func apply(t *testing.T, m migration.Migration, d migration.Direction, members string) (result, logged string) {
	t.Helper()
	doc := parse(t, live(members))
	var log bytes.Buffer
	if err := migration.Apply(m, d, doc, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		return "error: " + err.Error(), log.String()
	}
	return format(t, doc), log.String()
}

// Names of ways in the tables below.
const (
	up   = migration.Forward
	down = migration.Backward
)

type step struct {
	way      migration.Direction
	in, want string // members of live; want may begin with "error: "
	logged   string // a part of what is logged; "": nothing is
}

func run(t *testing.T, name string, m migration.Migration, steps []step) {
	t.Helper()
	for i, s := range steps {
		want := s.want
		if !strings.HasPrefix(want, "error: ") {
			want = format(t, parse(t, live(want)))
		}
		got, logged := apply(t, m, s.way, s.in)
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s, step %d %s (-got +want):\n%s", name, i, s.way, diff)
		}
		if !strings.Contains(logged, s.logged) || (s.logged == "") != (logged == "") {
			t.Errorf("%s, step %d %s: logged %q, want %q", name, i, s.way, logged, s.logged)
		}
	}
}

// The kinds of the reference and what its tests look at.
func TestKinds(t *testing.T) {
	const (
		motd  = `"data":{"settings.motd":"hi"}`
		three = `"data":{"settings.a.b":1,"settings.a.bc":2,"settings.z":3}`
	)
	lists := migration.ReplaceLists(migration.List{Key: "settings.l", Old: []string{"a", "b"}, New: []string{"c"}})
	metadata := migration.Metadata{Key: "settings.motd", Names: []string{"x", "y"}}
	affected := migration.ReplaceAffectedServices("settings.ntp", []string{"ntp"}, []string{"chronyd", "ntp"})
	for name, tc := range map[string]struct {
		m     migration.Migration
		steps []step
	}{
		"no-op":           {migration.NoOp(), []step{{up, three, three, ""}, {down, three, three, ""}}},
		"add settings":    {migration.AddSettings("settings.motd", "settings.none"), []step{{up, motd, motd, ""}, {down, motd, ``, ""}}},
		"exactly":         {migration.AddSettings("settings.a"), []step{{down, three, three, ""}}},
		"remove settings": {migration.RemoveSettings("settings.motd"), []step{{up, motd, ``, ""}, {down, motd, motd, ""}, {up, ``, ``, ""}}},
		"add prefixes": {migration.AddPrefixes("settings.a.b"), []step{
			{up, three, three, ""},
			{down, three, `"data":{"settings.z":3}`, ""},
			{down, motd, motd, ""},
		}},
		"add several prefixes":   {migration.AddPrefixes("settings.a.", "settings.z"), []step{{down, three, ``, ""}}},
		"add an empty prefix":    {migration.AddPrefixes(""), []step{{down, three, "error: migrate live backward: add prefixes: a prefix is empty, so that all keys would be removed", ""}}},
		"add subtrees":           {migration.AddSubtrees("settings.a.b"), []step{{down, three, `"data":{"settings.a.bc":2,"settings.z":3}`, ""}}},
		"add subtrees, above":    {migration.AddSubtrees("settings"), []step{{down, three, ``, ""}}},
		"metadata is left":       {migration.AddSettings("settings.motd"), []step{{down, motd + `,"metadata":{"settings.motd":{"x":1}}`, `"metadata":{"settings.motd":{"x":1}}`, ""}}},
		"a key that is none":     {migration.AddSettings("settings.a b"), []step{{down, motd, "error: migrate live backward: Key name 'settings.a b' has invalid format: invalid character in key: ' '", ""}}},
		"superfluous quotes":     {migration.RemoveSettings(`settings."motd"`), []step{{up, motd, ``, ""}}},
		"replace string":         {migration.ReplaceString("settings.motd", "hi", "ho"), []step{{up, motd, `"data":{"settings.motd":"ho"}`, ""}, {down, `"data":{"settings.motd":"ho"}`, motd, ""}}},
		"replace another string": {migration.ReplaceString("settings.motd", "no", "ho"), []step{{up, motd, motd, "has another value"}, {up, `"data":{"settings.motd":7}`, `"data":{"settings.motd":7}`, "stays"}}},
		"replace no string":      {migration.ReplaceString("settings.other", "no", "ho"), []step{{up, motd, motd, "nothing to replace"}}},
		"replace value": {migration.ReplaceValue("settings.v", map[string]any{"a": 1, "b": nil}, []int{1}), []step{
			{up, `"data":{"settings.v":{"b" : null, "a":1}}`, `"data":{"settings.v":[1]}`, ""},
			{down, `"data":{"settings.v":[1]}`, `"data":{"settings.v":{"a":1,"b":null}}`, ""},
			{up, `"data":{"settings.v":{"b":null,"a":1.0}}`, `"data":{"settings.v":{"b":null,"a":1.0}}`, "stays"},
		}},
		"escapes stay as they are": {migration.ReplaceString("settings.motd", "hi", "a & <b>"), []step{{up, motd, `"data":{"settings.motd":"a & <b>"}`, ""}}},
		"the layer stays": {migration.ReplaceString("settings.motd", "hi", "ho"), []step{
			{up, motd + `,"layers":{"settings.motd":"generated"}`, `"data":{"settings.motd":"ho"},"layers":{"settings.motd":"generated"}`, ""},
		}},
		"replace lists": {lists, []step{
			{up, `"data":{"settings.l":["a","b"]}`, `"data":{"settings.l":["c"]}`, ""},
			{down, `"data":{"settings.l":["c"]}`, `"data":{"settings.l":["a","b"]}`, ""},
			{up, `"data":{"settings.l":["b","a"]}`, `"data":{"settings.l":["b","a"]}`, "another one"},
			{up, `"data":{"settings.l":"a"}`, `"data":{"settings.l":"a"}`, "no list"},
			{up, `"data":{"settings.l":["a",1]}`, "error: migrate live forward: replace list settings.l: its element 1 is no string", ""},
			{down, motd, motd, "nothing to replace"},
		}},
		"replace an empty list": {migration.ReplaceLists(migration.List{Key: "settings.l", Old: []string{"a"}}), []step{
			{up, `"data":{"settings.l":["a"]}`, `"data":{"settings.l":[]}`, ""},
			{down, `"data":{"settings.l":[]}`, `"data":{"settings.l":["a"]}`, ""},
		}},
		"several lists, backward the last first": {
			migration.ReplaceLists(migration.List{Key: "settings.l", Old: []string{"a"}, New: []string{"b"}}, migration.List{Key: "settings.l", Old: []string{"b"}, New: []string{"c"}}),
			[]step{{up, `"data":{"settings.l":["a"]}`, `"data":{"settings.l":["c"]}`, ""}, {down, `"data":{"settings.l":["c"]}`, `"data":{"settings.l":["a"]}`, ""}},
		},
		"add metadata": {migration.AddMetadata(metadata), []step{
			{up, motd, motd, ""},
			{down, motd + `,"metadata":{"settings.motd":{"x":1,"y":2,"z":3}}`, motd + `,"metadata":{"settings.motd":{"z":3}}`, ""},
			{down, motd, motd, ""},
		}},
		"remove metadata": {migration.RemoveMetadata(metadata), []step{
			{up, `"metadata":{"settings.motd":{"x":1}}`, ``, ""},
			{up, motd, motd, ""},
			{down, `"metadata":{"settings.motd":{"x":1}}`, `"metadata":{"settings.motd":{"x":1}}`, ""},
		}},
		"replace metadata": {migration.ReplaceMetadata(migration.MetadataString{Key: "settings.motd", Name: "x", Old: "a", New: "b"}), []step{
			{up, `"metadata":{"settings.motd":{"x":"a"}}`, `"metadata":{"settings.motd":{"x":"b"}}`, ""},
			{down, `"metadata":{"settings.motd":{"x":"b"}}`, `"metadata":{"settings.motd":{"x":"a"}}`, ""},
			{up, `"metadata":{"settings.motd":{"x":"c"}}`, `"metadata":{"settings.motd":{"x":"c"}}`, "another one"},
			{up, `"metadata":{"settings.motd":{"x":null}}`, `"metadata":{"settings.motd":{"x":null}}`, "another one"},
			{up, `"metadata":{"settings.motd":{"x":["a"]}}`, `"metadata":{"settings.motd":{"x":["a"]}}`, "another one"},
			{up, motd, motd, ""},
		}},
		"replace metadata lists": {affected, []step{
			{up, `"metadata":{"settings.ntp":{"affected-services":["ntp"]}}`, `"metadata":{"settings.ntp":{"affected-services":["chronyd","ntp"]}}`, ""},
			{down, `"metadata":{"settings.ntp":{"affected-services":["chronyd","ntp"]}}`, `"metadata":{"settings.ntp":{"affected-services":["ntp"]}}`, ""},
			{up, `"metadata":{"settings.ntp":{"affected-services":["x"]}}`, `"metadata":{"settings.ntp":{"affected-services":["x"]}}`, "another one"},
			{up, `"metadata":{"settings.ntp":{"affected-services":"ntp"}}`, `"metadata":{"settings.ntp":{"affected-services":"ntp"}}`, "no list"},
			{up, `"metadata":{"settings.ntp":{"affected-services":[1]}}`, "error: migrate live forward: replace list settings.ntp affected-services: its element 0 is no string", ""},
		}},
		"service lists": {
			migration.Sequence(
				migration.ReplaceServiceFiles(migration.Service{Name: "ntp", Old: []string{"chrony-conf"}, New: []string{"ntp-conf"}}),
				migration.ReplaceRestartCommands(migration.Service{Name: "ntp", Old: []string{"a"}, New: []string{"b"}}),
				migration.AddServices("new"), migration.AddConfigurationFiles("new.toml"),
			),
			[]step{
				{up, `"data":{"services.ntp.configuration-files":["chrony-conf"],"services.ntp.restart-commands":["a"]}`, `"data":{"services.ntp.configuration-files":["ntp-conf"],"services.ntp.restart-commands":["b"]}`, ""},
				{down, `"data":{"configuration-files.\"new.toml\".path":"/x","services.new.restart-commands":[],"services.newer.x":1,"services.ntp.configuration-files":["ntp-conf"],"services.ntp.restart-commands":["b"]}`, `"data":{"services.newer.x":1,"services.ntp.configuration-files":["chrony-conf"],"services.ntp.restart-commands":["a"]}`, ""},
			},
		},
		"remove weak settings": {migration.RemoveWeakSettings(), []step{
			{
				up, `"data":{"settings.a":1,"settings.b":2,"settings.c":3},"metadata":{"settings.a":{"strength":"weak","setting-generator":"g","x":1},"settings.b":{"strength":"strong"}}`,
				`"data":{"settings.b":2,"settings.c":3},"metadata":{"settings.a":{"x":1},"settings.b":{"strength":"strong"}}`, "",
			},
			{down, `"data":{"settings.a":1},"metadata":{"settings.a":{"strength":"weak"}}`, ``, ""},
		}},
		"remove some weak settings": {migration.RemoveWeakSettings("settings.a"), []step{{
			up, `"data":{"settings.a.x":1,"settings.ab":2},"metadata":{"settings.a.x":{"strength":"weak"},"settings.ab":{"strength":"weak"}}`,
			`"data":{"settings.ab":2},"metadata":{"settings.ab":{"strength":"weak"}}`, "",
		}}},
		"add weak settings": {migration.AddWeakSettings(migration.Metadata{Key: "settings.a", Names: []string{"strength", "setting-generator"}}), []step{
			{up, `"data":{"settings.a":1},"metadata":{"settings.a":{"strength":"weak"}}`, `"data":{"settings.a":1},"metadata":{"settings.a":{"strength":"weak"}}`, ""},
			{down, `"data":{"settings.a":1,"settings.b":1},"metadata":{"settings.a":{"strength":"weak"},"settings.b":{"strength":"weak"}}`, `"data":{"settings.b":1},"metadata":{"settings.b":{"strength":"weak"}}`, ""},
			{down, `"data":{"settings.a":1},"metadata":{"settings.a":{"strength":"strong","setting-generator":"g"}}`, `"data":{"settings.a":1}`, ""},
		}},
		"add no weak settings": {migration.AddWeakSettings(), []step{{down, `"data":{"settings.a":1},"metadata":{"settings.a":{"strength":"weak"}}`, `"data":{"settings.a":1},"metadata":{"settings.a":{"strength":"weak"}}`, ""}}},
		"sequence": {migration.Sequence(migration.ReplaceString("settings.motd", "hi", "ho"), migration.ReplaceString("settings.motd", "ho", "hu")), []step{
			{up, motd, `"data":{"settings.motd":"hu"}`, ""}, {down, `"data":{"settings.motd":"hu"}`, motd, ""},
		}},
		"reverse": {migration.Reverse(migration.ReplaceString("settings.motd", "ho", "hi")), []step{{up, motd, `"data":{"settings.motd":"ho"}`, ""}}},
		"when":    {migration.When(func(s *migration.State) bool { return !s.Live() }, migration.RemoveSettings("settings.motd")), []step{{up, motd, motd, ""}}},
		"rename": {migration.Rename("settings.a", "settings.n.a"), []step{
			{up, `"data":{"settings.a":1},"layers":{"settings.a":"user-data"},"metadata":{"settings.a":{"x":1}}`, `"data":{"settings.n.a":1},"layers":{"settings.n.a":"user-data"},"metadata":{"settings.n.a":{"x":1}}`, ""},
			{down, `"data":{"settings.n.a":1},"layers":{"settings.n.a":"user-data"},"metadata":{"settings.n.a":{"x":1}}`, `"data":{"settings.a":1},"layers":{"settings.a":"user-data"},"metadata":{"settings.a":{"x":1}}`, ""},
			{up, three, `"data":{"settings.n.a.b":1,"settings.n.a.bc":2,"settings.z":3}`, ""},
			{up, `"data":{"settings.a":1,"settings.n.a":2}`, `"data":{"settings.n.a":1}`, "both names"},
		}},
		"rename deeper": {migration.Rename("settings.a", "settings.a.b"), []step{{up, three, `"data":{"settings.a.b.b":1,"settings.a.b.bc":2,"settings.z":3}`, ""}, {down, `"data":{"settings.a.b.b":1}`, `"data":{"settings.a.b":1}`, ""}}},
		"rename to something too long": {migration.Rename("settings.a", "settings."+strings.Repeat("n", 245)), []step{
			{up, three, "error: migrate live forward: Key name beyond maximum length 255: settings." + strings.Repeat("n", 245) + ".b", ""},
		}},
	} {
		run(t, name, tc.m, tc.steps)
	}
}

// Every part of a document is migrated, and none but these.
func TestParts(t *testing.T) {
	const document = `{"version":1,"live":{"data":{"settings.a":1}},"shadowed":{"generated":{"data":{"settings.a":2}}},"pending":{"t":{"data":{"settings.a":3,"settings.b":4}}},"more":{"settings.a":5}}`
	doc := parse(t, document)
	if err := migration.Apply(migration.Rename("settings.a", "settings.n"), up, doc, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	want := format(t, parse(t, strings.ReplaceAll(document, `{"data":{"settings.a"`, `{"data":{"settings.n"`)))
	if diff := cmp.Diff(format(t, doc), want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}
