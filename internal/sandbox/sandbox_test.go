package sandbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	assets "github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/sandbox"
	"github.com/hostler-os/hostler/internal/service"
)

var options = sandbox.Options{Variant: "metal-dev", Version: "1.2.3"}

func newSandbox(t *testing.T) paths.Root {
	t.Helper()
	root, err := sandbox.New(assets.Assets, filepath.Join(t.TempDir(), "box"), options)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestNewHasWhatProgramsLookFor(t *testing.T) {
	root := newSandbox(t)
	for _, path := range []string{
		root.Sandbox(), root.Templates() + "/motd", root.Share() + "/models/motd/schema.json",
		root.Share() + "/models/types.json", root.Share() + "/variants/metal-dev.toml", root.State(), root.Run(),
	} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	release, err := osrelease.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	if release.VariantID != "metal-dev" || release.VersionID != "1.2.3" {
		t.Errorf("os-release: %+v", release)
	}
	if text, _ := os.ReadFile(root.Variant()); string(text) != "metal-dev\n" {
		t.Errorf("variant: %q", text)
	}
}

func TestNewRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "thesis.tex"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, dir, want string
		options         sandbox.Options
	}{
		{"a folder that is not ours", full, "is not empty, and no sandbox", options},
		{"also with force", full, "is not empty, and no sandbox", sandbox.Options{Variant: "metal-dev", Renew: true}},
		{"an existing sandbox", string(newSandbox(t)), "is a sandbox already", options},
		{"a file", filepath.Join(full, "thesis.tex"), "not a directory", options},
		{"an unknown variant", t.TempDir(), "no variant 'metal'", sandbox.Options{Variant: "metal"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := sandbox.New(assets.Assets, test.dir, test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	if entries, _ := os.ReadDir(full); len(entries) != 1 {
		t.Errorf("a refused folder was touched: %v", entries)
	}
}

func TestRenewKeepsSettings(t *testing.T) {
	root := newSandbox(t)
	files := map[string]string{
		root.Datastore():                        "settings",
		root.Templates() + "/motd":              "edited",
		root.Share() + "/models/mine/README.md": "a group of one's own",
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	renew := options
	renew.Renew = true
	if _, err := sandbox.New(assets.Assets, string(root), renew); err != nil {
		t.Fatal(err)
	}
	for path, before := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if renewed := string(text) != before; renewed != strings.HasPrefix(path, root.Templates()) {
			t.Errorf("%s: renewed is %v", path, renewed)
		}
	}
}

// An interrupted layout is a sandbox, so that it can be renewed instead of being refused for ever.
func TestMarkComesFirst(t *testing.T) {
	broken := fstest.MapFS{"variants/metal-dev.toml": {}, "templates/motd": {}}
	dir := filepath.Join(t.TempDir(), "box")
	if _, err := sandbox.New(broken, dir, options); err == nil {
		t.Fatal("no error without models")
	}
	renew := options
	renew.Renew = true
	if _, err := sandbox.New(assets.Assets, dir, renew); err != nil {
		t.Error(err)
	}
}

func TestFaults(t *testing.T) {
	root := newSandbox(t)
	set := func(command string, fault service.Fault) {
		t.Helper()
		if err := sandbox.SetFault(root, command, fault); err != nil {
			t.Fatal(err)
		}
	}
	want := func(want map[string]service.Fault) {
		t.Helper()
		got, err := service.ReadFaults(root.Faults())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Error(diff)
		}
	}
	want(map[string]service.Fault{})
	set("a b", service.Fail)
	set("c", service.Hang)
	set("a b", service.Hang)
	want(map[string]service.Fault{"a b": service.Hang, "c": service.Hang})
	if _, err := sandbox.Heal(root, "c"); err != nil {
		t.Fatal(err)
	}
	want(map[string]service.Fault{"a b": service.Hang})
	if _, err := sandbox.Heal(root, "c"); api.AsError(err).Code != api.CodeNotFound {
		t.Errorf("healing the healthy: %v", err)
	}
	if _, err := sandbox.Heal(root, ""); err != nil {
		t.Fatal(err)
	}
	want(map[string]service.Fault{})
}

func FuzzRestarts(f *testing.F) {
	f.Add([]byte(`{"time":"2026-01-02T03:04:05Z","service":"ntp","command":"x","result":"done"}` + "\n"))
	f.Add([]byte("{}\nnull\n[]"))
	root := paths.Root(f.TempDir())
	if err := os.MkdirAll(root.Run(), 0o755); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(root.Restarts(), text, 0o600); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := sandbox.PrintRestarts(&out, root); err != nil && out.Len() > 0 {
			t.Errorf("half a table before %v", err)
		}
	})
}
