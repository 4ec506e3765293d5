package hostler_test

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/hostler"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hostler": func() { cli.Main(hostler.Run) }})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata"})
}

// Links to the binary are how packages install it.
func TestNameOfTheLinkChooses(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"/usr/bin/sandbox", "variants"}, "aws-dev\nmetal-dev\n"},
		{[]string{"hostler", "sandbox", "variants"}, "aws-dev\nmetal-dev\n"},
		{[]string{"renamed", "sandbox", "variants"}, "aws-dev\nmetal-dev\n"},
	}
	for _, test := range tests {
		var out, err strings.Builder
		code := hostler.Run(t.Context(), test.args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &err})
		if code != cli.ExitOK || out.String() != test.want {
			t.Errorf("%v: exit %d, %q, %q", test.args, code, out.String(), err.String())
		}
	}
}
