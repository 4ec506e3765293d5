package tutorial_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clitest"
	"github.com/hostler-os/hostler/internal/pubsys"
)

// top is the repository's root, and example the migration that the tutorial writes.
const (
	top     = "../.."
	example = "examples/migrations/v1.3.0/ntp-servers"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pubsys": func() { cli.Main(pubsys.Run) }})
}

var (
	shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	fileBlock  = regexp.MustCompile("(?ms)^`([^`]+)`:\n\n```\\w*\n(.*?)^```$")
	answer     = regexp.MustCompile("(?ms)prints the migrated document:\n\n```json\n(.*?)^```$")
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The tutorial, taken at its word: its files, then its commands, in one folder.
func TestMigration(t *testing.T) {
	text := read(t, "docs/tutorial-migration.md")
	var script, files strings.Builder
	for i, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		fmt.Fprintf(&script, "exec sh -eux block-%d.sh\n", i)
		if strings.Contains(block[1], "--forward") {
			script.WriteString("cmp stdout answer.json\n")
		}
		fmt.Fprintf(&files, "-- block-%d.sh --\n%s", i, block[1])
	}
	for _, file := range fileBlock.FindAllStringSubmatch(text, -1) {
		fmt.Fprintf(&files, "-- %s --\n%s", file[1], file[2])
		if name, ok := strings.CutPrefix(file[1], "v1.3.0/ntp-servers/"); ok && read(t, filepath.Join(example, name)) != file[2] {
			t.Errorf("%s of the tutorial is not %s/%s", file[1], example, name)
		}
	}
	for i, name := range []string{"root-1.2.0.ext4", "boot-1.2.0.ext4", "root-1.2.0.verity", "root-1.3.0.ext4", "boot-1.3.0.ext4", "root-1.3.0.verity"} {
		fmt.Fprintf(&files, "-- images/%s --\nimage %d\n", name, i)
	}
	fmt.Fprintf(&files, "-- answer.json --\n%s-- go.mod --\nmodule example.com/migrations\n\ngo 1.26.0\n", answer.FindStringSubmatch(text)[1])
	script.WriteString("exists build/migrate_v1.3.0_ntp-servers repo/metal-dev/x86_64/timestamp.json\n")
	path := filepath.Join(t.TempDir(), "tutorial.txtar")
	if err := os.WriteFile(path, []byte(script.String()+files.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	clitest.RunScripts(t, testscript.Params{Files: []string{path}, Setup: setUp})
}

// setUp lets the tutorial's module find this repository as if it had fetched it,
// and the compiler what it has compiled already.
func setUp(env *testscript.Env) error {
	repository, err := filepath.Abs(top)
	if err != nil {
		return err
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOROOT"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			return fmt.Errorf("go env %s: %w", name, err)
		}
		env.Setenv(name, string(bytes.TrimSpace(value)))
	}
	env.Setenv("GOPROXY", "off")
	env.Setenv("GOTOOLCHAIN", "local")
	work := fmt.Sprintf("go 1.26.0\n\nuse (\n\t.\n\t%s\n)\n", repository)
	return os.WriteFile(filepath.Join(env.WorkDir, "go.work"), []byte(work), 0o600)
}
