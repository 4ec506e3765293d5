package updog

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/update"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// explanation is what explain tells; its JSON is for machines and does not change its members.
type explanation struct {
	Variant     string    `json:"variant"`
	Arch        string    `json:"arch"`
	Version     string    `json:"version"` // the running one
	Seed        uint32    `json:"seed"`
	Lock        string    `json:"version_lock"`
	IgnoreWaves bool      `json:"ignore_waves"`
	Now         time.Time `json:"now"`
	Chosen      *string   `json:"chosen"` // version; null: no release is offered
	Releases    []release `json:"releases"`
	Others      int       `json:"for_other_hosts"` // releases that are not listed
}

// release is one release of an explanation.
type release struct {
	Variant    string            `json:"variant"`
	Arch       string            `json:"arch"`
	Version    string            `json:"version"`
	MaxVersion string            `json:"max_version"`
	Chosen     bool              `json:"chosen"`
	Reasons    []manifest.Reason `json:"reasons"` // why it is not chosen
	Wave       *wave             `json:"wave"`    // null: it has none
	Images     []fetched         `json:"images"`
	Migrations []string          `json:"migrations"`
	NoWay      string            `json:"migrations_error,omitempty"`
}

// wave is this host's.
type wave struct {
	Number int        `json:"number"` // from 1
	Of     int        `json:"of"`
	Due    *time.Time `json:"due"` // when this host is; null: always
	Ready  bool       `json:"ready"`
}

// fetched is a target and its size in bytes, as it is fetched.
type fetched struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

func (a *app) explain(ctx context.Context) error {
	c, host, err := a.open(ctx)
	if err != nil {
		return err
	}
	choice, err := c.Choose(a.wish(ctx, c, a.settled(ctx)))
	if err != nil {
		return err
	}
	e := explanation{
		Variant: host.Release.VariantID, Arch: host.Release.Arch, Version: host.Release.VersionID,
		Seed: host.Config.Seed, Lock: host.Config.VersionLock, IgnoreWaves: a.ignoreWaves || host.Config.IgnoreWaves,
		Now: host.Now().UTC().Truncate(time.Second), Releases: []release{},
	}
	for _, v := range choice.Verdicts {
		if foreign := v.Update.Variant != e.Variant || v.Update.Arch != e.Arch; foreign && !a.all {
			e.Others++
			continue
		}
		r, err := describe(ctx, c, v, host.Now())
		if err != nil {
			return err
		}
		if r.Chosen {
			e.Chosen = &r.Version
		}
		e.Releases = append(e.Releases, r)
	}
	return a.tell(e)
}

func describe(ctx context.Context, c *update.Catalog, v manifest.Verdict, now time.Time) (release, error) {
	u := v.Update
	r := release{
		Variant: u.Variant, Arch: u.Arch, Version: u.Version.String(), MaxVersion: u.MaxVersion.String(),
		Chosen: v.Chosen, Reasons: v.Reasons,
	}
	if p := v.Place; p.Kind != manifest.NoWaves {
		r.Wave = &wave{Number: p.Number, Of: p.Of, Ready: p.Ready(now)}
		if !p.Due.IsZero() {
			r.Wave.Due = &p.Due
		}
	}
	for _, name := range u.Images.Names() {
		size, err := c.Size(ctx, name)
		if err != nil {
			return r, err
		}
		r.Images = append(r.Images, fetched{name, size})
	}
	var err error
	if r.Migrations, err = c.Migrations(u); err != nil {
		r.NoWay = err.Error()
	}
	return r, nil
}

func (a *app) tell(e explanation) error {
	if !a.json {
		return e.write(a.Out)
	}
	doc, err := json.Marshal(e)
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
		r.write(&b, e)
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

func (r release) write(b *strings.Builder, e explanation) {
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
		fmt.Fprintf(b, "  wave:        %s\n", r.Wave.text(e.Now))
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

func (w wave) text(now time.Time) string {
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
