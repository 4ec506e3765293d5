package clitest

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// RunScripts is testscript.Run, whose programs get GORACE as the test has it: a
// script has an environment of its own, and there each of its programs, built
// with the race detector, would sleep for a second before it ends. Their time zone is UTC.
func RunScripts(t *testing.T, p testscript.Params) {
	t.Helper()
	prepare := p.Setup
	p.Setup = func(e *testscript.Env) error {
		e.Setenv("GORACE", os.Getenv("GORACE"))
		e.Setenv("TZ", "UTC") // times are printed in the local zone
		if prepare == nil {
			return nil
		}
		return prepare(e)
	}
	testscript.Run(t, p)
}
