package updog

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

func (a *app) explain(ctx context.Context) error {
	c, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	choice, err := c.Choose(a.wish(ctx, c, a.settled(ctx)))
	if err != nil {
		return err
	}
	offer, err := c.Explain(ctx, choice, a.all)
	if err != nil {
		return err
	}
	offer.IgnoreWaves = offer.IgnoreWaves || a.ignoreWaves
	return a.tell(explanation(offer))
}

// explanation is an offer that is told to people.
type explanation api.UpdateOffer

func (a *app) tell(e explanation) error {
	if !a.json {
		return e.write(a.Out)
	}
	doc, err := json.Marshal(api.UpdateOffer(e))
	if err != nil {
		return err
	}
	if doc, err = cli.IndentJSON(doc); err != nil {
		return err
	}
	_, err = a.Out.Write(doc)
	return err
}

// write tells it to people.
func (e explanation) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "This host is %s on %s, runs %s, has seed %d and %s.\n", e.Variant, e.Arch, e.Version, e.Seed, e.follows())
	switch {
	case e.Chosen != nil:
		fmt.Fprintf(&b, "It is offered %s.\n", *e.Chosen)
	case len(e.Releases) == 0:
		fmt.Fprintf(&b, "The repository has no release for it.\n")
	default:
		fmt.Fprintf(&b, "It is offered nothing now.\n")
	}
	for _, r := range e.Releases {
		writeRelease(&b, r, e)
	}
	if e.Others > 0 {
		fmt.Fprintf(&b, "\nThe repository also has %d for other variants or architectures; --all shows them.\n", e.Others)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (e explanation) follows() string {
	waves := ""
	if e.IgnoreWaves {
		waves = " without waiting for its turn"
	}
	if e.Lock == manifest.Latest {
		return "follows the latest release" + waves
	}
	return "is locked to " + e.Lock + waves
}

func writeRelease(b *strings.Builder, r api.UpdateRelease, e explanation) {
	title := r.Version
	if r.Variant != e.Variant || r.Arch != e.Arch {
		title = r.Variant + " " + r.Arch + " " + r.Version
	}
	if r.Chosen {
		title += " (offered)"
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, reason := range r.Reasons {
		fmt.Fprintf(b, "  not offered: %s\n", reason.Text)
	}
	if r.Wave != nil {
		fmt.Fprintf(b, "  wave:        %s\n", waveText(*r.Wave, e.Now))
	}
	var total int64
	for _, i := range r.Images {
		total += i.Bytes
	}
	fmt.Fprintf(b, "  to fetch:    %s\n", cli.Bytes(total))
	switch {
	case r.NoWay != "":
		fmt.Fprintf(b, "  migrations:  none lead there: %s\n", r.NoWay)
	case len(r.Migrations) > 0:
		fmt.Fprintf(b, "  migrations:  %s\n", strings.Join(r.Migrations, ", "))
	}
}

func waveText(w api.UpdateWave, now time.Time) string {
	place := fmt.Sprintf("%d of %d, ", w.Number, w.Of)
	if w.Due == nil {
		return place + "this host is always ready"
	}
	// Rounded up: at the second that is shown, the host is due.
	due := w.Due.Add(time.Second - 1).Truncate(time.Second)
	if w.Ready {
		return place + "this host was due at " + due.Format(time.RFC3339)
	}
	return fmt.Sprintf("%sthis host is due at %s, in %s", place, due.Format(time.RFC3339), cli.Days(due.Sub(now)))
}
