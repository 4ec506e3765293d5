// Package hostfacts looks up what template helpers may learn of the host:
// processors, FIPS mode, network adapters, names.
//
// It is apart from package template so that rendering itself touches nothing
// and the same settings give the same text, wherever nobody asks for facts.
package hostfacts

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/template"
)

const (
	fipsFile   = "/proc/sys/crypto/fips_enabled"
	pciDevices = "/sys/bus/pci/devices"
	cgroup2    = "/sys/fs/cgroup/cgroup.controllers" // only version 2 has it at the top

	// resolveLimit bounds the look-up of a host name, which at boot has often no server to ask.
	resolveLimit = 2 * time.Second
)

// Read returns the facts of the running host. A root that is not the host's
// own, such as a sandbox, has no facts: there files depend on settings alone.
func Read(root paths.Root) template.System {
	if !root.IsHost() {
		return template.System{}
	}
	return template.System{
		CPUs:    runtime.NumCPU(),
		FIPS:    readWord(root.Join(fipsFile)) == "1",
		Cgroup2: exists(root.Join(cgroup2)),
		EFA:     hasFabricAdapter(root.Join(pciDevices)),
		Resolve: resolve,
	}
}

// readWord returns a file's only word, nothing if there is no such file: older kernels and containers lack some.
func readWord(path string) string {
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// hasFabricAdapter tells whether an Elastic Fabric Adapter is among the PCI devices in a folder of sysfs.
func hasFabricAdapter(folder string) bool {
	vendors, _ := filepath.Glob(filepath.Join(folder, "*", "vendor")) // the pattern is well-formed
	for _, vendor := range vendors {
		device := readWord(filepath.Join(filepath.Dir(vendor), "device"))
		if readWord(vendor) == "0x1d0f" && strings.HasPrefix(device, "0xefa") {
			return true
		}
	}
	return false
}

func resolve(host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), resolveLimit)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}
