package apiserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/tharbeupdates"
)

// change changes settings, and waits until that is applied.
func (o *operator) change(settings string) {
	o.t.Helper()
	response, err := o.http.Post("http://localhost/changes?wait=20s", "application/json", strings.NewReader(`{"settings": `+settings+`}`))
	if err != nil {
		o.t.Fatal(err)
	}
	defer response.Body.Close()
	var c api.Change
	if err := json.NewDecoder(response.Body).Decode(&c); err != nil || response.StatusCode != http.StatusOK || c.State != api.StateDone {
		o.t.Fatalf("%v: %d %+v", err, response.StatusCode, c)
	}
}

// follow lets settings, and not the test, write the files of updates.
func (o *operator) follow() {
	o.t.Helper()
	urls, err := json.Marshal(map[string]any{"updates": map[string]any{
		"metadata-base-url": o.Repo.URL + "/metadata", "targets-base-url": o.Repo.URL + "/targets", "seed": 512,
	}})
	if err != nil {
		o.t.Fatal(err)
	}
	o.change(string(urls))
}

// timer is what the timer starts.
func (o *operator) timer() {
	o.t.Helper()
	var errs bytes.Buffer
	line := []string{"thar-be-updates", "--root", string(o.Root), "automatic"}
	if code := tharbeupdates.Run(context.Background(), line, cli.Streams{Out: &errs, Err: &errs}); code != 0 {
		o.t.Fatalf("exit code %d: %s", code, &errs)
	}
}

