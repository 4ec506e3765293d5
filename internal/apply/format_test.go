package apply

import (
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/template"
)

func TestCheckFormat(t *testing.T) {
	const twice = "[a]\nx = 1\n\n[a]\ny = 1\n"
	tests := []struct {
		name, file, text, want string
		escape                 template.Escape
	}{
		{"valid TOML", "/etc/x.toml", "[a]\nx = 1\n", "", template.EscapeTOML},
		{"a table twice", "/etc/x.toml", twice, "no valid TOML: line 4", template.EscapeTOML},
		{"valid JSON", "/etc/x.json", `{"a": 1}`, "", template.EscapeJSON},
		{"a comma too many", "/etc/x.json", `{"a": 1,}`, "no valid JSON", template.EscapeJSON},
		{"a name that says nothing", "/etc/x.conf", twice, "", template.EscapeTOML},
		{"YAML may be escaped as JSON", "/etc/x.yaml", "a: \"b\"\n", "", template.EscapeJSON},
		{"the reference's templates are their own affair", "/etc/x.toml", twice, "", template.EscapeHTML},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := checkFormat(test.escape, test.file, []byte(test.text))
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
