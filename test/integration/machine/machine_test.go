//go:build integration

package machine_test

import (
	"testing"

	"github.com/hostler-os/hostler/test/integration/machine"
)

func TestDiskLastsAndMemoryDoesNot(t *testing.T) {
	if err := machine.Check(); err != nil {
		t.Fatal(err)
	}
	m := machine.New(t)
	m.Write("/etc/before", "written while off")
	m.Boot()
	first := m.Must("cat", "/proc/sys/kernel/random/boot_id")
	if got := m.Must("cat", "/etc/before"); got != "written while off" {
		t.Errorf("got %q", got)
	}
	for name, restart := range map[string]func(){
		"reboot":    m.Reboot,
		"power cut": func() { m.Cut(); m.Boot() },
		"power off": func() { m.PowerOff(); m.Boot() },
	} {
		m.Write("/etc/kept", name)
		m.Write("/run/lost", name)
		restart()
		if got := m.Read("/etc/kept"); got != name {
			t.Errorf("%s: the disk has %q, want %q", name, got, name)
		}
		if got := m.Read("/run/lost"); got != "" {
			t.Errorf("%s: /run has %q, want nothing", name, got)
		}
	}
	if last := m.Must("cat", "/proc/sys/kernel/random/boot_id"); last == first {
		t.Error("the boot id is that of the first boot")
	}
}

func TestCommands(t *testing.T) {
	m := machine.New(t)
	m.Boot()
	if r := m.Run("sh", "-c", "echo out; echo err >&2; exit 7"); r.Code != 7 || r.Stdout != "out\n" || r.Stderr != "err\n" {
		t.Errorf("got %v", r)
	}
	if got := m.RunAs("nobody", "id", "-un").Stdout; got != "nobody\n" {
		t.Errorf("ran as %q", got)
	}
	if got := m.Unit("dbus.socket", "ActiveState"); got != "active" {
		t.Errorf("dbus.socket is %q", got)
	}
}
