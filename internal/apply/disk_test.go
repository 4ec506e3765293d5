package apply

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
)

func TestMode(t *testing.T) {
	for digits, want := range map[string]fs.FileMode{
		"0644": 0o644, "600": 0o600, "4755": 0o755 | fs.ModeSetuid, "3777": 0o777 | fs.ModeSetgid | fs.ModeSticky, "0": 0,
	} {
		got, err := model.ParseMode(digits)
		if err != nil || got != want {
			t.Errorf("model.ParseMode(%q) = %v, %v; want %v", digits, got, err, want)
		}
		if again, err := model.ParseMode(formatMode(got)); err != nil || again != got {
			t.Errorf("%q: formatted %q", digits, formatMode(got))
		}
	}
	for _, bad := range []string{"", "rw", "0o644", "8", "17777", "-1", "99999999999"} {
		if got, err := model.ParseMode(bad); err == nil {
			t.Errorf("model.ParseMode(%q) = %v, want an error", bad, got)
		}
	}
}

func TestOwner(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nchrony:x:123:456::/:/bin/false\nodd:x\n",
		"etc/group":  "root:x:0:\nchrony:x:456:\nadm:x:4:a,b\n",
	} {
		if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d := disk{root: paths.Root(root), chown: true}
	for text, want := range map[string]string{
		"": "0 0", "chrony": "123 456", "chrony:adm": "123 4", "7:8": "7 8", "7": "7 7", "root:12": "0 12",
		"nobody": "", "chrony:nobody": "", "odd": "", ":": "", "99999999999": "",
	} {
		got := ""
		if uid, gid, err := d.owner(text); err == nil {
			got = fmt.Sprint(uid, " ", gid)
		}
		if got != want {
			t.Errorf("owner(%q): got %q, want %q", text, got, want)
		}
	}
	d.chown = false
	if uid, gid, err := d.owner("nobody"); uid != 0 || gid != 0 || err != nil {
		t.Errorf("without the privilege: %d, %d, %v", uid, gid, err)
	}
}

func TestOrder(t *testing.T) {
	for _, tc := range []struct {
		lists [][]string
		want  []string
	}{
		{nil, []string{}},
		{[][]string{{"b"}, {"a"}, {"c"}}, []string{"a", "b", "c"}},
		{[][]string{{"pki", "docker"}, {"docker", "ecs"}, {"a"}}, []string{"a", "pki", "docker", "ecs"}},
		{[][]string{{"containerd", "docker"}, {"pki", "docker"}}, []string{"containerd", "pki", "docker"}},
		{[][]string{{"b", "a"}, {"a", "b"}}, []string{"a", "b"}},
		{[][]string{{"a", "a", "b"}, {"b"}}, []string{"a", "b"}},
	} {
		if diff := cmp.Diff(order(tc.lists), tc.want); diff != "" {
			t.Errorf("order(%q) (-got +want):\n%s", tc.lists, diff)
		}
	}
}

func TestRedact(t *testing.T) {
	texts := appendTexts(nil, []byte(`[{"registry": "secret-one", "port": 4711, "x": "ab"}, "secret-one-and-more"]`))
	s := secrets{texts: longestFirst(texts)}
	got := s.redact("registry secret-one-and-more 4711 secret-one ab")
	if want := "registry (secret) (secret) (secret) ab"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A link leads nowhere out of the root, whichever part of the path it is.
func TestResolve(t *testing.T) {
	outside, base := t.TempDir(), t.TempDir()
	root := filepath.Join(base, "root")
	if err := os.MkdirAll(filepath.Join(base, "real/etc/deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "real/etc/file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"root": "real", "real/etc/out": outside, "real/etc/up": "../../../../../../..", "real/etc/in": "/etc/deep",
		"real/etc/near": "deep/../deep", "real/etc/loop": "loop", "real/etc/a": "in/b", "real/etc/deep/b": "../../etc/file",
		"real/etc/host": "/",
	} {
		if err := os.Symlink(target, filepath.Join(base, name)); err != nil {
			t.Fatal(err)
		}
	}
	d := disk{root: paths.Root(root)}
	for host, want := range map[string]string{
		"/etc/motd": "/etc/motd", "/etc/none/x": "/etc/none/x", "/etc/out/x": outside + "/x", "/etc/out": outside,
		"/etc/up/etc/motd": "/etc/motd", "/etc/in/x": "/etc/deep/x", "/etc/near/x": "/etc/deep/x", "/etc/a": "/etc/file",
		"/etc/host/etc/in/x": "/etc/deep/x", "/": "/",
		"/etc/loop/x": "", "/etc/file/x": "", "/etc/a/x": "",
	} {
		got, err := d.resolve(host)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("resolve(%s) = %q, %v; want %q", host, got, err, want)
		}
	}
}
