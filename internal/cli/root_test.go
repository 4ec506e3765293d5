package cli

import "testing"

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
