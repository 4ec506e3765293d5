//go:build vm

package vm_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update"
	"github.com/hostler-os/hostler/test/vm/machine"
)

// tools are what images are built with, and run.
var tools = []string{
	"qemu-system-x86_64", "mmdebstrap", "depmod", "modprobe", "cpio", "zstd", "lz4", "veritysetup", "mkfs.ext4", "resize2fs", "sfdisk", "systemctl",
}

func TestMain(m *testing.M) {
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(os.Stderr, "make vm: %v; HACKING.md lists the packages\n", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

const userData = `[settings]
motd = "from user data"
[settings.updates]
metadata-base-url = "file:///repository/1/metadata"
targets-base-url = "file:///repository/targets"
seed = 7
ignore-waves = true
`

// host is the machine with Hostler on it.
type host struct {
	*machine.Machine
	t     testing.TB
	began time.Time
}

// TestLife is what happens to one machine: it boots for the first time; it is
// offered three bad releases, while its power is cut, and comes back from each;
// then it gets a good one.
func TestLife(t *testing.T) {
	h := host{t: t, began: time.Now()}
	f := newFactory(t)
	disk := f.disk(f.make(first), userData)
	h.Machine = machine.New(t, machine.Config{
		Kernel: f.path("firmware/vmlinuz"), Initrd: f.path("firmware/initrd"), Parameters: parameters,
		Disk: disk, Data: f.publish(),
	})
	t.Cleanup(h.journal)
	for _, step := range []struct {
		name string
		run  func(host)
	}{
		{"first boot", host.firstBoot},
		{"power cut while a slot is written", host.cutWhileWriting},
		{"release that is not well", host.sick},
		{"power cut while flags are written, and a release whose kernel panics", host.panics},
		{"release whose root is damaged", host.damaged},
		{"good release, with a kernel of its own", host.good},
	} {
		t.Logf("%4.0f s: %s", time.Since(h.began).Seconds(), step.name)
		step.run(h)
		if t.Failed() {
			return
		}
	}
	t.Logf("%4.0f s: done", time.Since(h.began).Seconds())
}

// journal tells what the machine wrote down in its last boot, of a test that failed.
func (h host) journal() {
	if h.t.Failed() && h.Boot() != "" {
		answer := h.Start("journalctl", "--no-pager", "-b", "-o", "short-precise", "--lines=300")
		select {
		case a := <-answer:
			h.t.Logf("journal:\n%s", a.Stdout)
		case <-time.After(time.Minute):
			h.t.Log("the machine does not tell its journal")
		}
	}
}

// runs waits until this version runs from this slot, in another boot than the
// one named, and that boot is good.
func (h host) runs(version string, in slot.Name, but string) {
	h.t.Helper()
	h.Eventually(fmt.Sprintf("%s from slot %s, marked as good", version, in), func() bool {
		if h.Boot() == but {
			return false
		}
		a, ok := h.Run("sh", "-c", `. /usr/lib/os-release && echo "$VERSION_ID $(systemctl is-active mark-successful-boot.service)"`)
		return ok && strings.TrimSpace(a.Stdout) == version+" active"
	})
	if s := h.flags(); s.Active != in.String() || !s.Sets[in].Successful {
		h.t.Errorf("the flags are %+v", s)
	}
}

func (h host) flags() slot.Status {
	h.t.Helper()
	var s slot.Status
	if text := h.Must("signpost", "status", "-o", "json"); json.Unmarshal([]byte(text), &s) != nil || len(s.Sets) != 2 {
		h.t.Fatalf("signpost status: %s", text)
	}
	return s
}

// offer makes the host see the first n releases.
func (h host) offer(n int) {
	h.t.Helper()
	h.Must("apiclient", "set", fmt.Sprintf("updates.metadata-base-url=file:///repository/%d/metadata", n))
}

// last is the newest attempt that got as far as the slot.
func (h host) last() update.Attempt {
	h.t.Helper()
	var list []update.Attempt
	if text := h.Must("updog", "history", "--json"); json.Unmarshal([]byte(text), &list) != nil || len(list) == 0 {
		h.t.Fatalf("updog history: %s", text)
	}
	return list[0]
}

// reboot reboots the host in good order, into whatever, and returns which boot that ended.
func (h host) reboot() string {
	h.t.Helper()
	boot := h.Boot()
	h.Start("systemctl", "reboot")
	return boot
}

// comesBack waits until, some time after this boot, the first version runs again,
// and expects that the other one is known to have failed and is not offered any
// more, unless by name.
func (h host) comesBack(boot, version, blame string) {
	h.t.Helper()
	h.runs(first.version, slot.A, boot)
	if last := h.last(); last.State != update.BootFailed || last.Version != version {
		h.t.Errorf("the last attempt is %+v", last)
	}
	if last := h.last(); !strings.Contains(last.Error, blame) {
		h.t.Errorf("%q is not blamed: %+v", blame, last)
	}
	if a, _ := h.Run("updog", "check-update"); a.Code != 1 || !strings.Contains(a.Stderr, "it did not boot from slot B") {
		h.t.Errorf("%s is offered again: %+v", version, a)
	}
	if got := h.Must("apiclient", "status"); !strings.Contains(got, "the update to "+version+" did not boot well") {
		h.t.Errorf("apiclient status does not tell of it:\n%s", got)
	}
	if got := h.Must("updog", "check-update", "--image", version); got != variant+" "+version {
		h.t.Errorf("asked for by name, %s is not offered: %s", version, got)
	}
}

func (h host) firstBoot() {
	h.PowerOn()
	h.runs(first.version, slot.A, "")
	if got := h.Must("cat", "/etc/motd"); got != "from user data" {
		h.t.Errorf("the message of the day is %q", got)
	}
	// The active set was found through the device that proves the root.
	if got := h.Must("findmnt", "--noheadings", "--output", "SOURCE,FSTYPE", "/"); !strings.HasPrefix(got, "/dev/dm-0") {
		h.t.Errorf("the root is %s", got)
	}
	if s := h.flags(); s.Disk != "/dev/vda" || s.Sets[slot.A].Root != "/dev/vda4" || !s.EverGood {
		h.t.Errorf("the flags are %+v", s)
	}
	if a, _ := h.Run("touch", "/usr/written"); a.Code == 0 {
		h.t.Error("the root can be written")
	}
}

func (h host) cutWhileWriting() {
	ended := h.Start("updog", "update-image")
	h.Eventually("writing of the root", func() bool {
		select {
		case a := <-ended:
			h.t.Fatalf("it ended before its power was cut: %+v", a)
		default:
		}
		a, _ := h.Run("cat", "/var/lib/hostler/updates.json")
		return strings.Contains(a.Stdout, `"write root"`)
	})
	boot := h.Boot()
	h.Cut()
	h.PowerOn()
	h.runs(first.version, slot.A, boot)
	if last := h.last(); last.State != update.Interrupted {
		h.t.Errorf("the attempt is %+v", last)
	}
}

func (h host) sick() {
	h.Must("updog", "update")
	h.comesBack(h.reboot(), "2.0.0", "90-sick")
	if got := h.Must("hostler", "health", "history"); !strings.Contains(got, "the new version does not like this machine") {
		h.t.Errorf("the reports do not say what the check printed:\n%s", got)
	}
}

// Whichever flags are on the disk when the power goes, it boots; from slot B it
// comes back, and otherwise the next attempt succeeds.
func (h host) panics() {
	h.offer(2)
	h.Must("updog", "update-image")
	h.Must("sync")
	boot := h.Boot()
	h.Start("updog", "update-apply")
	h.Cut()
	h.PowerOn()
	h.runs(first.version, slot.A, boot)
	boot = ""
	if h.last().State != update.BootFailed {
		h.Must("updog", "update-apply")
		boot = h.reboot()
	}
	h.comesBack(boot, "2.1.0", "")
	if !strings.Contains(h.Console(), "Kernel panic - not syncing: sysrq triggered crash") {
		h.t.Error("the kernel did not panic")
	}
}

func (h host) damaged() {
	h.offer(3)
	h.Must("updog", "update")
	h.Must("dd", "if=/dev/zero", "of="+h.flags().Sets[slot.B].Root, "bs=4096", "count=16", "conv=fsync")
	h.comesBack(h.reboot(), "2.2.0", "")
	if !strings.Contains(h.Console(), "is corrupted") {
		h.t.Error("dm-verity did not find the damage")
	}
}

func (h host) good() {
	h.offer(4)
	h.Must("apiclient", "update", "apply", "--check") // as an operator does it
	h.runs("3.0.0", slot.B, h.reboot())
	if got := h.Must("cat", "/proc/cmdline"); !strings.Contains(got, ownParameter) {
		h.t.Errorf("its own kernel was not started: %s", got)
	}
	if got := h.Must("apiclient", "raw", "-u", "/os"); !strings.Contains(got, `"3.0.0"`) {
		h.t.Errorf("the API says %s", got)
	}
	if got := h.Must("cat", "/etc/motd"); got != "from user data" {
		h.t.Errorf("the message of the day is %q", got)
	}
	if got := h.Must("apiclient", "status"); strings.Contains(got, "did not boot well") {
		h.t.Errorf("apiclient status tells of what is over:\n%s", got)
	}
	if last := h.last(); last.State != update.Booted || last.Version != "3.0.0" {
		h.t.Errorf("the attempt is %+v", last)
	}
}
