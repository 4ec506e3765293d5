package template_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/template"
)

// escaped renders {{settings.s.x}} inside of text, escaped for it.
func escaped(t rapid.TB, escape template.Escape, text, value string) string {
	t.Helper()
	source := fmt.Sprintf("escape = %q\n%s%s", escape, frontMatter, text)
	out, err := render("t", source, map[string]any{"s": map[string]any{"x": value, "list": []any{value, value}}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// cText is text that C strings can hold.
func cText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		nasty := rapid.SampledFrom([]rune("\"'\\`$%{}=#;\n\r\t\x01\x1f\x7f äα\u2028"))
		return strings.ReplaceAll(rapid.StringOf(rapid.OneOf(nasty, rapid.Rune())).Draw(t, "value"), "\x00", "")
	})
}

func TestEscapeTOML(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := cText().Draw(t, "value")
		out := escaped(t, template.EscapeTOML, "a = \"{{settings.s.x}}\"\nb = \"x\"\n", want)
		var got struct{ A, B string }
		if err := toml.Unmarshal([]byte(out), &got); err != nil || got.A != want || got.B != "x" {
			t.Fatalf("%q: got %+v, %v from\n%s", want, got, err, out)
		}
	})
}

func TestEscapeJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := cText().Draw(t, "value")
		out := escaped(t, template.EscapeJSON, `{"a": "{{settings.s.x}}", "b": "x"}`, want)
		var got struct{ A, B string }
		if err := json.Unmarshal([]byte(out), &got); err != nil || got.A != want || got.B != "x" {
			t.Fatalf("%q: got %+v, %v from\n%s", want, got, err, out)
		}
	})
}

// Shells start slowly, so one of them judges many values.
func TestEscapeShell(t *testing.T) {
	values := []string{"", " ", "-n", "~", "a=b", "$(id)", "`id`", "'", "''", "\\", "\\'", "a\nb", "!", "*", "\"", "$HOME", "a'b'c", "ä\t", "\x01\x7f", "%s", "#"}
	gen := cText()
	for i := range 100 {
		values = append(values, gen.Example(i))
	}
	var script, want strings.Builder
	for _, value := range values {
		script.WriteString("printf '%s\\0' " + escaped(t, template.EscapeShell, "{{settings.s.x}}", value) + "\n")
		script.WriteString("X=" + escaped(t, template.EscapeShell, "{{settings.s.x}}", value) + "; printf '%s\\0' \"$X\"\n")
		script.WriteString("X=\"" + escaped(t, template.EscapeSystemdEnv, "{{settings.s.x}}", value) + "\"; printf '%s\\0' \"$X\"\n")
		want.WriteString(strings.Repeat(value+"\x00", 3))
	}
	sh := exec.Command("sh")
	sh.Stdin = strings.NewReader(script.String())
	got, err := sh.Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Errorf("the shell read other values than were written:\ngot  %q\nwant %q", got, want.String())
	}
}

// unquoteUnit reads a double-quoted item of a unit file as systemd does: C
// escapes, and %% for a percent sign.
func unquoteUnit(quoted string) (string, error) {
	inner := quoted[1 : len(quoted)-1]
	if strings.Contains(strings.ReplaceAll(inner, "%%", ""), "%") {
		return "", fmt.Errorf("a specifier in %s", quoted)
	}
	return strconv.Unquote(`"` + strings.ReplaceAll(inner, "%%", "%") + `"`) // Go's escapes are C's
}

func TestEscapeSystemd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := cText().Draw(t, "value")
		out := escaped(t, template.EscapeSystemd, `"A={{settings.s.x}}"`, want)
		if got, err := unquoteUnit(out); err != nil || got != "A="+want {
			t.Fatalf("%q: got %q, %v from %s", want, got, err, out)
		}
	})
}

// JSON within an assignment is escaped twice, what stands beside it once.
func TestJSONEscape(t *testing.T) {
	const source = `escape = "systemd"
[required-extensions]
s = "v1"
std = { version = "v1", helpers = ["json_escape"] }
+++
"A={\"k\": \"{{json_escape settings.s.x}}\"}"`
	rapid.Check(t, func(t *rapid.T) {
		want := cText().Draw(t, "value")
		out, err := render("t", source, map[string]any{"s": map[string]any{"x": want}})
		if err != nil {
			t.Fatal(err)
		}
		assignment, err := unquoteUnit(out)
		var got struct{ K string }
		if err != nil || json.Unmarshal([]byte(strings.TrimPrefix(assignment, "A=")), &got) != nil || got.K != want {
			t.Fatalf("%q: got %q, %v from %s", want, got.K, err, out)
		}
	})
}

func TestEscapeSystemdEnvKeepsPercent(t *testing.T) {
	if got := escaped(t, template.EscapeSystemdEnv, `"{{settings.s.x}}"`, `100% "$x" \`); got != `"100% \"\$x\" \\"` {
		t.Error(got)
	}
}

func TestEscapeRefusesNUL(t *testing.T) {
	for _, escape := range []template.Escape{template.EscapeShell, template.EscapeSystemd, template.EscapeSystemdEnv} {
		out, err := render("t", fmt.Sprintf("escape = %q\n%s{{settings.s}}", escape, frontMatter), map[string]any{"s": "a\x00b"})
		want := "t:5:1: value has a NUL byte, which cannot be written here in {{settings.s}}"
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %q, %v", escape, out, err)
		}
	}
}

// Which helpers an escape applies to is part of the format; see Escape.
func TestEscapeOfHelpers(t *testing.T) {
	const std = "[required-extensions]\ns = \"v1\"\nstd = { version = \"v1\", helpers = [\"default\", \"join_array\", \"toml_encode\"] }\n+++\n"
	settings := map[string]any{"s": map[string]any{"x": `a"&`, "list": []any{`a"&`}}}
	tests := []struct{ escape, body, want string }{
		{"html", `{{default 1 settings.s.x}} {{join_array "," settings.s.list}}`, `a"& "a"&"`},
		{"none", `{{default 1 settings.s.x}} {{join_array "," settings.s.list}}`, `a"& "a"&"`},
		{"toml", `"{{default 1 settings.s.x}}" {{{default 1 settings.s.x}}} {{join_array "," settings.s.list}} {{toml_encode settings.s.list}}`, `"a\"&" a"& "a\"&" ["a\"&"]`},
		{"json", `"{{default 1 settings.s.x}}" {{join_array "," settings.s.list}}`, `"a\"&" "a\"&"`},
		{"shell", `{{default 1 settings.s.x}} {{join_array "," settings.s.list}}`, `'a"&' "a"&"`},
		{"toml", `{{lookup settings.s "x"}} {{len settings.s.list}} {{settings.s.list}}`, `a\"& 1 [a\"&, ]`},
	}
	for _, tt := range tests {
		got, err := render("t", fmt.Sprintf("escape = %q\n%s%s", tt.escape, std, tt.body), settings)
		if err != nil || got != tt.want {
			t.Errorf("%s: %s: got %s, %v, want %s", tt.escape, tt.body, got, err, tt.want)
		}
	}
}
