package model_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/model"
)

func TestParsePairs(t *testing.T) {
	m := load(t, "aws-dev")
	for _, tc := range []struct {
		pairs, want []string
	}{
		{[]string{"motd=42"}, []string{`settings.motd = "42"`}},
		{[]string{"motd=1.10"}, []string{`settings.motd = "1.10"`}},
		{[]string{"motd=true"}, []string{`settings.motd = "true"`}},
		{[]string{"motd=null"}, []string{`settings.motd = "null"`}},
		{[]string{"motd="}, []string{`settings.motd = ""`}},
		{[]string{"settings.motd=a=b=c"}, []string{`settings.motd = "a=b=c"`}},
		{[]string{`motd="quoted"`}, []string{`settings.motd = "\"quoted\""`}},
		{[]string{`motd=["a"]`}, []string{`settings.motd = "[\"a\"]"`}},
		{[]string{"motd=a", "motd=b"}, []string{`settings.motd = "b"`}},
		{[]string{`"motd"=a`}, []string{`settings.motd = "a"`}},
		{[]string{"updates.seed=7", "updates.ignore-waves=true"}, []string{`settings.updates.ignore-waves = true`, `settings.updates.seed = 7`}},
		{[]string{"updates.version-lock=1.10.0"}, []string{`settings.updates.version-lock = "1.10.0"`}},
		{[]string{`kernel.sysctl."vm.max_map_count"=1`}, []string{`settings.kernel.sysctl."vm.max_map_count" = "1"`}},
		{[]string{"ntp.time-servers=192.0.2.1"}, []string{`settings.ntp.time-servers = ["192.0.2.1"]`}},
		{[]string{"ntp.time-servers=a, b"}, []string{`settings.ntp.time-servers = ["a","b"]`}},
		{[]string{`ntp.time-servers=["a", "b"]`}, []string{`settings.ntp.time-servers = ["a","b"]`}},
		{[]string{"ntp.time-servers="}, []string{`settings.ntp.time-servers = []`}},
		{[]string{"ntp.time-servers=[]"}, []string{`settings.ntp.time-servers = []`}},
		{[]string{"ntp.time-servers=[::1]:80,b"}, []string{`settings.ntp.time-servers = ["[::1]:80","b"]`}},
		{[]string{"boot.kernel-parameters.console=tty0"}, []string{`settings.boot.kernel.console = ["tty0"]`}},
		{[]string{`host-containers={"a":{"enabled":true}}`, "host-containers.a.superpowered=false"}, []string{
			`settings.host-containers.a.enabled = true`, `settings.host-containers.a.superpowered = false`,
		}},
		{[]string{`network.hosts=[["::1",["a"]]]`}, []string{`settings.network.hosts = [["::1",["a"]]]`}},
		{[]string{`container-registry.mirrors={"a":["b"]}`}, []string{`settings.container-registry.mirrors = [{"registry":"a","endpoint":["b"]}]`}},
		{[]string{`updates={"seed":5,"version-lock":null}`}, []string{`settings.updates.seed = 5`}},
		{nil, nil},
	} {
		pairs, err := m.ParsePairs(tc.pairs)
		if err != nil {
			t.Errorf("%q: %v", tc.pairs, err)
			continue
		}
		if diff := cmp.Diff(pairTexts(pairs), tc.want); diff != "" {
			t.Errorf("%q (-got +want):\n%s", tc.pairs, diff)
		}
	}
}

