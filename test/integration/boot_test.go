//go:build integration

package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/test/integration/machine"
)

const (
	userData  = "/var/lib/bottlerocket/user-data.toml"
	goodData  = "[settings]\nmotd = \"from user data\"\n[settings.ntp]\ntime-servers = [\"192.0.2.7\"]\n"
	multiUser = "multi-user.target"

	loadedMark = "/var/lib/bottlerocket/early-boot-config.ran"
)

// newBooting lays out a host that has sundog among its units, switched off.
func newBooting(t testing.TB, document string) host {
	t.Helper()
	h := host{machine.New(t, installed, "testdata/host", "testdata/boot"), t}
	h.options()
	if document != "" {
		h.Write(userData, document)
	}
	h.Enable("apiserver.socket", "apiserver.service", "sundog.service", "chronyd.service", "set-hostname.service")
	return h
}

// sundog lays out a drop-in for the unit; no lines remove it.
func (h host) sundog(lines ...string) {
	h.t.Helper()
	text := ""
	if len(lines) > 0 {
		text = "[Service]\n" + strings.Join(lines, "\n") + "\n"
	}
	h.Write("/etc/systemd/system/sundog.service.d/test.conf", text)
}

// report is what the host tells of its last boot.
func (h host) report() api.Boot {
	h.t.Helper()
	var b api.Boot
	text := h.Must("apiclient", "status", "--boot", "last", "-o", "json")
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		h.t.Fatalf("%v in %s", err, text)
	}
	return b
}

// wantBoot expects a state of the boot, and that it reached multi-user.target, or did not.
func (h host) wantBoot(state api.BootState, reached bool) api.Boot {
	h.t.Helper()
	b := h.report()
	if b.State != state {
		h.t.Errorf("the boot is %s, want %s:\n%s", b.State, state, h.Must("apiclient", "status", "--boot", "last"))
	}
	want := map[bool]string{true: "active", false: "inactive"}[reached]
	h.wantUnit(multiUser, "ActiveState", want)
	return b
}

// wantReachable expects that an operator can ask what is wrong, and change settings.
func (h host) wantReachable() {
	h.t.Helper()
	h.wantUnit("apiserver.service", "ActiveState", "active")
	h.wantUnit("unconfigured.target", "ActiveState", "active")
	if r := h.Run("apiclient", "status"); r.Code != 0 || !strings.Contains(r.Stdout, "problem") {
		h.t.Errorf("apiclient status: %v", r)
	}
}

// completes reboots the host and expects that it comes up.
func (h host) completes() {
	h.t.Helper()
	h.Reboot()
	h.wantBoot(api.BootDone, true)
}

func TestFirstAndSecondBoot(t *testing.T) {
	h := newBooting(t, goodData)
	h.Boot()
	b := h.wantBoot(api.BootDone, true)
	if len(b.Phases) != 4 || b.ID != 1 {
		t.Errorf("got report %d with %d phases", b.ID, len(b.Phases))
	}
	h.wantFile("/etc/motd", "from user data")
	h.wantFile("/etc/chrony.conf", "192.0.2.7")
	h.wantFile("/etc/network/hostname.env", "HOSTNAME=generated-name")
	h.wantUnit("set-hostname.service", "ActiveState", "active")
	h.wantFile("/run/hostname.applied", "generated-name")
	for _, unit := range []string{"preconfigured.target", "configured.target"} {
		h.wantUnit(unit, "ActiveState", "active")
	}
	journal := h.Must("journalctl", "--no-pager", "-u", "sundog", "-o", "cat")
	for _, phase := range []string{"user-data", "commit", "generators", "apply"} {
		if !strings.Contains(journal, "phase="+phase+" state=") {
			t.Errorf("the journal has no line of phase %s:\n%s", phase, journal)
		}
	}
	h.Write(userData, "this is no longer read")
	h.Must("rm", "-f", "/etc/motd", "/etc/chrony.conf", "/etc/network/hostname.env")
	h.completes()
	if b := h.report(); b.ID != 2 || b.Phases[0].State != api.BootSkipped {
		t.Errorf("the second boot is %+v", b)
	}
	h.wantFile("/etc/motd", "from user data")
	h.wantFile("/etc/network/hostname.env", "HOSTNAME=generated-name")
}

