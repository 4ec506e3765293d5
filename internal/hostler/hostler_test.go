package hostler_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clitest"
	"github.com/hostler-os/hostler/internal/hostler"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hostler": func() { cli.Main(hostler.Run) }})
}

func TestScripts(t *testing.T) {
	clitest.RunScripts(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){"eventually": eventually}})
}

// eventually runs a command until it succeeds.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = ts.Exec(args[0], args[1:]...); err == nil {
			return
		}
	}
	ts.Fatalf("%v did not succeed in time: %v", args, err)
}

// Links to the binary are how packages install it.
func TestNameOfTheLinkChooses(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"/usr/bin/sandbox", "variants"}, "aws-dev\naws-ecs-2\naws-k8s\nmetal-dev\nmetal-k8s\nvmware-k8s\n"},
		{[]string{"hostler", "sandbox", "variants"}, "aws-dev\naws-ecs-2\naws-k8s\nmetal-dev\nmetal-k8s\nvmware-k8s\n"},
		{[]string{"renamed", "sandbox", "variants"}, "aws-dev\naws-ecs-2\naws-k8s\nmetal-dev\nmetal-k8s\nvmware-k8s\n"},
		{[]string{"/usr/bin/updog", "--version"}, "updog version " + cli.Version() + "\n"},
	}
	for _, test := range tests {
		var out, err strings.Builder
		code := hostler.Run(t.Context(), test.args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &err})
		if code != cli.ExitOK || out.String() != test.want {
			t.Errorf("%v: exit %d, %q, %q", test.args, code, out.String(), err.String())
		}
	}
}
