package updater

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/calendar"
)

// Automatic is the settings of automatic updates.
type Automatic struct {
	Mode   string           // one of api.AutomaticOff and those behind it
	Window *calendar.Window // nil: any time will do
}

// Times of automatic updates.
const (
	checkEvery   = 50 * time.Minute // less than the timer's hour, so that each of its starts looks
	firstBackoff = time.Hour        // after a failure; doubled by each further one
	maxBackoff   = 24 * time.Hour
)

// steps are how far each mode goes.
var steps = map[string]int{api.AutomaticPrepare: 1, api.AutomaticActivate: 2, api.AutomaticReboot: 3}

// Next says what happens next by itself, when, and why not sooner.
func (a Automatic) Next(v View, running *api.UpdateWork, now time.Time) api.UpdateNext {
	n := api.UpdateNext{Mode: a.Mode}
	if steps[a.Mode] == 0 {
		n.Mode, n.Why = api.AutomaticOff, "nothing happens by itself: updates.automatic.mode is off"
		return n
	}
	if a.Window != nil {
		if opens, closes, ok := a.Window.At(now); ok {
			n.Window = &api.UpdateWindow{Opens: opens.UTC(), Closes: closes.UTC()}
		}
	}
	if running != nil {
		n.Why = cmp.Or(running.Command, "an update command") + " is under way" // one that just begins or ends has no name
		return n
	}
	p := planner{a, v, now}
	p.decide(&n)
	p.delay(&n)
	return n
}

// planner decides about the next step.
type planner struct {
	Automatic
	View
	now time.Time
}

// decide chooses the step, as if nothing spoke against it.
func (p planner) decide(n *api.UpdateNext) {
	s := p.Status
	switch {
	case p.stale():
		p.step(n, api.UpdateRefresh, p.now, "it is time to look for updates")
	case s.State == api.UpdateReady && s.Chosen == nil, s.State == api.UpdateStaged && s.Chosen == nil:
		p.check(n, fmt.Sprintf("%s is in the spare slot, but no longer offered", s.Staging.Image.Version))
	case s.State == api.UpdateReady:
		p.window(n, 3, api.UpdateReboot, fmt.Sprintf("%s boots next", s.Staging.Image.Version))
	case s.State == api.UpdateStaged && *s.Staging.Image == *s.Chosen && p.refused() != "":
		p.check(n, fmt.Sprintf("%s is in the spare slot, but the settings of this host do not pass its migration: %s; mend them, or 'apiclient update apply --force'",
			s.Chosen.Version, p.refused()))
	case s.State == api.UpdateStaged && *s.Staging.Image == *s.Chosen:
		p.window(n, 2, api.UpdateActivate, fmt.Sprintf("%s is in the spare slot", s.Chosen.Version))
	case p.Offer.NoWay() != "":
		p.check(n, fmt.Sprintf("%s is offered, but cannot be applied: %s", s.Chosen.Version, p.Offer.NoWay()))
	case s.State == api.UpdateStaged, s.State == api.UpdateAvailable:
		p.step(n, api.UpdatePrepare, p.now, fmt.Sprintf("%s is offered", s.Chosen.Version))
	default:
		p.check(n, "nothing is offered")
	}
}

// refused says why what is in the spare slot would not be activated: it was tried
// on a copy what its migrations make of the settings. "" if nothing is known
// against it, also if the settings were changed since: activating tries it again.
func (p planner) refused() string {
	t := p.Attempt
	if t == nil || t.Forced || t.Rehearsal == nil || t.Rehearsal.State != api.MigrationFailed || t.Rehearsal.Error == nil || p.OutOfDate {
		return ""
	}
	return t.Rehearsal.Error.Message
}

func (p planner) step(n *api.UpdateNext, action string, at time.Time, why string) {
	n.Action, n.At, n.Why = action, at.UTC(), why
}

