package pubsys

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hostler-os/hostler/internal/cli/clitest"
)

const document = "../../docs/publishing.md"

var (
	shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	fileBlock  = regexp.MustCompile("(?ms)^`([^`]+)`:\n\n```\\w*\n(.*?)^```$")
)

// The document, taken at its word: its files, then its commands, in one folder.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 10 {
		t.Fatalf("only %d blocks of commands were found", len(blocks))
	}
	var script, files strings.Builder
	script.WriteString("mkdir images\n")
	for i, name := range []string{"root-1.0.0.ext4", "boot-1.0.0.ext4", "root-1.0.0.verity", "root-1.1.0.ext4", "boot-1.1.0.ext4", "root-1.1.0.verity"} {
		fmt.Fprintf(&script, "noise images/%s 20000 %d\n", name, i)
	}
	for i, block := range blocks {
		fmt.Fprintf(&script, "exec sh -eux block-%d.sh\n", i)
		fmt.Fprintf(&files, "-- block-%d.sh --\n%s", i, block[1])
	}
	for _, file := range fileBlock.FindAllStringSubmatch(string(text), -1) {
		fmt.Fprintf(&files, "-- %s --\n%s", file[1], file[2])
	}
	files.WriteString("-- migrations/migrate_v1.1.0_example --\na program\n")
	path := filepath.Join(t.TempDir(), "document.txtar")
	if err := os.WriteFile(path, []byte(script.String()+files.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	clitest.RunScripts(t, testscript.Params{
		Files: []string{path},
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"noise": makeNoise},
		Setup: func(e *testscript.Env) error { return copyModel(filepath.Join(e.WorkDir, "image-share")) },
	})
}

// copyModel copies what an image has of this repository in /usr/share/hostler.
func copyModel(to string) error {
	for _, name := range []string{"models", "variants"} {
		if err := os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join("../..", name))); err != nil {
			return err
		}
	}
	return nil
}
