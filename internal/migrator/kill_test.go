package migrator_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/migrator"
)

// asMigrator makes the test binary be migrator, so that it can be killed.
const asMigrator = "HOSTLER_TEST_AS_MIGRATOR"

func TestMain(m *testing.M) {
	if os.Getenv(asMigrator) != "" {
		cli.Main(migrator.Run)
	}
	os.Exit(m.Run())
}

const (
	kills       = 25
	longestLife = 120 * time.Millisecond
)

// Whenever it is killed, the settings are of the one version or of the other,
// whole, and the next run goes on from there.
func TestKill(t *testing.T) {
	w := host(t)
	w.Step("1.0.0", "1.1.0", "motd", "noop", "motd-2")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	settings := map[string]string{"1.0.0": `{"motd":"hi"}`, "1.1.0": `{"motd":"hi++"}`}
	to := "1.1.0"
	for n := range kills {
		cmd := exec.Command(os.Args[0], "--root", string(w.Root), "--migrate-to-version", to)
		cmd.Env = append(os.Environ(), asMigrator+"=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		death := time.AfterFunc(rand.N(longestLife), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // killed, or done
		death.Stop()
		version, got := w.Settings()
		if got != settings[version] || got == "" {
			t.Fatalf("kill %d: %s %s", n, version, got)
		}
		if version == to {
			to = map[string]string{"1.0.0": "1.1.0", "1.1.0": "1.0.0"}[to]
		}
	}
	if code, _, errs := call(w, "--migrate-to-version", "1.1.0"); code != 0 {
		t.Fatal(errs)
	}
	if version, got := w.Settings(); version != "1.1.0" || got != settings[version] {
		t.Errorf("in the end: %s %s", version, got)
	}
}
