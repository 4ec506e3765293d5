package clidoc_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli/clidoc"
)

func program() *cobra.Command {
	root := &cobra.Command{Use: "tool COMMAND", Short: "do things", Run: func(*cobra.Command, []string) {}}
	root.PersistentFlags().StringP("where", "w", "", "in `DIR`|elsewhere")
	act := &cobra.Command{
		Use: "act-now NAME…", Short: "act", Long: "Acts on names.\n.not a macro: \\n", Example: "  tool act-now x",
		Run: func(*cobra.Command, []string) {},
	}
	act.Flags().Bool("secret", false, "not shown")
	act.Flags().Lookup("secret").Hidden = true
	hidden := &cobra.Command{Use: "hidden", Hidden: true, Run: func(*cobra.Command, []string) {}}
	root.AddCommand(act, hidden)
	return root
}

const actPage = `.TH TOOL\-ACT\-NOW 1 "" Hostler "Hostler"
.SH NAME
tool\-act\-now \- act
.SH SYNOPSIS
.nf
tool act\-now NAME\[u2026]
.fi
.SH DESCRIPTION
.nf
Acts on names.
\&.not a macro: \en
.fi
.SH GLOBAL OPTIONS
.TP
\-w, \-\-where DIR
in DIR|elsewhere
.SH EXAMPLES
.nf
  tool act\-now x
.fi
.SH SEE ALSO
tool(1)
`

func TestWriteManPages(t *testing.T) {
	dir := t.TempDir()
	if err := clidoc.WriteManPages(program(), dir); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pages, []string{filepath.Join(dir, "tool-act-now.1"), filepath.Join(dir, "tool.1")}); diff != "" {
		t.Errorf("got - want +:\n%s", diff)
	}
	page, err := os.ReadFile(filepath.Join(dir, "tool-act-now.1"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page), actPage); diff != "" {
		t.Errorf("got - want +:\n%s", diff)
	}
}

func TestMarkdown(t *testing.T) {
	want := "# tool\n\n```\ntool COMMAND\n```\n\n```text\nDo things.\n```\n\n" +
		"| option | meaning |\n|---|---|\n| `-w, --where DIR` | in DIR\\|elsewhere |\n\n" +
		"## tool act-now\n\n```\ntool act-now NAME…\n```\n\n```text\nActs on names.\n.not a macro: \\n\n```\n\n" +
		"Examples:\n\n```sh\ntool act-now x\n```\n"
	if diff := cmp.Diff(clidoc.Markdown(program()), want); diff != "" {
		t.Errorf("got - want +:\n%s", diff)
	}
}
