package apiserver_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	assets "github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/apiserver"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clitest"
	"github.com/hostler-os/hostler/internal/sandbox"
	"github.com/hostler-os/hostler/internal/tharbeupdates"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"apiserver":       func() { cli.Main(apiserver.Run) },
		"thar-be-updates": func() { cli.Main(tharbeupdates.Run) },
	})
}

// TestScripts runs the program as people and systemd do. Each script has a sandbox in $ROOT.
func TestScripts(t *testing.T) {
	clitest.RunScripts(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			root := filepath.Join(e.WorkDir, "root")
			e.Setenv("ROOT", root)
			_, err := sandbox.New(assets.Assets, root, sandbox.Options{Variant: "aws-dev"})
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"waitfor": waitFor,
			"ready":   ready,
			"exits":   exits,
		},
	})
}

// waitFor waits until a file exists.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	poll(ts, args[0]+" to appear", func() bool {
		_, err := os.Lstat(ts.MkAbs(args[0]))
		return err == nil
	})
}

// ready waits until a server answers at a socket.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	poll(ts, "a server at "+args[0], func() bool {
		c, err := net.Dial("unix", ts.MkAbs(args[0]))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func poll(ts *testscript.TestScript, what string, ok func() bool) {
	for deadline := time.Now().Add(startTime); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

// exits runs a command that must end with an exit status.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit status %d, want %s", code, args[0])
	}
}