// The targets one after the other, each activated by the one before, as images boot.
func TestTargetsInTurn(t *testing.T) {
	h := newBooting(t, goodData)
	h.Enable("activate-configured.service", "activate-multi-user.service")
	if err := os.Symlink("/usr/lib/systemd/system/preconfigured.target", h.Path("/etc/systemd/system/default.target")); err != nil {
		t.Fatal(err)
	}
	h.Boot()
	h.Eventually("multi-user.target", func() bool { return h.Unit(multiUser, "ActiveState") == "active" })
	h.wantBoot(api.BootDone, true)
	h.wantUnit("apiserver.service", "ActiveState", "active")
	h.wantUnit("chronyd.service", "ActiveState", "active")
}

func TestBrokenUserData(t *testing.T) {
	h := newBooting(t, "[settings]\nmotd = \"x\"\nntp = 5\n")
	h.Boot()
	b := h.wantBoot(api.BootFailed, false)
	problems := b.Phases[0].Documents[1].Problems
	if len(problems) != 1 || problems[0].Line != 3 || problems[0].Key != "settings.ntp" {
		t.Errorf("the report has the problems %+v", problems)
	}
	h.wantReachable()
	h.wantFile("/etc/chrony.conf", "pool")
	h.set(0, "motd=repaired by hand")
	h.Write(userData, goodData)
	h.completes()
	h.wantFile("/etc/chrony.conf", "192.0.2.7")
	h.wantFile("/etc/motd", "repaired by hand")
}

// Without a reboot, the repaired host goes on where it stopped.
func TestBrokenUserDataRepaired(t *testing.T) {
	h := newBooting(t, "no TOML")
	h.Boot()
	h.wantBoot(api.BootFailed, false)
	h.Write(userData, goodData)
	h.Must("systemctl", "restart", "sundog.service")
	h.Must("systemctl", "start", multiUser)
	h.wantBoot(api.BootDone, true)
	h.wantFile("/etc/motd", "from user data")
}

func TestHangingGenerator(t *testing.T) {
	h := newBooting(t, goodData)
	h.Write("/etc/test.hang", "")
	h.shortDeadline()
	h.Boot()
	b := h.wantBoot(api.BootDegraded, true)
	status := h.Must("apiclient", "status")
	if !strings.Contains(status, "settings.network.hostname") || !strings.Contains(status, "Timed-out") {
		t.Errorf("apiclient status does not name the generator:\n%s", status)
	}
	for _, s := range b.Phases[2].Settings {
		if s.Key == "settings.network.hostname" && s.Stderr != "asking the network for a name" {
			t.Errorf("got %+v, want what the generator said", s)
		}
	}
	h.wantFile("/etc/motd", "from user data")
	h.Must("rm", "/etc/test.hang")
	h.completes()
	h.wantFile("/etc/network/hostname.env", "HOSTNAME=generated-name")
}

// shortDeadline gives the variant's generators two seconds.
func (h host) shortDeadline() {
	h.t.Helper()
	const file = "/usr/share/hostler/variants/metal-dev.toml"
	h.Write(file, h.Read(file)+"\n[generators]\ntimeout = \"2s\"\n")
}

func TestBrokenTemplate(t *testing.T) {
	h := newBooting(t, goodData)
	const file = "/usr/share/templates/motd"
	good := h.Read(file)
	h.Write(file, "[required-extensions]\nmotd = \"v1\"\n+++\n{{ settings.motd.missing }}\n")
	h.Boot()
	h.wantBoot(api.BootDegraded, true)
	h.wantFile("/etc/chrony.conf", "192.0.2.7")
	if status := h.Must("apiclient", "status"); !strings.Contains(status, "motd") {
		t.Errorf("apiclient status does not name the file:\n%s", status)
	}
	h.Write(file, good)
	h.completes()
	h.wantFile("/etc/motd", "from user data")
}

