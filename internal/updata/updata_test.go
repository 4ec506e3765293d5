package updata_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clitest"
	"github.com/hostler-os/hostler/internal/updata"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"updata": func() { cli.Main(updata.Run) }})
}

func TestScripts(t *testing.T) {
	clitest.RunScripts(t, testscript.Params{Dir: "testdata"})
}