func (o *operator) updates() api.Updates {
	o.t.Helper()
	u, err := o.server.Client.Updates(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	return *u
}

// reboots is how often the sandbox would have rebooted.
func (o *operator) reboots() int {
	text, err := os.ReadFile(o.Root.Restarts())
	if err != nil && !os.IsNotExist(err) {
		o.t.Fatal(err)
	}
	return strings.Count(string(text), "systemctl reboot")
}

func TestAutomaticUpdates(t *testing.T) {
	o := newOperator(t)
	o.Offer("1.21.0", imageSize)
	o.follow()
	expect := func(state api.UpdateState, reboots int, why string) {
		t.Helper()
		u := o.updates()
		got := api.UpdateState("")
		if u.Status != nil {
			got = u.Status.State
		}
		if got != state || o.reboots() != reboots || !strings.Contains(u.Next.Why, why) {
			t.Errorf("state %s, %d reboots, next %+v; want %s, %d, %s", got, o.reboots(), u.Next, state, reboots, why)
		}
	}
	o.timer()
	expect("", 0, "updates.automatic.mode is off")
	o.change(`{"updates": {"automatic": {"mode": "prepare"}}}`)
	o.timer()
	expect("Staged", 0, "updates.automatic.mode is prepare")
	o.change(`{"updates": {"automatic": {"mode": "reboot", "window": {"start": "2099-01-01", "length": "2h"}}}}`)
	o.timer()
	expect("Staged", 0, "the window is not open before that")
	if w := o.updates().Next.Window; w == nil || w.Opens.Year() < 2098 || w.Closes.Sub(w.Opens) != 2*time.Hour {
		t.Errorf("window %+v", w)
	}
	if code, text := o.request("POST", "/actions/reboot?mode=automatic"); code != 409 || !strings.Contains(text, "the window is not open") {
		t.Errorf("a reboot outside of the window: %d %s", code, text)
	}
	o.change(`{"updates": {"automatic": {"window": {"start": "*:*"}}}}`)
	o.timer()
	expect("Ready", 1, "the window is open")
	text, err := os.ReadFile(o.Root.Join("/etc/systemd/system/hostler-update-window.timer.d/window.conf"))
	if err != nil || !strings.HasSuffix(string(text), "[Timer]\nOnCalendar=\nOnCalendar=*:*\n") {
		t.Errorf("%v: %s", err, text)
	}
}

// A boot loader that knows nothing of flags boots the old slot again and again:
// the host must not reboot each time that the timer starts.
func TestAutomaticRebootInVain(t *testing.T) {
	o := newOperator(t)
	o.Offer("1.21.0", imageSize)
	o.follow()
	o.change(`{"updates": {"automatic": {"mode": "reboot"}}}`)
	o.timer()
	if err := os.RemoveAll(o.Root.Join("/run/cache")); err != nil { // slot A boots
		t.Fatal(err)
	}
	o.timer()
	u := o.updates()
	if u.Status.State != api.UpdateReady || o.reboots() != 1 || u.Next.Action != api.UpdateReboot || time.Until(u.Next.At) < 50*time.Minute {
		t.Errorf("state %s, %d reboots, next %+v", u.Status.State, o.reboots(), u.Next)
	}
}

// A release that failed here is not tried again, and failures are spaced out.
func TestAutomaticUpdatesThatFail(t *testing.T) {
	o := newOperator(t)
	o.Offer("1.21.0", imageSize)
	o.follow()
	o.change(`{"updates": {"automatic": {"mode": "reboot"}}}`)
	o.timer()
	if booted := o.Boot("1.20.0", "1.21.0"); booted.String() != "B" {
		t.Fatalf("slot %s booted", booted)
	}
	o.Boot("1.20.0", "1.21.0") // it did not come up
	o.do("refresh-updates")
	u := o.updates()
	if u.Status.State != api.UpdateIdle || u.Next.Action != "refresh" || u.Offer.Releases[0].Reasons[0].Code != "failed-before" {
		t.Errorf("%+v", u)
	}
	o.Offer("1.22.0", imageSize)
	o.do("refresh-updates")
	o.Lose("1.22.0", 1, imageSize)
	if s := o.do("prepare-update"); s.Command.Status != "Failed" {
		t.Fatalf("%+v", s)
	}
	u = o.updates()
	if u.Next.Action != "prepare" || time.Until(u.Next.At) < 50*time.Minute || !strings.Contains(u.Next.Why, "prepare has failed once") {
		t.Errorf("%+v", u.Next)
	}
}

// What the settings stand against is not activated by itself, and not tried.
func TestAutomaticUpdateThatSettingsDoNotPass(t *testing.T) {
	o := newOperator(t)
	o.Offer("1.21.0", imageSize)
	o.follow()
	o.change(`{"updates": {"automatic": {"mode": "prepare"}}}`)
	o.timer()
	o.change(`{"updates": {"automatic": {"mode": "reboot"}}}`)
	text, err := os.ReadFile(o.Root.Attempts())
	if err != nil {
		t.Fatal(err)
	}
	var journal struct{ Attempts []map[string]any }
	if err := json.Unmarshal(text, &journal); err != nil || len(journal.Attempts) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	journal.Attempts[0]["rehearsal"] = map[string]any{
		"rehearsal": true, "history": o.updates().History, "state": "failed", "to": "1.21.0", "error": map[string]any{"message": "no way"},
	}
	text, err = json.Marshal(map[string]any{"attempts": journal.Attempts})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.Root.Attempts(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	o.timer()
	u := o.updates()
	if want := "the settings of this host do not pass its migration: no way; mend them"; !strings.Contains(u.Next.Why, want) || u.Next.Action != "refresh" {
		t.Errorf("next %+v, want %s", u.Next, want)
	}
	if u.Status.State != api.UpdateStaged || u.Last.Type != api.UpdatePrepare || o.reboots() != 0 {
		t.Errorf("%+v, last %+v, %d reboots", u.Status, u.Last, o.reboots())
	}
}

func TestBadAutomaticSettings(t *testing.T) {
	o := newOperator(t)
	for settings, want := range map[string]string{
		`{"mode": "sometimes"}`:             "reboot",
		`{"window": {"start": "25:00"}}`:    "Invalid calendar expression '25:00'",
		`{"window": {"length": "5m"}}`:      "it is not from 15m to 168h",
		`{"window": {"start": "Sat..Mon"}}`: "a week begins on Monday",
	} {
		response, err := o.http.Post("http://localhost/changes", "application/json", strings.NewReader(`{"settings": {"updates": {"automatic": `+settings+`}}}`))
		if err != nil {
			t.Fatal(err)
		}
		var e api.Error
		if err := json.NewDecoder(response.Body).Decode(&e); err != nil || response.StatusCode != 400 || !strings.Contains(e.Message+e.Hint, want) {
			t.Errorf("%s: %v, %d %+v", settings, err, response.StatusCode, e)
		}
		response.Body.Close()
	}
}
