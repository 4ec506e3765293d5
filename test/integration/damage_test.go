//go:build integration

package integration_test

import (
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
)

// A damaged datastore is set aside and said so; the host goes on with the last good copy.
func TestDamagedDatastore(t *testing.T) {
	h := newHost(t)
	h.set(0, "motd=before the damage")
	h.Must("systemctl", "stop", "apiserver.socket", "apiserver.service")
	h.Must("dd", "if=/dev/urandom", "of=/var/lib/hostler/datastore.db", "bs=16k", "count=1", "conv=notrunc", "status=none")
	h.Must("systemctl", "start", "apiserver.socket", "apiserver.service")

	if got := h.Must("apiclient", "get", "settings.motd"); !strings.Contains(got, "before the damage") {
		t.Errorf("motd is %s", got)
	}
	if got := h.Must("sh", "-c", "ls /var/lib/hostler"); !strings.Contains(got, "datastore.db.corrupt-") {
		t.Errorf("the damaged file was not set aside: %s", got)
	}
	if got := h.Must("journalctl", "--unit=apiserver.service", "--priority=err", "--no-pager", "--output=cat"); !strings.Contains(got, "corrupt-") {
		t.Errorf("the log says nothing of it as an error: %q", got)
	}
	var health api.Health
	h.query("/health", &health)
	if health.Status != "degraded" || !strings.Contains(strings.Join(health.Problems, "\n"), "datastore") {
		t.Errorf("health: %+v", health)
	}
	h.set(0, "motd=after the damage")
	h.wantFile("/etc/motd", "after the damage")
}
