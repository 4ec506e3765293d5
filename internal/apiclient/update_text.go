package apiclient

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
)

// printUpdates tells people all about the updates of the host.
func printUpdates(w io.Writer, u *api.Updates, now time.Time) {
	rows := [][]string{{"state", stateText(u)}}
	add := func(name, text string) {
		if text != "" {
			rows = append(rows, []string{name, text})
		}
	}
	if u.Running != nil {
		add("under way", cli.UpdateProgress(*u.Running))
	}
	if s := u.Status; s != nil {
		add("running", partitionText(s.Active))
		add("spare slot", partitionText(s.Staging))
	}
	if c := u.Last; c != nil {
		add("last command", commandText(*c))
		for _, line := range furtherLines(*c) {
			rows = append(rows, []string{"", line})
		}
	}
	add("fell back", fellBackText(u.FellBack))
	add("next", nextText(u.Next, now))
	for _, h := range u.Holds {
		add("holds a reboot", fmt.Sprintf("%s (%s): %s", h.Who, h.Kind, h.Why))
	}
	add("problem", u.Problem)
	rehearsal := u.Rehearsal()
	add("settings", settingsText(u))
	cli.Table(w, rows)
	if rehearsal != nil {
		fmt.Fprintln(w)
		cli.PrintMigration(w, *rehearsal)
	}
	if u.Offer != nil {
		fmt.Fprintf(w, "\nAs of %s, when updates were last looked for:\n", cli.Time(u.Offer.Now))
		cli.PrintOffer(w, *u.Offer, now)
	}
}

// settingsText tells what came of the rehearsal, and of which settings it was.
func settingsText(u *api.Updates) string {
	m := u.Rehearsal()
	if m == nil {
		return ""
	}
	text := fmt.Sprintf("can be brought to %s, as was tried on a copy", m.To)
	if m.State == api.MigrationFailed {
		text = fmt.Sprintf("cannot be brought to %s, so that it is not activated unless forced", m.To)
	}
	text += fmt.Sprintf(" (as of entry %d of the history", m.History)
	switch {
	case !u.OutOfDate():
		return text + ")"
	case u.Status != nil && u.Status.State == api.UpdateReady:
		return text + fmt.Sprintf(", the newest is %d: the first boot decides)", u.History)
	}
	return text + fmt.Sprintf(", the newest is %d: activating tries again)", u.History)
}

// stateText says what a state means.
func stateText(u *api.Updates) string {
	if u.Status == nil {
		return "nobody has looked for updates yet; 'apiclient update check' does"
	}
	s := u.Status
	version := ""
	if s.Chosen != nil {
		version = s.Chosen.Version
	}
	switch s.State {
	case api.UpdateAvailable:
		if u.Offer.NoWay() != "" {
			return fmt.Sprintf("%s: %s is offered, but cannot be applied: no migrations lead there", s.State, version)
		}
		return fmt.Sprintf("%s: %s can be applied", s.State, version)
	case api.UpdateStaged:
		return fmt.Sprintf("%s: %s is in the spare slot, and does not boot yet", s.State, s.Staging.Image.Version)
	case api.UpdateReady:
		return fmt.Sprintf("%s: %s boots next", s.State, s.Staging.Image.Version)
	}
	return fmt.Sprintf("%s: nothing to apply", s.State)
}

// fellBackText tells of a release that was booted, and left again.
func fellBackText(a *api.UpdateAttempt) string {
	if a == nil {
		return ""
	}
	why := cmp.Or(a.Error, cli.Unjudged+"; the console and 'journalctl --list-boots' may tell")
	return fmt.Sprintf("from %s, which did not boot well from slot %s: %s", a.Version, a.Slot, cli.OneLine(why))
}

// nextText says what happens by itself, when, and why not sooner.
func nextText(n api.UpdateNext, now time.Time) string {
	switch {
	case n.Action == "":
		return n.Why
	case !n.At.After(now):
		return fmt.Sprintf("%s, as soon as the timer starts it: %s", n.Action, n.Why)
	}
	return fmt.Sprintf("%s at %s, in %s: %s", n.Action, cli.Time(n.At), cli.Days(n.At.Sub(now)), n.Why)
}

func partitionText(p *api.UpdatePartition) string {
	if p == nil || p.Image == nil {
		return ""
	}
	text := p.Image.Version
	if p.NextToBoot {
		text += ", boots next"
	}
	return text
}

func commandText(c api.UpdateCommand) string {
	ended := c.Timestamp
	if t, err := time.Parse(time.RFC3339Nano, c.Timestamp); err == nil {
		ended = cli.Time(t)
	}
	text := fmt.Sprintf("%s, %s, %s", c.Type, strings.ToLower(c.Status), ended)
	if c.Status == api.UpdateFailed {
		first, _, _ := strings.Cut(c.Stderr, "\n")
		text += ": " + cli.OneLine(first)
	}
	return text
}

// furtherLines are what a failed command said behind its first line, such as what to do.
func furtherLines(c api.UpdateCommand) []string {
	if c.Status != api.UpdateFailed {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(c.Stderr), "\n")[1:]
	for i := range lines {
		lines[i] = cli.OneLine(lines[i])
	}
	return lines
}