// stale tells whether nobody has looked for updates for long, or what was chosen
// then is over: it was installed, or has failed to boot. An update that boots next
// is not looked behind: it waits for its reboot. A look in the future was taken
// when the clock was wrong, and does not count.
func (p planner) stale() bool {
	return p.Status.State != api.UpdateReady && (p.Offer == nil || p.Offer.Chosen != nil && p.Status.Chosen == nil ||
		p.now.Sub(p.Offer.Now) >= checkEvery || p.Offer.Now.Sub(p.now) > clockSkew)
}

// clockSkew is by how much a clock is set back without having been wrong.
const clockSkew = time.Minute

// since is t plus wait; a t in the future, when the clock was wrong, counts as now.
func (p planner) since(t time.Time, wait time.Duration) time.Time {
	if t.After(p.now) {
		t = p.now
	}
	return t.Add(wait)
}

// check is the next look for updates, which tells of what is due before it.
func (p planner) check(n *api.UpdateNext, why string) {
	if p.Offer == nil {
		p.step(n, api.UpdateRefresh, p.now, why)
		return
	}
	at := p.since(p.Offer.Now, checkEvery)
	if due, version := p.due(); version != "" {
		why = fmt.Sprintf("%s is not this host's turn before %s", version, api.TimeText(due.UTC()))
		if due.After(at) {
			at = due
		}
	}
	p.step(n, api.UpdateRefresh, at, why)
}

// due is the newest release that only its wave keeps back, and until when.
func (p planner) due() (time.Time, string) {
	for _, r := range p.Offer.Releases {
		if len(r.Reasons) == 1 && r.Reasons[0].Code == "wave" && r.Wave != nil && r.Wave.Due != nil {
			return *r.Wave.Due, r.Version
		}
	}
	return time.Time{}, ""
}

// window is a step that only modes take that go that far, and only within the window.
func (p planner) window(n *api.UpdateNext, far int, action, why string) {
	switch {
	case steps[p.Mode] < far:
		n.Why = fmt.Sprintf("%s; updates.automatic.mode is %s, so the rest is up to somebody else", why, p.Mode)
	case p.Window == nil:
		p.step(n, action, p.now, why)
	case n.Window == nil:
		n.Why = why + "; but updates.automatic.window never opens again"
	case n.Window.Opens.After(p.now):
		p.step(n, action, n.Window.Opens, why+"; the window is not open before that")
	default:
		p.step(n, action, p.now, why+"; the window is open")
	}
}

// delay puts off a step that has failed lately, to the next window if it needs one.
func (p planner) delay(n *api.UpdateNext) {
	f := p.Failing[n.Action]
	if f.Times <= 0 || f.Version != "" && (p.Status.Chosen == nil || f.Version != p.Status.Chosen.Version) {
		return
	}
	wait := maxBackoff
	if f.Times < 6 {
		wait = min(firstBackoff<<(f.Times-1), maxBackoff)
	}
	at := p.since(f.Last, wait)
	if !at.After(n.At) {
		return
	}
	n.Why += "; " + f.text(n.Action)
	if n.Action != api.UpdateRefresh && n.Action != api.UpdatePrepare && p.Window != nil {
		opens, _, ok := p.Window.At(at)
		if !ok {
			n.Action, n.At = "", time.Time{}
			n.Why += ", and updates.automatic.window does not open again when it could be tried"
			return
		}
		at = slices.MaxFunc([]time.Time{at, opens}, time.Time.Compare)
	}
	p.step(n, n.Action, at, n.Why+", so it is not tried before that")
}

// text tells of failures of an action. Of a reboot that led elsewhere it is only
// known that it was asked for.
func (f Failing) text(action string) string {
	how := "once"
	if f.Times > 1 {
		how = fmt.Sprintf("%d times in a row", f.Times)
	}
	if action == api.UpdateReboot {
		return "the host was rebooted for it " + how
	}
	return action + " has failed " + how
}

// NextStep is what happens next by itself on this host.
func (u *Updater) NextStep(o api.Updates, a Automatic) api.UpdateNext {
	r := u.loadOrNew()
	v := View{Record: r, Attempt: o.Attempt, OutOfDate: o.OutOfDate()}
	if o.Status != nil {
		v.Status = *o.Status
	}
	return a.Next(v, o.Running, u.Now())
}
