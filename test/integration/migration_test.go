//go:build integration

package integration_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/test/integration/machine"
)

// images is a host that boots one version of its image after the other, over one folder of data.
type images struct{ host }

// boot lets the host boot the image of a version.
func (h images) boot(version string) {
	h.t.Helper()
	h.Write("/usr/lib/os-release", fmt.Sprintf("ID=test\nPRETTY_NAME=Test\nVARIANT_ID=metal-dev\nVERSION_ID=%s\nBUILD_ID=abcdef\n", version))
	h.Reboot()
}

func (h images) wantSettings(version, motd string) {
	h.t.Helper()
	h.wantFile("/etc/motd", motd+"\n")
	if out := h.Must("migrator", "status"); !strings.Contains(out, "settings of  "+version+"\n") {
		h.t.Errorf("want settings of %s, got\n%s", version, out)
	}
}

func TestVersionsOverOneDatastore(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "motd", "ref-motd")
	w.Step("1.1.0", "1.2.0", "motd-2", "fail")
	w.Prepare()
	h := images{host{machine.New(t, installed, "testdata/host", "testdata/boot", string(w.Root)), t}}
	h.options()
	h.Enable("apiserver.socket", "apiserver.service", "migrator.service", "sundog.service", "chronyd.service", "set-hostname.service")
	h.Boot()
	h.wantBoot(api.BootDone, true)
	h.set(0, "motd=hi")
	h.wantSettings("1.0.0", "hi")

	// Forward.
	h.boot("1.1.0")
	h.wantBoot(api.BootDone, true)
	h.wantSettings("1.1.0", "hi++")
	h.set(0, "dns.search-list=[\"example.com\"]")

	// A migration fails: the host can be read, and not changed.
	h.boot("1.2.0")
	h.wantUnit("migrator.service", "ActiveState", "failed")
	h.wantUnit(multiUser, "ActiveState", "inactive")
	h.wantReachable()
	if r := h.set(1, "motd=other"); !strings.Contains(r.Stderr, "the settings are of version 1.1.0, and this is 1.2.0") {
		t.Errorf("a change was refused with %v", r)
	}

	// The host goes back to the old version, which tells why.
	h.boot("1.1.0")
	h.wantBoot(api.BootDone, true)
	h.wantSettings("1.1.0", "hi++")
	if out := h.Must("apiclient", "status"); !strings.Contains(out, "the settings could not be brought from 1.1.0 to 1.2.0") {
		t.Errorf("the old version does not tell of the failure:\n%s", out)
	}

	// And backward, with what was changed since.
	h.boot("1.0.0")
	h.wantBoot(api.BootDone, true)
	h.wantSettings("1.0.0", "hi")
	if got := strings.TrimSpace(h.Must("apiclient", "get", "settings.dns")); !strings.Contains(got, "example.com") {
		t.Errorf("what was changed since is gone: %s", got)
	}
	// The container's own filter forbids landlock; nothing else may be missing under systemd.
	for line := range strings.Lines(h.Must("journalctl", "--no-pager", "-o", "cat", "-u", "migrator")) {
		if _, missing, found := strings.Cut(line, " missing="); found && strings.TrimSpace(missing) != "landlock" {
			t.Errorf("restrictions are missing: %s", missing)
		}
	}
}
