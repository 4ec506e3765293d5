package updater

import (
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/calendar"
)

// noon is when the tests ask: on a Saturday.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(state api.UpdateState, chosen, staged string) View {
	v := View{Status: api.UpdateStatus{State: state}}
	v.Offer = &api.UpdateOffer{Now: noon.Add(-10 * time.Minute)}
	if chosen != "" {
		v.Status.Chosen = &api.UpdateImage{Version: chosen}
	}
	if staged != "" {
		v.Status.Staging = &api.UpdatePartition{Image: &api.UpdateImage{Version: staged}}
	}
	return v
}

func failing(v View, command, version string, times int, ago time.Duration) View {
	v.Failing = map[string]Failing{command: {times, version, noon.Add(-ago)}}
	return v
}

func waiting(v View, version string, due time.Time) View {
	v.Offer.Releases = []api.UpdateRelease{{
		Version: version, Reasons: []api.UpdateReason{{Code: "wave"}}, Wave: &api.UpdateWave{Due: &due},
	}}
	return v
}

// refusing is a view of a release of which the rehearsal failed.
func refusing(v View, forced bool) View {
	v.Attempt = &api.UpdateAttempt{Forced: forced, Rehearsal: &api.Migration{State: api.MigrationFailed, Error: &api.Error{Message: "no such value"}}}
	return v
}

// changed is a view of settings that are not those of the rehearsal any more.
func changed(v View) View {
	v.OutOfDate = true
	return v
}

func noWay(v View) View {
	v.Offer.Releases = []api.UpdateRelease{{Version: "2", Chosen: true, NoWay: "the chain ends at 1"}}
	return v
}

func TestNext(t *testing.T) {
	old := at(api.UpdateIdle, "", "")
	old.Offer.Now = noon.Add(-time.Hour)
	never := View{}
	ahead := at(api.UpdateIdle, "", "")
	ahead.Offer.Now = noon.AddDate(10, 0, 0)
	over := at(api.UpdateIdle, "", "")
	over.Offer.Chosen = new("2")
	aheadReady := at(api.UpdateReady, "", "2")
	aheadReady.Offer.Now = ahead.Offer.Now
	busy := &api.UpdateWork{Command: "prepare"}
	for _, test := range []struct {
		name    string
		mode    string
		window  string
		view    View
		running *api.UpdateWork
		action  string
		in      time.Duration
		why     string
	}{
		{"off", "off", "", at("Available", "2", ""), nil, "", 0, "nothing happens by itself: updates.automatic.mode is off"},
		{"no setting", "", "", at("Available", "2", ""), nil, "", 0, "nothing happens by itself: updates.automatic.mode is off"},
		{"under way", "reboot", "", at("Available", "2", ""), busy, "", 0, "prepare is under way"},
		{"a command that ends", "reboot", "", at("Available", "2", ""), &api.UpdateWork{}, "", 0, "an update command is under way"},
		{"never looked", "prepare", "", never, nil, "refresh", 0, "it is time to look for updates"},
		{"looked an hour ago", "prepare", "", old, nil, "refresh", 0, "it is time to look for updates"},
		{"what was chosen has booted, or failed to", "prepare", "", over, nil, "refresh", 0, "it is time to look for updates"},
		{"looked when the clock was ahead", "prepare", "", ahead, nil, "refresh", 0, "it is time to look for updates"},
		{"ready, looked when the clock was ahead", "prepare", "", aheadReady, nil, "refresh", 50 * time.Minute, "2 is in the spare slot, but no longer offered"},
		{
			"failed when the clock was ahead", "prepare", "", failing(at("Available", "2", ""), "prepare", "2", 1, -1000*time.Hour), nil, "prepare", time.Hour,
			"2 is offered; prepare has failed once, so it is not tried before that",
		},
		{"a record of nonsense", "prepare", "", failing(at("Available", "2", ""), "prepare", "2", -1, 0), nil, "prepare", 0, "2 is offered"},
		{"nothing offered", "prepare", "", at("Idle", "", ""), nil, "refresh", 40 * time.Minute, "nothing is offered"},
		{
			"a wave", "prepare", "", waiting(at("Idle", "", ""), "2", noon.Add(5*time.Hour)), nil, "refresh", 5 * time.Hour,
			"2 is not this host's turn before 2026-11-21 17:00:00 UTC",
		},
		{"offered", "prepare", "", at("Available", "2", ""), nil, "prepare", 0, "2 is offered"},
		{"a newer one than is staged", "activate", "", at("Staged", "3", "2"), nil, "prepare", 0, "3 is offered"},
		{"staged, and no further", "prepare", "", at("Staged", "2", "2"), nil, "", 0, "2 is in the spare slot; updates.automatic.mode is prepare, so the rest is up to somebody else"},
		{"staged", "activate", "", at("Staged", "2", "2"), nil, "activate", 0, "2 is in the spare slot"},
		{"staged, window closed", "activate", "Sun 03:00", at("Staged", "2", "2"), nil, "activate", 15 * time.Hour, "2 is in the spare slot; the window is not open before that"},
		{"staged, window open", "activate", "11:30", at("Staged", "2", "2"), nil, "activate", 0, "2 is in the spare slot; the window is open"},
		{
			"settings that do not pass", "reboot", "", refusing(at("Staged", "2", "2"), false), nil, "refresh", 40 * time.Minute,
			"2 is in the spare slot, but the settings of this host do not pass its migration: no such value; mend them, or 'apiclient update apply --force'",
		},
		{"settings that do not pass, forced", "activate", "", refusing(at("Staged", "2", "2"), true), nil, "activate", 0, "2 is in the spare slot"},
		{"settings that did not pass and were changed since", "activate", "", changed(refusing(at("Staged", "2", "2"), false)), nil, "activate", 0, "2 is in the spare slot"},
		{"settings that do not pass, and a newer one", "reboot", "", refusing(at("Staged", "3", "2"), false), nil, "prepare", 0, "3 is offered"},
		{"no way there", "prepare", "", noWay(at("Available", "2", "")), nil, "refresh", 40 * time.Minute, "2 is offered, but cannot be applied: the chain ends at 1"},
		{"withdrawn", "reboot", "", at("Staged", "", "2"), nil, "refresh", 40 * time.Minute, "2 is in the spare slot, but no longer offered"},
		{"ready, and no further", "activate", "", at("Ready", "2", "2"), nil, "", 0, "2 boots next; updates.automatic.mode is activate, so the rest is up to somebody else"},
		{"ready", "reboot", "", at("Ready", "2", "2"), nil, "reboot", 0, "2 boots next"},
		{"ready, window closed", "reboot", "13:00", at("Ready", "2", "2"), nil, "reboot", time.Hour, "2 boots next; the window is not open before that"},
		{"a window of the past", "reboot", "2020-01-01", at("Ready", "2", "2"), nil, "", 0, "2 boots next; but updates.automatic.window never opens again"},
		{
			"failed once", "prepare", "", failing(at("Available", "2", ""), "prepare", "2", 1, 10*time.Minute), nil, "prepare", 50 * time.Minute,
			"2 is offered; prepare has failed once, so it is not tried before that",
		},
		{
			"failed four times", "prepare", "", failing(at("Available", "2", ""), "prepare", "2", 4, time.Hour), nil, "prepare", 7 * time.Hour,
			"2 is offered; prepare has failed 4 times in a row, so it is not tried before that",
		},
		{
			"failed for ever", "prepare", "", failing(at("Available", "2", ""), "prepare", "2", 1000, 0), nil, "prepare", 24 * time.Hour,
			"2 is offered; prepare has failed 1000 times in a row, so it is not tried before that",
		},
		{
			"rebooted for it, in vain", "reboot", "", failing(at("Ready", "2", "2"), "reboot", "2", 2, time.Hour), nil, "reboot", time.Hour,
			"2 boots next; the host was rebooted for it 2 times in a row, so it is not tried before that",
		},
		{
			"failed, and the window closes meanwhile", "activate", "11:30", failing(at("Staged", "2", "2"), "activate", "2", 1, 10*time.Minute), nil, "activate", 23*time.Hour + 30*time.Minute,
			"2 is in the spare slot; the window is open; activate has failed once, so it is not tried before that",
		},
		{
			"failed, and the window does not open again", "activate", "2026-11-21 11:30", failing(at("Staged", "2", "2"), "activate", "2", 1, 10*time.Minute), nil, "", 0,
			"2 is in the spare slot; the window is open; activate has failed once, and updates.automatic.window does not open again when it could be tried",
		},
		{"another one failed", "prepare", "", failing(at("Available", "3", ""), "prepare", "2", 4, time.Hour), nil, "prepare", 0, "3 is offered"},
		{"failed long ago", "prepare", "", failing(at("Available", "2", ""), "prepare", "2", 1, 2*time.Hour), nil, "prepare", 0, "2 is offered"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := Automatic{Mode: test.mode}
			if test.window != "" {
				e, err := calendar.Parse(test.window)
				if err != nil {
					t.Fatal(err)
				}
				a.Window = &calendar.Window{Event: e, Length: time.Hour}
			}
			n := a.Next(test.view, test.running, noon)
			if n.Action != test.action || n.Why != test.why || n.Action != "" && !n.At.Equal(noon.Add(test.in)) {
				t.Errorf("%s in %v: %s", n.Action, n.At.Sub(noon), n.Why)
			}
		})
	}
}

