package osrelease

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/paths"
)

func TestParse(t *testing.T) {
	got, err := Parse("# c\nNAME=x\npretty_name=\"A \"B\"\"\nVARIANT_ID=aws-dev\nVERSION_ID=1.2.3\nBUILD_ID=abc\r\njunk\n")
	want := Release{PrettyName: `A "B"`, VariantID: "aws-dev", VersionID: "1.2.3", BuildID: "abc", Arch: got.Arch}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if _, err := Parse("VARIANT_ID=x\n"); err == nil {
		t.Error("a file without VERSION_ID was accepted")
	}
}

func TestFactsAreWhatIsKnown(t *testing.T) {
	root := paths.Root(t.TempDir())
	facts, err := Facts(root)
	if err != nil || len(facts) != 1 || facts["arch"] == "" {
		t.Errorf("without a file: %v, %v", facts, err)
	}
	if err := os.MkdirAll(filepath.Dir(root.OSRelease()), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root.OSRelease(), []byte("PRETTY_NAME=\"Some Linux\"\nVERSION_ID=12\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Facts(root)
	want := map[string]any{"arch": facts["arch"], "pretty_name": "Some Linux", "version_id": "12"}
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
}
