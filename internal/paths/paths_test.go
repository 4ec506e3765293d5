package paths

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Commands are run only below a root of which it is certain that it is no sandbox.
func TestIsSandbox(t *testing.T) {
	for _, test := range []struct {
		name string
		mark func(path string) error
		want bool
	}{
		{"no mark", func(string) error { return nil }, false},
		{"a mark", func(path string) error { return os.WriteFile(path, nil, 0o600) }, true},
		{"a link to nothing", func(path string) error { return os.Symlink("nothing", path) }, true},
		{"a link to itself", func(path string) error { return os.Symlink(filepath.Base(path), path) }, true},
		{"a file for a folder", func(path string) error {
			return errors.Join(os.Remove(filepath.Dir(path)), os.WriteFile(filepath.Dir(path), nil, 0o600))
		}, false},
		{"not even a folder for it", func(path string) error {
			return os.Rename(filepath.Dir(path), filepath.Dir(path)+".gone")
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := Root(t.TempDir())
			if err := os.MkdirAll(filepath.Dir(root.Sandbox()), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := test.mark(root.Sandbox()); err != nil {
				t.Fatal(err)
			}
			if got := root.IsSandbox(); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}