// A deactivate is told for a minute, then the command before it.
func TestDeactivateIsTold(t *testing.T) {
	var r Record
	end := func(command string, ago time.Duration) {
		r.ended(api.UpdateCommand{Type: command, Status: api.UpdateSuccess, Timestamp: api.Timestamp(noon.Add(-ago))})
	}
	end("deactivate", time.Hour)
	if got := r.shown(noon).Type; got != "deactivate" {
		t.Errorf("without another command %s is told", got)
	}
	end("activate", 3*time.Minute)
	end("deactivate", 59*time.Second)
	if got := r.shown(noon).Type; got != "deactivate" {
		t.Errorf("after 59 s %s is told", got)
	}
	if got := r.shown(noon.Add(time.Second)).Type; got != "activate" {
		t.Errorf("after a minute %s is told", got)
	}
}

func TestFailuresAreCounted(t *testing.T) {
	r := Record{Chosen: &api.UpdateImage{Version: "2"}}
	end := func(command, status string) {
		r.ended(api.UpdateCommand{Type: command, Status: status, Timestamp: api.Timestamp(noon)})
	}
	end("prepare", api.UpdateFailed)
	end("refresh", api.UpdateSuccess)
	end("prepare", api.UpdateFailed)
	if f := r.Failing["prepare"]; f.Times != 2 || f.Version != "2" || !f.Last.Equal(noon) {
		t.Errorf("%+v", f)
	}
	r.Chosen = &api.UpdateImage{Version: "3"}
	end("prepare", api.UpdateFailed)
	if f := r.Failing["prepare"]; f.Times != 1 || f.Version != "3" {
		t.Errorf("%+v", f)
	}
	end("activate", api.UpdateFailed) // of what was spoilt, and is now written anew
	end("prepare", api.UpdateSuccess)
	if len(r.Failing) != 0 {
		t.Errorf("%+v", r.Failing)
	}
}
