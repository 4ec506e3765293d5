package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What lies below a root is trusted, so it must not be somebody else's.
func TestSafeRoot(t *testing.T) {
	me := os.Geteuid()
	for _, test := range []struct {
		name   string
		caller int
		make   func(path string) error
		want   string // a part of the error; "" for none
	}{
		{"one's own", me, func(path string) error { return os.Mkdir(path, 0o755) }, ""},
		{"not there", me, func(string) error { return nil }, ""},
		{"a link to one's own", me, func(path string) error {
			return errors.Join(os.Mkdir(path+".real", 0o755), os.Symlink(path+".real", path))
		}, ""},
		{"everybody may write", me, func(path string) error {
			return errors.Join(os.Mkdir(path, 0o755), os.Chmod(path, 0o777))
		}, "chmod o-w"},
		{"below a file", me, func(path string) error {
			return errors.Join(os.WriteFile(path+".file", nil, 0o600), os.Symlink(path+".file/x", path))
		}, "look at root"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "box")
			if err := test.make(path); err != nil {
				t.Fatal(err)
			}
			err := safeRoot(path, test.caller)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// The host's own root is no choice, and root's folders are everybody's to use.
func TestSafeRootOfRoot(t *testing.T) {
	for _, path := range []string{"", "/", "//", "/usr"} {
		for _, caller := range []int{0, 1000} {
			if err := safeRoot(path, caller); err != nil {
				t.Errorf("%q as user %d: %v", path, caller, err)
			}
		}
	}
}

func TestRootOfSomebodyElse(t *testing.T) {
	path := t.TempDir()
	caller := os.Geteuid() + 1
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 4711, -1); err != nil {
			t.Fatal(err)
		}
		caller = 0
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(link) })
	for _, root := range []string{path, link} {
		err := safeRoot(root, caller)
		if err == nil || !strings.Contains(err.Error(), "would be trusted; run this as that user") {
			t.Errorf("%s: got %v", root, err)
		}
	}
}

// Programs that are run below a root have another working folder.
func TestSetRoot(t *testing.T) {
	t.Chdir("/usr")
	for text, want := range map[string]string{"/": "/", "box": "/usr/box", "../box/": "/box", "/nowhere/x": "/nowhere/x"} {
		var root string
		if err := SetRoot(&root)(text); err != nil || root != want {
			t.Errorf("%s: got %s (%v), want %s", text, root, err, want)
		}
	}
	root := "/"
	if err := SetRoot(&root)(""); err == nil || root != "/" {
		t.Errorf("an empty name became %s (%v)", root, err)
	}
}
