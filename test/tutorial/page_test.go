package tutorial_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clitest"
	"github.com/hostler-os/hostler/internal/hostler"
	"github.com/hostler-os/hostler/internal/pubsys"
)

// top is the repository's root.
const top = "../.."

func TestMain(m *testing.M) {
	programs := map[string]func(){"pubsys": func() { cli.Main(pubsys.Run) }}
	for _, name := range []string{"apiclient", "apiserver", "hostler", "migrator", "schnauzer-v2", "signpost", "thar-be-updates", "updog"} {
		programs[name] = func() { cli.Main(hostler.Run) }
	}
	testscript.Main(m, programs)
}

// block is a code block of a page: a file that the reader creates if its name
// stands before it, else commands if its language is sh, else what is printed.
type block struct{ file, language, text string }

var anyBlock = regexp.MustCompile("(?ms)^(?:`([^`\n]+)`:\n\n)?```(\\w*)\n(.*?)^```$")

// blocks are those of a document between two texts; without the second one, up to its end.
func blocks(t *testing.T, document, from, to string) []block {
	t.Helper()
	text := read(t, document)
	begin := strings.Index(text, from)
	end := len(text)
	if to != "" {
		end = strings.Index(text, to)
	}
	if begin < 0 || end < begin {
		t.Fatalf("%s has no %q before %q", document, from, to)
	}
	var all []block
	for _, m := range anyBlock.FindAllStringSubmatch(text[begin:end], -1) {
		all = append(all, block{m[1], m[2], m[3]})
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// serves is a block that the reader is told to leave in the foreground.
const serves = "apiserver --root box\n"

// run takes pages at their word: their files and commands, one after the other,
// in one folder. A server that was started ends before the sandbox boots. Behind
// the block that has a certain text come further lines of script, which check it.
func run(t *testing.T, all []block, checks map[string]string, setUp func(*testscript.Env) error) {
	t.Helper()
	var script, files strings.Builder
	serving := false
	for i, b := range all {
		switch {
		case b.file != "":
			fmt.Fprintf(&files, "-- files/%d --\n%s", i, b.text)
			fmt.Fprintf(&script, "mkdir %s\ncp files/%d %s\n", filepath.Dir(b.file), i, b.file)
		case b.text == serves:
			serving = true
			script.WriteString("exec apiserver --root box &server&\neventually apiclient --root box whoami\n")
		case b.language == "sh":
			if serving && strings.HasPrefix(b.text, "hostler sandbox boot box") {
				script.WriteString("kill -INT server\nwait server\n")
				serving = false
			}
			fmt.Fprintf(&files, "-- block-%d.sh --\n%s", i, b.text)
			fmt.Fprintf(&script, "exec sh -eux block-%d.sh\n%s", i, checked(b.text, checks))
		}
	}
	for text := range checks {
		t.Errorf("no block of commands has %q", text)
	}
	path := filepath.Join(t.TempDir(), "page.txtar")
	if err := os.WriteFile(path, []byte(script.String()+files.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	clitest.RunScripts(t, testscript.Params{
		Files: []string{path}, Setup: setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"eventually": eventually},
	})
}

// checked takes the checks of a block out of those that there are.
func checked(text string, checks map[string]string) string {
	var lines strings.Builder
	for part, check := range checks {
		if strings.Contains(text, part) {
			lines.WriteString(check)
			delete(checks, part)
		}
	}
	return lines.String()
}

// eventually runs a command until it succeeds.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = ts.Exec(args[0], args[1:]...); err == nil {
			return
		}
	}
	ts.Fatalf("%v did not succeed in time: %v", args, err)
}
