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

	"github.com/hostler-os/hostler/test/vm/machine"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update/journal"
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
seed = 7
ignore-waves = true
`

// host is the machine with Hostler on it, and who publishes its releases.
type host struct {
	*machine.Machine
	*publisher
	t     testing.TB
	began time.Time
}

// TestLife is what happens to one machine: it boots for the first time; it is
// offered three bad releases, while its power is cut, and comes back from each
// with the settings that it had; then it gets a good one, by itself, and is
// taken back from that, too.
func TestLife(t *testing.T) {
	h := host{t: t, began: time.Now()}
	f := newFactory(t)
	h.publisher = newPublisher(f)
	disk := f.disk(f.make(first), userData+h.settings())
	h.Machine = machine.New(t, machine.Config{
		Kernel: f.path("firmware/vmlinuz"), Initrd: f.path("firmware/initrd"), Parameters: parameters, Disk: disk,
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
		{"power cut between two writes of flags, and a release whose root is damaged", host.damaged},
		{"good release, with a kernel of its own: the host updates by itself", host.good},
		{"the way back", host.back},
	} {
		h.note(step.name)
		step.run(h)
		if t.Failed() {
			return
		}
	}
	h.note("done")
}

// note tells when a step begins, and how much work the machine had with those before.
func (h host) note(step string) {
	h.t.Helper()
	h.t.Logf("%4.0f s, %4.0f s of CPU: %s", time.Since(h.began).Seconds(), h.Used().Seconds(), step)
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

// last is the newest attempt that got as far as the slot.
func (h host) last() journal.Attempt {
	h.t.Helper()
	var list []journal.Attempt
	if text := h.Must("updog", "history", "--json"); json.Unmarshal([]byte(text), &list) != nil || len(list) == 0 {
		h.t.Fatalf("updog history: %s", text)
	}
	return list[0]
}

// reboot reboots the host in good order, into whatever, and returns which boot that ended.
func (h host) reboot() string {
	h.t.Helper()
	boot := h.Boot()
	h.Start("apiclient", "reboot")
	return boot
}

// greets wants a setting whose name the releases disagree about, and the file that is made of it.
func (h host) greets(settings, file string) {
	h.t.Helper()
	if got := h.Must("apiclient", "raw", "-u", "/settings?prefix=settings.greeting"); got != `{"greeting":`+settings+`}` {
		h.t.Errorf("the settings are %s, want %s", got, settings)
	}
	if got := h.Must("cat", "/etc/greeting"); got != file {
		h.t.Errorf("the host greets with %q, want %q", got, file)
	}
}

// migrated wants the last migration of the settings to have been this one.
func (h host) migrated(from, to string, way api.MigrationWay) {
	h.t.Helper()
	var s struct {
		Version string
		Reports []api.Migration
	}
	if text := h.Must("migrator", "status", "-o", "json"); json.Unmarshal([]byte(text), &s) != nil || len(s.Reports) == 0 {
		h.t.Fatalf("migrator status: %s", text)
	}
	if m := s.Reports[len(s.Reports)-1]; s.Version != to || m.From != from || m.To != to || m.Way != way || !m.OK() {
		h.t.Errorf("the settings are of %s, the last migration is %+v; want %s to %s, %s", s.Version, m, from, to, way)
	}
}

// comesBack waits until, some time after this boot, the first version runs again,
// and expects that the other one is known to have failed and is not offered any
// more, unless by name. The settings are as they were.
func (h host) comesBack(boot, version, blame string) {
	h.t.Helper()
	h.runs(first.version, slot.A, boot)
	if last := h.last(); last.State != api.AttemptBootFailed || last.Version != version {
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
	h.greets(`{"text":"good morning"}`, "good morning")
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
	h.Must("apiclient", "set", "greeting.text=good morning")
	h.greets(`{"text":"good morning"}`, "good morning")
}

func (h host) cutWhileWriting() {
	h.publish(sick)
	if got := h.Must("apiclient", "update", "check", "-o", "table"); !strings.Contains(got, "Available: 2.0.0 can be applied") ||
		!strings.Contains(got, "migrate_v2.0.0_words.lz4") {
		h.t.Errorf("apiclient update check:\n%s", got)
	}
	ended := h.Start("apiclient", "update", "apply")
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
	if last := h.last(); last.State != api.AttemptInterrupted {
		h.t.Errorf("the attempt is %+v", last)
	}
	if got := h.Must("apiclient", "update", "status"); !strings.Contains(got, "interrupted: prepare") {
		h.t.Errorf("apiclient update status:\n%s", got)
	}
}

func (h host) sick() {
	h.Must("apiclient", "update", "apply", "--check")
	if last := h.last(); last.Rehearsal == nil || last.Rehearsal.State != api.MigrationDone || last.Rehearsal.Unchecked != "" {
		h.t.Errorf("the migration was not rehearsed with the new model: %+v", last)
	}
	h.comesBack(h.reboot(), "2.0.0", "90-sick")
	// The new version had the settings in its own form.
	if got := h.Must("hostler", "health", "history"); !strings.Contains(got, "the new version does not like this machine, which says: good morning") {
		h.t.Errorf("the reports do not say what the check printed:\n%s", got)
	}
	h.migrated("2.0.0", "1.0.0", api.WayKept)
}

// Whichever flags are on the disk when the power goes, it boots; from slot B it
// comes back, and otherwise the next attempt succeeds.
func (h host) panics() {
	h.publish(panics)
	h.Must("updog", "update-image")
	h.Must("sync")
	boot := h.Boot()
	h.Start("updog", "update-apply")
	h.Cut()
	h.PowerOn()
	h.runs(first.version, slot.A, boot)
	boot = ""
	if h.last().State != api.AttemptBootFailed {
		boot = h.Boot()
		h.Start("updog", "update-apply", "--reboot")
	}
	h.comesBack(boot, "2.1.0", "")
	if !strings.Contains(h.Console(), "Kernel panic - not syncing: sysrq triggered crash") {
		h.t.Error("the kernel did not panic")
	}
}

func (h host) damaged() {
	h.publish(damaged)
	h.Must("updog", "update")
	h.Must("dd", "if=/dev/zero", "of="+h.flags().Sets[slot.B].Root, "bs=4096", "count=16", "conv=fsync")
	boot := h.Boot()
	h.Cut()
	tearUpgrade(h.t, h.Disk)
	h.PowerOn()
	h.comesBack(boot, "2.2.0", "")
	if !strings.Contains(h.Console(), "a damaged copy of the partition table of /dev/vda is repaired") {
		h.t.Error("the boot stage did not repair the partition table")
	}
	if !strings.Contains(h.Console(), "is corrupted") {
		h.t.Error("dm-verity did not find the damage")
	}
}

// Nobody drives this update: the timer does, when its window has opened.
func (h host) good() {
	h.publish(good)
	h.Must("apiclient", "set", "updates.automatic.mode=reboot", "updates.automatic.window.start=2099-01-01")
	h.Must("systemctl", "start", "hostler-update.service") // as the timer does each hour
	if got := h.Must("apiclient", "update", "status"); !strings.Contains(got, "Staged: 3.0.0 is in the spare slot") ||
		!strings.Contains(got, "activate at 2099-01-01 00:00:00 UTC") || !strings.Contains(got, "the window is not open before that") {
		h.t.Errorf("outside of the window:\n%s", got)
	}
	boot := h.Boot()
	h.Must("apiclient", "set", "updates.automatic.window.start=*:*:0/20")
	h.runs("3.0.0", slot.B, boot)
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
	if last := h.last(); last.State != api.AttemptBooted || last.Version != "3.0.0" {
		h.t.Errorf("the attempt is %+v", last)
	}
	h.migrated("1.0.0", "3.0.0", api.WayForward)
	h.greets(`{"times":1,"words":"good morning"}`, "good morning, 1 times")
}

// What is set on the new version is brought back to the old one.
func (h host) back() {
	h.Must("apiclient", "set", "greeting.words=good evening", "greeting.times=3", "updates.automatic.mode=off")
	h.greets(`{"times":3,"words":"good evening"}`, "good evening, 3 times")
	h.Must("signpost", "rollback-to-inactive")
	h.runs("1.0.0", slot.A, h.reboot())
	h.migrated("3.0.0", "1.0.0", api.WayBackward)
	h.greets(`{"text":"good evening"}`, "good evening")
	if got := h.Must("apiclient", "update", "check", "-o", "table"); !strings.Contains(got, "Available: 3.0.0 can be applied") {
		h.t.Errorf("%s", got)
	}
}