func TestParsePairsRefuses(t *testing.T) {
	m := load(t, "aws-dev")
	for _, tc := range []struct {
		pair, message, hint string
	}{
		{"motd", "Failed to split the string: motd", "give KEY=VALUE, for example motd=hello"},
		{`a."b=c`, `Failed to split the string: a."b=c`, "give KEY=VALUE, for example motd=hello"},
		{"=x", "Prefix '' is not a valid key: Key name '' has invalid format: cannot be empty", "give KEY=VALUE, for example motd=hello"},
		{"a b=1", "Prefix 'a b' is not a valid key: Key name 'a b' has invalid format: invalid character in key: ' '", "give KEY=VALUE, for example motd=hello"},
		{"ntp.time-server=a", "unknown field `time-server`, expected `time-servers` or `options`", "did you mean settings.ntp.time-servers?"},
		{"time-servers=a", "unknown field `time-servers`, expected one of", "did you mean settings.ntp.time-servers?"},
		{"motd.x=1", "settings.motd is one value (String) and has no settings below it", ""},
		{"kernel.sysctl.vm.max=1", "settings.kernel.sysctl.vm is one value (String) and has no settings below it", `a name with dots needs quotes: did you mean settings.kernel.sysctl."vm.max"?`},
		{"updates.seed=notanumber", `invalid type: string "notanumber", expected u32`, "u32: A whole number from 0 to 4294967295. For example: 512"},
		{"updates.seed=07", `invalid type: string "07", expected u32`, "u32: A whole number from 0 to 4294967295. For example: 512"},
		{"updates.seed=-5", "invalid value: integer `-5`, expected u32, at least 0", "u32: A whole number from 0 to 4294967295. For example: 512"},
		{"updates.seed=1e3", "invalid type: floating point `1e3`, expected u32", "u32: A whole number from 0 to 4294967295. For example: 512"},
		{"updates.ignore-waves=maybe", `invalid type: string "maybe", expected a boolean`, "give true or false"},
		{"ntp.time-servers=a,,b", "Unable to deserialize into Url: Given invalid URL '': it is empty", ""},
		{`ntp.time-servers=["a"`, "EOF while parsing", `For example: ["0.pool.ntp.org","192.0.2.1"]`},
		{"network.hosts=x", "invalid type: string, expected a sequence", ""},
		{"host-containers.a=x", "invalid type: string, expected struct HostContainer", ""},
		{`host-containers={"a":{},"a":{}}`, "duplicate field `a`", ""},
		{"host-containers.a_b.enabled=true", "Unable to deserialize into Identifier: Identifiers may only contain ASCII alphanumerics plus hyphens, received 'a_b'", ""},
		{"settings=x", "invalid type: string, expected struct Settings", ""},
		{"motd=\xff", "invalid UTF-8", ""},
	} {
		_, err := m.ParsePairs([]string{tc.pair})
		var e *model.Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Violations[0].Message, tc.message) {
			t.Errorf("%s: got %v, want %s", tc.pair, err, tc.message)
			continue
		}
		if tc.hint != "" && e.Violations[0].Hint != tc.hint {
			t.Errorf("%s: hint %q, want %q", tc.pair, e.Violations[0].Hint, tc.hint)
		}
	}
	_, err := m.ParsePairs([]string{"motd", "nosuch=1", "updates.seed=x", "motd=ok"})
	if got := violations(t, err); len(got) != 3 {
		t.Errorf("got %q, want three violations", got)
	}
}

func FuzzParsePairs(f *testing.F) {
	m := load(f, "aws-dev")
	for _, v := range readVectors(f) {
		f.Add(strings.Join(v.Path, ".") + "=" + pairText(v.Value))
	}
	for _, s := range []string{"", "=", `"a=b"=c`, "ntp.time-servers=a,b", `host-containers={"a":{}}`, "motd=\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pair string) {
		pairs, err := m.ParsePairs([]string{pair})
		if err != nil {
			if len(violations(t, err)) == 0 {
				t.Fatal("an error without violations")
			}
			return
		}
		sameAgain(t, m, pairs)
		for _, p := range pairs {
			again, err := m.ParsePairs([]string{string(p.Key) + "=" + pairText(p.Value)})
			if err != nil {
				t.Fatalf("%s = %s, given as key=value: %v", p.Key, p.Value, err)
			}
			if diff := cmp.Diff(pairTexts(again), []string{string(p.Key) + " = " + string(p.Value)}); diff != "" {
				t.Fatalf("given as key=value (-got +want):\n%s", diff)
			}
		}
	})
}

func BenchmarkParseJSON(b *testing.B) {
	m := load(b, "aws-dev")
	for name, doc := range map[string]string{
		"1key":  `{"motd":"hello"}`,
		"3keys": `{"motd":"hello","ntp":{"time-servers":["192.0.2.1","ntp.example.com"]},"updates":{"version-lock":"1.2.3"}}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.ParseJSON([]byte(doc)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("all-defaults", func(b *testing.B) {
		doc, err := json.Marshal(nestRaw(m.Defaults()))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.ParseJSON(doc); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		load(b, "aws-dev")
	}
}
