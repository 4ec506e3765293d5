package apiclient

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clidoc"
)

func updating() bool { return flag.Lookup("update").Value.String() == "true" }

// golden compares got with a file, or writes the file anew with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if updating() {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, string(want)); diff != "" {
		t.Errorf("%s (make it anew with -update): got - want +:\n%s", name, diff)
	}
}

// every command of the program, hidden ones too.
func every(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, child := range c.Commands() {
		all = append(all, every(child)...)
	}
	return all
}

func TestHelp(t *testing.T) {
	for _, c := range every(newRoot(&app{})) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			args := append(strings.Fields(c.CommandPath()), "--help")
			code := Run(t.Context(), args, cli.Streams{Out: &out, Err: &errs})
			if code != cli.ExitOK || errs.String() != "" {
				t.Errorf("exit code %d, standard error %q", code, errs.String())
			}
			golden(t, filepath.Join("testdata/help", name+".txt"), out.String())
		})
	}
}

func TestReferenceIsCurrent(t *testing.T) {
	root := newRoot(&app{})
	golden(t, "../../docs/apiclient.md", clidoc.Markdown(root))
}

func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if code := Run(t.Context(), []string{"apiclient", "man", dir}, cli.Streams{}); code != cli.ExitOK {
		t.Fatalf("exit code %d", code)
	}
	for _, c := range every(newRoot(&app{})) {
		if !c.IsAvailableCommand() && c.HasParent() {
			continue
		}
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		page, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.HasPrefix(page, []byte(".TH "+strings.ReplaceAll(strings.ToUpper(name), "-", `\-`)+" 1 ")) {
			t.Errorf("%s begins with %.40q", name, page)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var out bytes.Buffer
		code := Run(t.Context(), []string{"apiclient", "completion", shell}, cli.Streams{Out: &out})
		if code != cli.ExitOK || !strings.Contains(out.String(), "apiclient") {
			t.Errorf("%s: exit code %d, %d bytes", shell, code, out.Len())
		}
	}
}

// Every command and every option says what it is for.
func TestEverythingHasHelp(t *testing.T) {
	for _, c := range every(newRoot(&app{})) {
		if c.Short == "" {
			t.Errorf("%s has no help", c.CommandPath())
		}
		for line := range strings.SplitSeq(c.LocalFlags().FlagUsages(), "\n") {
			if fields := strings.Fields(line); len(fields) == 1 {
				t.Errorf("%s: option %s has no help", c.CommandPath(), line)
			}
		}
	}
}

// forbidden is what the program must not link, and why.
var forbidden = map[string]string{
	"go.etcd.io/bbolt": "only the datastore opens the store",
	"github.com/theupdateframework/go-tuf/v2/metadata": "only tufrepo reads repositories",
	"github.com/hostler-os/hostler/internal/model":     "the server knows the model",
	"github.com/hostler-os/hostler/internal/datastore": "the server owns the store",
	"github.com/hostler-os/hostler/internal/apply":     "the server applies changes",
	"github.com/hostler-os/hostler":                    "it embeds models and templates",
	"github.com/hostler-os/hostler/internal/schema":    "the server validates",
	"github.com/goccy/go-yaml":                         "its start costs a quarter of a millisecond",
	"github.com/spf13/cobra/doc":                       "it brings a Markdown parser and a YAML library",
}

func TestLinksNothingHeavy(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../../cmd/apiclient").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		if why, ok := forbidden[strings.TrimSpace(dep)]; ok {
			t.Errorf("apiclient links %s: %s", strings.TrimSpace(dep), why)
		}
	}
}
