package sundog_test

import (
	"os"
	"testing"

	"github.com/hostler-os/hostler/internal/sundog"
)

// BenchmarkBoot is a boot of aws-dev with user data, without the start of the programs.
func BenchmarkBoot(b *testing.B) {
	w := newWorld(b, "aws-dev")
	w.write(userDataFile, "[settings]\nmotd = \"hi\"\n[settings.aws]\nregion = \"eu-west-1\"\n")
	w.serve()
	for b.Loop() {
		for _, path := range []string{"/etc/chrony.conf", "/etc/motd", "/etc/hosts", "/etc/docker", "/etc/containerd", "/etc/host-containers", "/root/.aws", "/etc/network"} {
			if err := os.RemoveAll(w.root.Join(path)); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.RemoveAll(w.root.UserDataLoaded()); err != nil {
			b.Fatal(err)
		}
		w.run(sundog.Run, 0, "sundog")
	}
}
