//go:build integration

package disk

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/userdata"
)

const mediumData = "[settings]\nmotd = \"from the medium\"\n"

// ovfEnvironment is how a hypervisor hands over properties.
func ovfEnvironment() string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1">
<PropertySection><Property oe:key="user-data" oe:value="` + base64.StdEncoding.EncodeToString([]byte(mediumData)) + `"/></PropertySection>
</Environment>`
}

// insert makes an ISO 9660 image of files and mounts it where hosts mount it.
// It is mounted through FUSE, as not every kernel has the file system.
func insert(t *testing.T, files map[string]string, options ...string) *userdata.Host {
	t.Helper()
	dir := t.TempDir()
	root := paths.Root(filepath.Join(dir, "root"))
	content, image, mount := filepath.Join(dir, "content"), filepath.Join(dir, "medium.iso"), root.Join("/media/cdrom")
	for _, folder := range []string{content, mount} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(content, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "", append(append([]string{"genisoimage", "-quiet", "-o", image}, options...), content)...)
	run(t, "", "fuseiso", image, mount)
	t.Cleanup(func() { run(t, "", "fusermount", "-u", mount) })
	return &userdata.Host{Root: root}
}

// TestMedium reads user data from media as they are burnt: with long names
// (Rock Ridge, Joliet) and with those of plain ISO 9660, capitals of which the
// reader makes small letters.
func TestMedium(t *testing.T) {
	long := []string{"-R", "-J", "-V", "config-2"}
	for _, tt := range []struct {
		name    string
		files   map[string]string
		options []string
		want    string // of the document's source, or the error
	}{
		{"user data", map[string]string{"user-data": mediumData, "meta-data": "x"}, long, "/media/cdrom/user-data"},
		{"environment", map[string]string{"ovf-env.xml": ovfEnvironment()}, long, "/media/cdrom/ovf-env.xml"},
		{"capitals", map[string]string{"OVF-ENV.XML": ovfEnvironment()}, long, "/media/cdrom/OVF-ENV.XML"},
		{"plain names", map[string]string{"ovf-env.xml": ovfEnvironment()}, []string{"-iso-level", "1"}, "/media/cdrom/ovf_env.xml"},
		{"two", map[string]string{"user-data": mediumData, "ovf-env.xml": ovfEnvironment()}, long, "more than one file with user data"},
		{"none", map[string]string{"readme": "x"}, long, "no medium with user data is mounted"},
		{"huge", map[string]string{"user-data": strings.Repeat("#", 2<<20)}, long, "more than 1048576 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := userdata.Gather(t.Context(), insert(t, tt.files, tt.options...), []string{"vmware-cd-rom"})[0]
			got := r.Source
			switch {
			case r.Err != nil:
				got = r.Err.Error()
			case r.Document == nil:
				got = r.Reason
			case r.Document.Settings["motd"] != "from the medium":
				t.Errorf("settings are %v", r.Document.Settings)
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
