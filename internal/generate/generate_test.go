package generate

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/key"
)

func TestParse(t *testing.T) {
	got, failed := Parse(map[string]json.RawMessage{
		"settings.a":  json.RawMessage(`"make a"`),
		"settings.b":  json.RawMessage(`{"command":"make b","strength":"weak","depth":2,"timeout":"3s","needs":["settings.a"],"skip-if-populated":false}`),
		"settings.c":  json.RawMessage(`{"command":"make c","strength":"steel"}`),
		"settings.d":  json.RawMessage(`{"command":"make d","timeout":"soon"}`),
		"settings.e":  json.RawMessage(`7`),
		"settings..f": json.RawMessage(`"make f"`),
		"settings.g":  json.RawMessage(`{"command":"make g","depth":-1}`),
	}, map[string]string{"settings.a": "{{ settings.x.y }}"}, time.Minute)
	want := []Generator{
		{Key: "settings.a", Command: "make a", Deadline: time.Minute, Text: "make a {{ settings.x.y }}"},
		{Key: "settings.b", Command: "make b", Weak: true, Always: true, Depth: 2, Deadline: 3 * time.Second, Needs: []key.Key{"settings.a"}, Text: "make b "},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("generators differ (-got +want):\n%s", diff)
	}
	var names []string
	for _, s := range failed {
		names = append(names, s.Key)
	}
	if diff := cmp.Diff(names, []string{"settings..f", "settings.c", "settings.d", "settings.e", "settings.g"}); diff != "" {
		t.Errorf("failed differ (-got +want):\n%s", diff)
	}
}

func TestChoose(t *testing.T) {
	layers := map[key.Key]api.Layer{
		"settings.a": api.LayerDefault, "settings.b.x": api.LayerUserData, "settings.c": api.LayerGenerated,
		"settings.d": api.LayerGenerated, "settings.e": api.LayerUser, "settings.e.x": api.LayerGenerated, "settings.fx": api.LayerUser,
	}
	run, skipped := Choose([]Generator{
		{Key: "settings.a"},
		{Key: "settings.b"},
		{Key: "settings.c"},
		{Key: "settings.d", Weak: true},
		{Key: "settings.e", Weak: true},
		{Key: "settings.f"},
		{Key: "settings.a", Always: true},
		{Key: "settings.b", Depth: 1},
	}, layers, nil)
	var got []string
	for _, g := range run {
		got = append(got, fmt.Sprint(g.Key, " ", g.Always, g.Depth))
	}
	for _, s := range skipped {
		got = append(got, s.Key+": "+s.Reason)
	}
	if diff := cmp.Diff(got, []string{
		"settings.d false 0", "settings.f false 0", "settings.a true 0", "settings.b false 1",
		"settings.a: the image has a default for it", "settings.b: set by user data",
		"settings.c: generated at an earlier boot", "settings.e: set through the API",
	}); diff != "" {
		t.Errorf("choice differs (-got +want):\n%s", diff)
	}
}

// What is made from a setting that changed is made again, and what is made from that.
func TestChooseOutdated(t *testing.T) {
	layers := map[key.Key]api.Layer{
		"settings.a": api.LayerGenerated, "settings.b": api.LayerGenerated, "settings.c": api.LayerGenerated, "settings.d": api.LayerUser,
	}
	run, _ := Choose([]Generator{
		{Key: "settings.a", Text: "{{settings.b}}"},
		{Key: "settings.b", Text: "{{ settings.aws.region }}"},
		{Key: "settings.c", Text: "{{ settings.motd }}"},
		{Key: "settings.d", Text: "{{ settings.aws.region }}"},
	}, layers, []key.Key{"settings.aws.region"})
	var got []key.Key
	for _, g := range run {
		got = append(got, g.Key)
	}
	if diff := cmp.Diff(got, []key.Key{"settings.a", "settings.b"}); diff != "" {
		t.Errorf("choice differs (-got +want):\n%s", diff)
	}
}

func TestWaves(t *testing.T) {
	waves, failed := Waves([]Generator{
		{Key: "settings.a", Text: "x --t '{{ settings.b.c }}'"},
		{Key: "settings.b", Needs: []key.Key{"settings.d"}},
		{Key: "settings.d", Text: "{{ settings.user.said }} {{ settings.d.own }}"},
		{Key: "settings.e"},
		{Key: "settings.f", Text: "settings.g"},
		{Key: "settings.g", Text: "settings.f"},
		{Key: "settings.h", Text: "settings.g"},
	})
	var got [][]key.Key
	for _, wave := range waves {
		var keys []key.Key
		for _, g := range wave {
			keys = append(keys, g.Key)
		}
		got = append(got, keys)
	}
	if diff := cmp.Diff(got, [][]key.Key{{"settings.d", "settings.e"}, {"settings.b"}, {"settings.a"}}); diff != "" {
		t.Errorf("waves differ (-got +want):\n%s", diff)
	}
	if len(failed) != 3 || !strings.Contains(failed[0].Reason, "it needs settings.g") {
		t.Errorf("got %+v, want f, g and h failed", failed)
	}
}

