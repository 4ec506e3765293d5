//go:build integration

package integration_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/refstore"
	"github.com/hostler-os/hostler/test/integration/machine"
)

// A host that ran the reference until now boots an image of ours: its settings
// are there, one that no model of ours knows is not lost, and the way back is open.
func TestTakeOver(t *testing.T) {
	tree := t.TempDir()
	value := func(k key.Key, text string) key.Pair { return key.Pair{Key: k, Value: []byte(text)} }
	err := refstore.Write(durable.OS{}, filepath.Join(tree, "var/lib/bottlerocket/datastore"), &refstore.Store{
		Version: "1.0.0",
		Live: refstore.Part{Data: []key.Pair{
			value("settings.kubernetes.cluster-name", `"prod"`), value("settings.motd", `"from the reference"`),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := images{host{machine.New(t, installed, "testdata/host", "testdata/boot", tree), t}}
	h.options()
	h.Enable("apiserver.socket", "apiserver.service", "migrator.service", "sundog.service", "chronyd.service", "set-hostname.service")
	h.Write("/usr/lib/os-release", "ID=test\nPRETTY_NAME=Test\nVARIANT_ID=metal-dev\nVERSION_ID=1.0.0\nBUILD_ID=abcdef\n")
	h.Boot()
	h.wantBoot(api.BootDone, true)
	h.wantSettings("1.0.0", "from the reference")
	for _, command := range []string{"explain", "history"} {
		if out := h.Must("apiclient", command, "motd"); !strings.Contains(out, "migrator") || !strings.Contains(out, "import") {
			t.Errorf("%s does not tell of the import:\n%s", command, out)
		}
	}
	h.set(0, "motd=ours")

	h.boot("1.0.0")
	h.wantSettings("1.0.0", "ours")
	h.Must("migrator", "export", "--to", "/var/lib/bottlerocket/datastore")
	for file, want := range map[string]string{"settings/motd": `"ours"`, "settings/kubernetes/cluster-name": `"prod"`, "services/motd/configuration-files": `["motd"]`} {
		h.wantFile("/var/lib/bottlerocket/datastore/current/live/"+file, want)
	}
}
