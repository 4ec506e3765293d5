package hostfacts

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hostler-os/hostler/internal/paths"
)

func TestReadOfSandboxIsEmpty(t *testing.T) {
	got := Read(paths.Root(t.TempDir()))
	if got.CPUs != 0 || got.FIPS || got.EFA || got.Cgroup2 || got.Resolve != nil {
		t.Errorf("got %+v, want no facts", got)
	}
}

func TestReadOfHost(t *testing.T) {
	got := Read(paths.Host)
	if got.CPUs < 1 || got.Resolve == nil {
		t.Errorf("got %+v", got)
	}
}

func TestHasFabricAdapter(t *testing.T) {
	tests := []struct {
		name, vendor, device string
		want                 bool
	}{
		{"fabric adapter", "0x1d0f\n", "0xefa1\n", true},
		{"network adapter of the same vendor", "0x1d0f\n", "0xec20\n", false},
		{"another vendor", "0x8086\n", "0xefa1\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			device := filepath.Join(dir, "0000:00:06.0")
			if err := os.Mkdir(device, 0o755); err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{"vendor": tt.vendor, "device": tt.device} {
				if err := os.WriteFile(filepath.Join(device, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := hasFabricAdapter(dir); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
	if hasFabricAdapter(t.TempDir()) {
		t.Error("found an adapter in an empty folder")
	}
}
