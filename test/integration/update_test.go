//go:build integration

package integration_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/calendar"
	"github.com/hostler-os/hostler/test/integration/machine"
)

// release is what the hosts of these tests run: the repository offers them 1.21.0.
const release = "VARIANT_ID=aws-k8s-1.30\nVERSION_ID=1.20.0\nBUILD_ID=test\nPRETTY_NAME=Test\n"

// newUpdatedHost boots a host with a repository in its own files.
func newUpdatedHost(t testing.TB, units ...string) host {
	t.Helper()
	h := host{machine.New(t, installed, "testdata/host"), t}
	h.options()
	if out, err := exec.Command("cp", "-r", "../../internal/tufrepo/testdata/reference", h.Path("/repo")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h.Write("/usr/lib/os-release", release)
	h.Enable(append([]string{"apiserver.socket", "apiserver.service"}, units...)...)
	h.Boot()
	h.Must("install", "-D", "/repo/root.json", "/usr/share/updog/root.json")
	h.set(0, "updates.metadata-base-url=file:///repo/metadata/", "updates.targets-base-url=file:///repo/targets/",
		"updates.seed=7", "updates.ignore-waves=true")
	return h
}

// sleeper is a shell's last command: it notes its process, and sleeps.
const sleeper = "echo $$ > /run/sleeper; exec sleep infinity"

func (h host) updates() api.Updates {
	h.t.Helper()
	var u api.Updates
	h.query("/updates", &u)
	return u
}

// The timer starts what is due. These machines have no slots, so a prepare
// fails, and is put off.
func TestUpdateTimer(t *testing.T) {
	h := newUpdatedHost(t)
	if u := h.updates(); u.Next.Action != "" || u.Status != nil {
		t.Errorf("without a mode: %+v", u)
	}
	h.Write("/etc/systemd/system/hostler-update.timer.d/test.conf", "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/2\nRandomizedDelaySec=0\nAccuracySec=100ms\n")
	h.Must("systemctl", "daemon-reload")
	h.Must("systemctl", "start", "hostler-update.timer")
	h.set(0, "updates.automatic.mode=prepare")
	var u api.Updates
	h.Eventually("a prepare by itself", func() bool {
		u = h.updates()
		return u.Last != nil && u.Last.Type == api.UpdatePrepare && u.Running == nil
	})
	if u.Last.Status != api.UpdateFailed || u.Status.Chosen == nil || u.Status.Chosen.Version != "1.21.0" || u.Problem == "" {
		t.Errorf("%+v", u)
	}
	if wait := time.Until(u.Next.At); u.Next.Action != api.UpdatePrepare || wait < 50*time.Minute || !strings.Contains(u.Next.Why, "has failed once") {
		t.Errorf("next %+v, in %s", u.Next, wait)
	}
}

// The setting of the window becomes a timer's.
func TestUpdateWindow(t *testing.T) {
	h := newUpdatedHost(t, "hostler-update-window.timer")
	if got := h.Unit("hostler-update-window.timer", "TimersCalendar"); !strings.Contains(got, "OnCalendar=*-*-* 00:00:00") {
		t.Errorf("without a window: %s", got)
	}
	h.set(0, "updates.automatic.mode=reboot", "updates.automatic.window.start=Sat,Sun 02:00", "updates.automatic.window.length=2h")
	h.Eventually("the window in the timer", func() bool {
		return strings.Contains(h.Unit("hostler-update-window.timer", "TimersCalendar"), "OnCalendar=Sat,Sun *-*-* 02:00:00")
	})
	h.wantUnit("hostler-update-window.timer", "ActiveState", "active")
}

// The work leaves the service that asked for it, so a restart does not end it.
func TestUpdateOutlivesTheServer(t *testing.T) {
	h := newUpdatedHost(t)
	h.Start("sh", "-c", "exec 9>/run/hostler/metadata.lock; flock 9; "+sleeper) // what a refresh waits for
	h.Eventually("the lock", func() bool { return h.Read("/run/sleeper") != "" })
	h.Must("apiclient", "raw", "-m", "POST", "-u", "/actions/refresh-updates")
	h.Eventually("a scope of its own", func() bool {
		return strings.Contains(h.Run("systemctl", "list-units", "--plain", "hostler-update-*.scope").Stdout, ".scope")
	})
	h.Must("systemctl", "restart", "apiserver.service")
	if r := h.Run("apiclient", "raw", "-u", "/updates/status"); r.Code != 1 || !strings.Contains(r.Stderr, "Status 423") {
		t.Errorf("after the restart: %v", r)
	}
	h.Must("kill", strings.TrimSpace(h.Read("/run/sleeper")))
	h.Eventually("its end", func() bool { return h.Run("apiclient", "raw", "-u", "/updates/status").Code == 0 })
	if u := h.updates(); u.Status.State != api.UpdateAvailable || u.Last.Status != api.UpdateSuccess {
		t.Errorf("%+v, %+v", u.Status, u.Last)
	}
}

// On a disk that is full nothing can be looked for, and whoever asks is told why and what to do.
func TestUpdateOnAFullDisk(t *testing.T) {
	h := newUpdatedHost(t)
	h.Must("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/var/lib/hostler")
	const fill = "dd if=/dev/zero of=/var/lib/hostler/fill bs=4k 2>/dev/null; true"
	h.Must("sh", "-c", fill)
	check := func() machine.Result { return h.Run("apiclient", "update", "check") }
	const want = "no space left on device\n"
	if r := check(); r.Code != 1 || !strings.Contains(r.Stderr, want) || !strings.Contains(r.Stderr, "\nhint: free some space") {
		t.Errorf("on a full disk: %v", r)
	}
	if r := h.Run("updog", "check-update"); r.Code != 1 || !strings.Contains(r.Stderr, want) || !strings.Contains(r.Stderr, "\nhint: free some space") {
		t.Errorf("on a full disk: %v", r)
	}
	if u := h.updates(); u.Last == nil || u.Last.Status != api.UpdateFailed || u.Status.State != api.UpdateIdle {
		t.Errorf("%+v", u)
	}
	h.Must("rm", "/var/lib/hostler/fill")
	if r := check(); r.Code != 0 {
		t.Errorf("with space again: %v", r)
	}
}

func TestRebootThatIsInhibited(t *testing.T) {
	h := newUpdatedHost(t)
	h.Must("systemctl", "unmask", "systemd-logind.service")
	h.Must("systemctl", "start", "systemd-logind.service")
	h.Start("systemd-inhibit", "--what=shutdown", "--who=backup", "--why=tapes are turning", "--mode=block", "sh", "-c", sleeper)
	h.Eventually("the inhibitor", func() bool {
		return h.Read("/run/sleeper") != "" && strings.Contains(h.Run("systemd-inhibit", "--list").Stdout, "backup")
	})

	r := h.Run("apiclient", "reboot")
	named := regexp.MustCompile(`^Failed to reboot: the reboot is held back by backup, process \d+ of user 0 \(inhibitor\): tapes are turning\nhint: `)
	if r.Code != 1 || !named.MatchString(r.Stderr) {
		t.Errorf("apiclient reboot: %v", r)
	}
	r = h.Run("apiclient", "raw", "-m", "POST", "-u", "/actions/reboot")
	if want := "Failed POST request to '/actions/reboot': Status 500 when POSTing /actions/reboot: Failed to reboot, exit code: 1, stderr: "; r.Code != 1 || !strings.HasPrefix(r.Stderr, want) {
		t.Errorf("as the reference's clients ask: %v, want %s", r, want)
	}
	if holds := h.updates().Holds; len(holds) != 1 || holds[0].Kind != "inhibitor" {
		t.Errorf("holds %+v", holds)
	}
	h.Must("kill", strings.TrimSpace(h.Read("/run/sleeper")))
	h.Eventually("its end", func() bool { return len(h.updates().Holds) == 0 })
	h.Run("apiclient", "reboot") // the answer may be lost
	h.AwaitOff()
}

// systemd-analyze is the judge of what package calendar finds.
func TestCalendarAsSystemd(t *testing.T) {
	base := time.Date(2026, 11, 21, 11, 33, 8, 0, time.UTC)
	for _, text := range []string{
		"minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "semiannually", "yearly", "annually",
		"Sat", "Sat,Sun 02:00", "saturday 12:00", "Mon..Fri 04:30:15", "Fri..Sun *-*-* 11:33:09", "11:33:08", "*:0/15", "8..18/4:00",
		"Sat *-*-1..7 18:00:00", "*-*~1", "*-02~03", "Mon *-05~07/1", "02-29", "Mon 02-29", "27-01-02 03:04", "2020-01-01",
		"2026,2028-*-* 23:59:59", "03:00 UTC", "Wed..Fri,Sun 1,2,5..7:7/13:20..40/7", "*-1/3-1,15 0/6:00", "Thu *-11-22..28 06:00", "*-*-31", "2030..2040/5-06-15 12:30",
	} {
		e, err := calendar.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := "never"
		if next, ok := e.Next(base); ok {
			got = next.Format("2006-01-02 15:04:05")
		}
		c := exec.Command("systemd-analyze", "calendar", "--base-time=2026-11-21 11:33:08 UTC", text)
		c.Env = []string{"TZ=UTC", "LC_ALL=C", "PATH=/usr/bin:/bin"}
		out, err := c.CombinedOutput()
		if want := nextElapse(string(out)); err != nil || got != want {
			t.Errorf("%s: %s, systemd says %s (%v)", text, got, want, err)
		}
	}
	for _, text := range []string{"", "x", "25:00", "Sat..Mon", "*-13-01", "*-*-0", "10..5:00", "1:2:3:4", "*:*/0"} {
		_, err := calendar.Parse(text)
		theirs := exec.Command("systemd-analyze", "calendar", text).Run()
		if (err == nil) != (theirs == nil) {
			t.Errorf("%q: %v, systemd: %v", text, err, theirs)
		}
	}
}

// nextElapse finds a time in what systemd-analyze prints.
func nextElapse(text string) string {
	m := regexp.MustCompile(`Next elapse: (?:never|\w+ (\S+ \S+) UTC)`).FindStringSubmatch(text)
	switch {
	case m == nil:
		return fmt.Sprintf("neither a time nor never: %s", text)
	case m[1] == "":
		return "never"
	}
	return m[1]
}
