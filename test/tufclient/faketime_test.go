//go:build integration

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
)

// The real libfaketime, in the ways in which it can be told the time. It fails
// without the faketime command: on Debian, apt-get install faketime.
func TestLibfaketime(t *testing.T) {
	client := filepath.Join(t.TempDir(), "tufclient")
	if out, err := exec.Command("go", "build", "-o", client, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := newClient(t)
	c.repo.Roles["root"]["expires"] = tufrepotest.Expires(time.Now().Add(7 * 24 * time.Hour))
	c.repo.Publish("root")
	at := func(days int) string {
		return time.Now().UTC().Add(time.Duration(days) * 24 * time.Hour).Format("2006-01-02 15:04:05.000000+00:00")
	}
	for _, test := range []struct {
		faketime []string
		works    bool
	}{
		{[]string{at(6)}, true},
		{[]string{at(8)}, false},
		{[]string{"-f", "+6d"}, true},
		{[]string{"-f", "+8d"}, false},
		{[]string{"-f", "@2099-01-01 00:00:00"}, false},
		{[]string{"-m", at(8)}, false},
	} {
		args := append(test.faketime, client, "--metadata-dir", c.metadata, "--metadata-url", c.repo.URL+"/metadata", "refresh")
		cmd := exec.Command("faketime", args...)
		cmd.Env = append(os.Environ(), "TZ=UTC")
		out, err := cmd.CombinedOutput()
		if (err == nil) != test.works {
			t.Errorf("faketime %q: %v\n%s", test.faketime, err, out)
		}
	}
}