// tool writes an executable script.
func tool(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun(t *testing.T) {
	t.Setenv("GOGC", "off") // as sundog's unit has it
	for _, tc := range []struct {
		name, script string
		want         Outcome
		value        string
		reason       string
		stderr       string
	}{
		{"value", `echo '  {"a": [1, 2]}  '; echo note >&2`, Generated, `{"a":[1,2]}`, "", "note"},
		{"environment", `printf '"%s"' "$no_proxy"`, Generated, `"localhost"`, "", ""},
		{"tuning of our own", `printf '"%s"' "$GOGC"`, Generated, `""`, "", ""},
		{"declines", `echo not here >&2; exit 2`, Declined, "", "it declined (exit code 2)", "not here"},
		{"nothing", `true`, Declined, "", "it printed nothing", ""},
		{"fails", `echo why >&2; exit 1`, Failed, "", "failed with exit code 1", "why"},
		{"unexpected", `exit 7`, Failed, "", "returned unexpected exit code '7'", ""},
		{"signal", `kill -9 $$`, Failed, "", "returned unexpected exit code 'signal'", ""},
		{"no JSON", `echo secret word`, Failed, "", "its 11 bytes are not one JSON value", ""},
		{"two values", `echo 1 2`, Failed, "", "not one JSON value", ""},
		{"hangs", `sleep 60`, Failed, "", "Timed-out waiting for settings generator", ""},
		{"hangs with a child", `sleep 60 & sleep 60`, Failed, "", "Timed-out waiting", ""},
		{"floods", `cat /dev/zero`, Failed, "", "printed more than 1048576 bytes", ""},
		{"leaves a child behind", `sleep 60 & echo 5`, Generated, "5", "", ""},
		{"loud", `i=0; while [ $i -lt 2000 ]; do echo 0123456789 >&2; i=$((i+1)); done; echo 1`, Generated, "1", "", "…"},
	} {
		r := Runner{Parallel: 2, Env: []string{"no_proxy=localhost"}}
		began := time.Now()
		got := r.Run(t.Context(), []Generator{{Key: "settings.x", Command: tool(t, tc.script), Deadline: 1500 * time.Millisecond}})[0]
		if got.Outcome != tc.want || string(got.Value) != tc.value || !strings.Contains(got.Reason, tc.reason) || !strings.HasPrefix(got.Stderr, tc.stderr) {
			t.Errorf("%s: got %+v with value %s", tc.name, got, got.Value)
		}
		if strings.Contains(got.Reason, "secret") {
			t.Errorf("%s: the reason tells the value: %s", tc.name, got.Reason)
		}
		if len(got.Stderr) > maxStderr+10 || time.Since(began) > 10*time.Second {
			t.Errorf("%s: %d bytes of stderr after %v", tc.name, len(got.Stderr), time.Since(began))
		}
	}
}

// What a generator leaves behind that still holds its output ends with it.
func TestRunEndsChildren(t *testing.T) {
	child := filepath.Join(t.TempDir(), "pid")
	g := Generator{Key: "settings.x", Command: tool(t, "sleep 600 & echo $! >"+child+"; echo 5"), Deadline: time.Minute}
	if got := new(Runner).Run(t.Context(), []Generator{g})[0]; string(got.Value) != "5" {
		t.Fatalf("got %+v", got)
	}
	text, err := os.ReadFile(child)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("its child still runs")
		}
	}
}

// alive tells whether a process runs: one that has ended may wait for init to notice.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestRunCannotStart(t *testing.T) {
	r := Runner{Find: func(name string) (string, error) {
		if name == "elsewhere" {
			return "", &NotHere{"a sandbox does not run it"}
		}
		return "/nonexistent/" + name, nil
	}}
	results := r.Run(t.Context(), []Generator{
		{Key: "settings.a", Command: "gone", Deadline: time.Second},
		{Key: "settings.b", Command: "elsewhere now", Deadline: time.Second},
		{Key: "settings.c", Command: "bad 'quote", Deadline: time.Second},
	})
	for i, want := range []string{"there is no such program", "a sandbox does not run it", "a quote is not closed"} {
		if !strings.Contains(results[i].Reason, want) {
			t.Errorf("got %q, want %q in it", results[i].Reason, want)
		}
	}
	if results[1].Outcome != Declined {
		t.Error("a program that is not missed failed")
	}
}

// Each waits until all have started.
func TestRunInParallel(t *testing.T) {
	dir := t.TempDir()
	patient := tool(t, "touch "+dir+"/$$; until [ $(ls "+dir+" | wc -l) -ge 8 ]; do sleep 0.02; done; echo 1")
	var all []Generator
	for i := range 8 {
		all = append(all, Generator{Key: key.Key(fmt.Sprintf("settings.x%d", i)), Command: patient, Deadline: time.Minute})
	}
	r := Runner{Parallel: 8}
	for _, result := range r.Run(t.Context(), all) {
		if result.Outcome != Generated {
			t.Errorf("%+v", result)
		}
	}
}

