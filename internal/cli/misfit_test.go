package cli_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
)

func TestPrintMisfits(t *testing.T) {
	var b strings.Builder
	cli.PrintMisfits(&b, "  refused", []api.Misfit{
		{Key: "settings.a.x", Layer: "user", Message: "settings.a: unknown field `a`, expected one of `m`, `n`", Hint: "did you mean n?"},
		{Key: "settings.motd", Layer: "generated", Message: "settings.motd: invalid type: integer, expected a string"},
		{Key: "settings.a.y", Layer: "user", Message: "settings.a: unknown field `a`, expected one of `m`, `n`", Hint: "did you mean n?"},
		{Key: "settings.b.z", Layer: "user", Message: "settings.b: unknown field `b`, expected one of `m`, `n`"},
	})
	want := "  refused: settings.a: unknown field `a`, expected one of `m`, `n`\n" +
		"    settings.a.x (user)\n    settings.a.y (user)\n    hint: did you mean n?\n" +
		"  refused: settings.motd (generated): invalid type: integer, expected a string\n" +
		"  refused: settings.b.z (user): settings.b: unknown field `b`\n"
	if diff := cmp.Diff(b.String(), want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}
