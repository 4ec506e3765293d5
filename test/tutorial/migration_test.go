package tutorial_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// example is the migration that the tutorial writes.
const example = "examples/migrations/v1.3.0/ntp-servers"

func TestMigration(t *testing.T) {
	all := blocks(t, "docs/tutorial-migration.md", "# ", "")
	for i, b := range all {
		if name, ok := strings.CutPrefix(b.file, "v1.3.0/ntp-servers/"); ok && read(t, filepath.Join(example, name)) != b.text {
			t.Errorf("%s of the tutorial is not %s/%s", b.file, example, name)
		}
		if b.language == "json" && b.file == "" {
			all[i].file = "answer.json"
		}
	}
	run(t, append([]block{{"go.mod", "", "module example.com/migrations\n\ngo 1.26.0\n"}}, all...), map[string]string{
		"--forward":         "cp stdout got.json\n", // the answer stands behind it
		"pubsys keys new":   "cmp got.json answer.json\n",
		"migrator rehearse": `stdout '^  settings.ntp.servers \(user-data\): not set -> \["192.0.2.1"\]$'` + "\n",
		"--image":           `stdout '^slot B runs, with version 1.3.0: good$'` + "\n" + `stdout '^pool 192.0.2.1 '` + "\n",
		"rollback":          `stdout '^slot A runs, with version 1.2.0: good$'` + "\n" + "exec migrator status --root box\nstdout '^  way +kept$'\n",
	}, findRepository)
}

// findRepository lets the tutorial's module find this repository as if it had
// fetched it, and the compiler what it has compiled already.
func findRepository(env *testscript.Env) error {
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