func TestRunBuiltin(t *testing.T) {
	r := Runner{Builtin: func(name string) cli.Program {
		if name != "ours" {
			return nil
		}
		return func(_ context.Context, args []string, s cli.Streams) int {
			fmt.Fprintf(s.Out, "%q", strings.Join(args, "|"))
			fmt.Fprint(s.Err, "noted")
			return 0
		}
	}}
	got := r.Run(t.Context(), []Generator{{Key: "settings.x", Command: "ours 'a b'", Deadline: time.Second}})[0]
	if string(got.Value) != `"ours|a b"` || got.Stderr != "noted" || got.Outcome != Generated {
		t.Errorf("got %+v with value %s", got, got.Value)
	}
}

func TestDocument(t *testing.T) {
	made := func(k key.Key, depth int, value string) Result {
		return Result{Generator: Generator{Key: k, Depth: depth}, Value: []byte(value)}
	}
	results := []Result{
		made("settings.a.b", 0, `"x"`),
		made(`settings.a."c.d"`, 0, `{"n":1}`),
		made("settings.a", 0, `5`),
		made("settings.h", 2, `{"admin":{"source":"s","enabled":true},"control":{"source":"t"}}`),
		made("settings.i", 2, `{"a":"no object"}`),
		{Generator: Generator{Key: "settings.z"}, Outcome: Failed},
	}
	doc, err := Document(results, map[key.Key]api.Layer{"settings.h.admin.source": api.LayerUser})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"a":{"b":"x","c.d":{"n":1}},"h":{"admin":{"enabled":true},"control":{"source":"t"}}}`
	if string(doc) != want {
		t.Errorf("got  %s\nwant %s", doc, want)
	}
	for i, wantReason := range map[int]string{2: "another generator made 'a', too", 4: errNoObject.Error()} {
		if results[i].Outcome != Failed || results[i].Reason != wantReason {
			t.Errorf("got %+v, want it failed: %s", results[i], wantReason)
		}
	}
	if doc, err := Document(nil, nil); doc != nil || err != nil {
		t.Errorf("got %s, %v for nothing", doc, err)
	}
}

// What is no object goes to every entry of a map that has no such member yet.
func TestDocumentForEntries(t *testing.T) {
	layers := map[key.Key]api.Layer{
		"settings.m.one.mode": api.LayerUserData, "settings.m.one.essential": api.LayerUserData,
		"settings.m.two.mode": api.LayerUser, "settings.m.two.source": api.LayerUser,
		"settings.m.three.source": api.LayerGenerated,
		"settings.mm.four.mode":   api.LayerUser, "settings.m": api.LayerUser,
	}
	for _, test := range []struct {
		weak bool
		want string
	}{
		{false, `{"m":{"one":{"source":"s"}}}`},
		{true, `{"m":{"one":{"source":"s"},"three":{"source":"s"}}}`},
	} {
		g := Generator{Key: "settings.m.source", Depth: 1, Weak: test.weak}
		results := []Result{{Generator: g, Value: []byte(`"s"`)}}
		doc, err := Document(results, layers)
		if err != nil || string(doc) != test.want || results[0].Outcome != Generated {
			t.Errorf("weak %v: got %s, %v, %+v, want %s", test.weak, doc, err, results[0], test.want)
		}
	}
	if doc, err := Document([]Result{{Generator: Generator{Key: "settings.m.source", Depth: 1}, Value: []byte(`"s"`)}}, nil); doc != nil || err != nil {
		t.Errorf("got %s, %v without entries", doc, err)
	}
}

// What is placed costs as much as it is, however much has a value already: with a
// search through all of that for each entry, this would take minutes.
func TestDocumentForManyEntries(t *testing.T) {
	const entries = 100_000
	layers := map[key.Key]api.Layer{}
	for i := range entries {
		layers[key.Key(fmt.Sprintf("settings.m.e%d.mode", i))] = api.LayerUser
	}
	results := []Result{{Generator: Generator{Key: "settings.m.source", Depth: 1}, Value: []byte(`"s"`)}}
	doc, err := Document(results, layers)
	if got := strings.Count(string(doc), `{"source":"s"}`); err != nil || got != entries {
		t.Errorf("got %d entries, %v", got, err)
	}
}

func TestProxyEnv(t *testing.T) {
	var settings map[string]any
	text := `{"network":{"https-proxy":"http://p:1","no-proxy":["a","","b"]},"kubernetes":{"api-server":"https://k","cluster-domain":""}}`
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		t.Fatal(err)
	}
	no := "localhost,127.0.0.1,a,b,https://k"
	if diff := cmp.Diff(ProxyEnv(settings), []string{"https_proxy=http://p:1", "HTTPS_PROXY=http://p:1", "no_proxy=" + no, "NO_PROXY=" + no}); diff != "" {
		t.Errorf("environment differs (-got +want):\n%s", diff)
	}
	if got := ProxyEnv(map[string]any{}); got != nil {
		t.Errorf("got %q without a proxy", got)
	}
}