// A disk that takes nothing any more when user data is to be committed: the room
// that the datastore keeps suffices for a boot, not for a large change.
func TestFullDiskAtBoot(t *testing.T) {
	h := newBooting(t, goodData)
	h.Write("/etc/systemd/system/var-lib-hostler.mount", "[Unit]\nBefore=apiserver.service\n[Mount]\nWhat=tmpfs\nWhere=/var/lib/hostler\nType=tmpfs\nOptions=size=8m,mode=0700\n[Install]\nWantedBy=local-fs.target\n")
	h.Enable("var-lib-hostler.mount")
	h.sundog("ExecStartPre=/bin/sh -c 'dd if=/dev/zero of=/var/lib/hostler/fill bs=64k 2>/dev/null; dd if=/dev/zero of=/var/lib/hostler/rest bs=1 2>/dev/null; true'")
	h.Boot()
	h.wantBoot(api.BootDone, true)
	h.wantFile("/etc/motd", "from user data")
	h.Write("/etc/large.toml", "[settings]\nmotd = \""+strings.Repeat("x", 3<<19)+"\"\n")
	if r := h.Run("apiclient", "apply", "file:///etc/large.toml"); r.Code == 0 || !strings.Contains(r.Stderr, "no space is left on the disk that has the settings") {
		t.Errorf("a change on a full disk: %v\n%s", r, r.Stderr)
	}
	h.sundog()
	h.completes() // this disk forgets at a reboot, so user data is loaded anew
	h.wantFile("/etc/motd", "from user data")
}

// The programs are killed in every phase: at these times, in milliseconds,
// since the boot programs began. Generators and a restart command take 0.4 s
// each here, so that every phase is met.
var killTimes = []int{5, 15, 30, 60, 200, 400, 600, 800}

func TestKillSundog(t *testing.T) {
	h := newBooting(t, goodData)
	h.Write("/etc/test.slow", "0.4")
	met := map[string]bool{}
	for i, ms := range killTimes {
		h.sundog("ExecStart=", fmt.Sprintf("ExecStart=/bin/sh -c '/usr/bin/sundog & p=$!; sleep 0.%03d; kill -9 $p; wait $p'", ms))
		h.bootAnew(i == 0)
		h.wantUnit("apiserver.service", "ActiveState", "active")
		if h.Unit("sundog.service", "Result") == "success" {
			continue // it was over by then
		}
		h.wantUnit(multiUser, "ActiveState", "inactive")
		h.wantUnit("unconfigured.target", "ActiveState", "active")
		if h.Run("apiclient", "status", "--boot", "last").Code != 0 {
			continue // it was killed before it could begin a report
		}
		h.wantReachable()
		if b := h.report(); b.State == api.BootInterrupted && len(b.Phases) > 0 {
			met[b.Phases[len(b.Phases)-1].Name] = true
		}
	}
	if !met[api.PhaseGenerators] || !met[api.PhaseApply] {
		t.Errorf("it was killed in the phases %v only", met)
	}
	h.sundog()
	h.completes()
	h.wantFile("/etc/motd", "from user data")
	h.wantFile("/etc/network/hostname.env", "HOSTNAME=generated-name")
}

// bootAnew boots a host for the first time, or as if it were that.
func (h host) bootAnew(first bool) {
	h.t.Helper()
	if first {
		h.Boot()
		return
	}
	h.Must("rm", "-f", loadedMark)
	h.Reboot()
}

// apiserver dies while sundog works: sundog waits for its next life and goes on.
func TestKillServerAtBoot(t *testing.T) {
	h := newBooting(t, goodData)
	h.Write("/etc/test.slow", "0.4")
	for i, ms := range killTimes {
		h.sundog(fmt.Sprintf("ExecStartPre=/bin/sh -c '(sleep 0.%03d; kill -9 $(systemctl show -P MainPID apiserver.service)) >/dev/null 2>&1 &'", ms))
		h.bootAnew(i == 0)
		h.wantBoot(api.BootDone, true)
		h.wantFile("/etc/motd", "from user data")
	}
	h.sundog()
	h.completes()
}

// The power goes in the middle of a boot; the next one completes.
func TestPowerCutAtBoot(t *testing.T) {
	h := newBooting(t, goodData)
	h.Write("/etc/test.slow", "30")
	h.PowerOn()
	h.Eventually("generators running", func() bool { return h.Run("pgrep", "-f", "netdog generate-hostname").Code == 0 })
	h.Cut()
	h.Write("/etc/test.slow", "0")
	h.Boot()
	h.wantBoot(api.BootDone, true)
	h.wantFile("/etc/motd", "from user data")
	h.wantFile("/etc/network/hostname.env", "HOSTNAME=generated-name")
}
