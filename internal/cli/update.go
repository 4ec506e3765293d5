package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// PrintOffer tells people what a repository offers a host and why, as seen from
// a time that may be later than that of the offer.
func PrintOffer(w io.Writer, o api.UpdateOffer, now time.Time) {
	fmt.Fprintf(w, "This host is %s on %s, runs %s, has seed %d and %s.\n", o.Variant, o.Arch, o.Version, o.Seed, follows(o))
	switch {
	case o.NoWay() != "":
		fmt.Fprintf(w, "It is offered %s, which cannot be applied: no migrations lead there.\n", *o.Chosen)
	case o.Chosen != nil:
		fmt.Fprintf(w, "It is offered %s.\n", *o.Chosen)
	case len(o.Releases) == 0:
		fmt.Fprintf(w, "The repository has no release for it.\n")
	default:
		fmt.Fprintf(w, "It is offered nothing now.\n")
	}
	for _, r := range o.Releases {
		printRelease(w, r, o, now)
	}
	if o.Others > 0 {
		fmt.Fprintf(w, "\nThe repository also has %d for other variants or architectures; --all shows them.\n", o.Others)
	}
}

func follows(o api.UpdateOffer) string {
	waves := ""
	if o.IgnoreWaves {
		waves = " without waiting for its turn"
	}
	if o.Lock == "latest" {
		return "follows the latest release" + waves
	}
	return "is locked to " + o.Lock + waves
}

func printRelease(w io.Writer, r api.UpdateRelease, o api.UpdateOffer, now time.Time) {
	title := r.Version
	if r.Variant != o.Variant || r.Arch != o.Arch {
		title = r.Variant + " " + r.Arch + " " + r.Version
	}
	if r.Chosen {
		title += " (offered)"
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, reason := range r.Reasons {
		fmt.Fprintf(w, "  not offered: %s\n", reason.Text)
	}
	if r.Wave != nil {
		fmt.Fprintf(w, "  wave:        %s\n", waveText(*r.Wave, now))
	}
	var total int64
	for _, i := range r.Images {
		total += i.Bytes
	}
	if r.Missing != nil && *r.Missing < total {
		fmt.Fprintf(w, "  to fetch:    %s of %s: the rest is here\n", Bytes(*r.Missing), Bytes(total))
	} else {
		fmt.Fprintf(w, "  to fetch:    %s\n", Bytes(total))
	}
	switch {
	case r.NoWay != "":
		fmt.Fprintf(w, "  migrations:  none lead there: %s\n", r.NoWay)
	case len(r.Migrations) > 0:
		fmt.Fprintf(w, "  migrations:  %s\n", strings.Join(r.Migrations, ", "))
	}
}

func waveText(w api.UpdateWave, now time.Time) string {
	place := fmt.Sprintf("%d of %d, ", w.Number, w.Of)
	if w.Due == nil {
		return place + "this host is always ready"
	}
	// Rounded up: at the second that is shown, the host is due.
	due := w.Due.Add(time.Second - 1).Truncate(time.Second)
	if w.Ready || !now.Before(due) {
		return place + "this host was due at " + Time(due)
	}
	return fmt.Sprintf("%sthis host is due at %s, in %s", place, Time(due), Days(due.Sub(now)))
}

// barWidth is how many characters the bar of a progress has.
const barWidth = 20

// UpdateProgress is a line that tells how far an update command is: a bar, how
// much is fetched of how much, how fast, and how long it will still take.
func UpdateProgress(w api.UpdateWork) string {
	what := w.Command
	if w.Version != "" {
		what += " " + w.Version
	}
	switch {
	case w.Total == 0 || w.Step == "":
		return what
	case w.Phase == "verify":
		return fmt.Sprintf("%s: %s, read back %s, %s of it changed", what, w.Step, Bytes(w.Written), Bytes(w.Differ))
	}
	here := w.Fetched
	if w.Phase == "prove" {
		here = w.Written
	}
	done := w.Before + here
	full := int(min(done*barWidth/w.Total, barWidth))
	text := fmt.Sprintf("%s [%s%s] %d%%, %s: %s of %s", what, strings.Repeat("#", full), strings.Repeat(".", barWidth-full),
		done*100/w.Total, w.Step, Bytes(done), Bytes(w.Total))
	if w.Reused > 0 {
		text += fmt.Sprintf(", %s are here already", Bytes(w.Reused))
	}
	took := w.Changed.Sub(w.Since)
	if took < time.Second || here == 0 {
		return text
	}
	rate := float64(here) / took.Seconds()
	left := time.Duration(float64(w.Total-done) / rate * float64(time.Second))
	return fmt.Sprintf("%s, %s/s, %s left", text, Bytes(int64(rate)), Days(left))
}
