package pubsys

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

const waveHelp = `Change when hosts get a release that is published.

Waves begin at a time and end where the next begins; hosts are spread evenly over
each. A host that has a release already keeps it, whatever the waves become.`

func (a *app) waveCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "wave COMMAND", Short: "change when hosts get a release", Long: waveHelp, Args: cobra.ArbitraryArgs, RunE: clihelp.NoCommand,
	}
	c.AddCommand(a.waveAdd(), a.waveStart(), a.waveRemove())
	return c
}

// onRelease is a command that changes one release of the manifest.
type onRelease struct {
	site
	version manifest.Version
	expiry  string
}

func (o *onRelease) flags(c *cobra.Command) {
	o.writes(c)
	c.Flags().Var((*versionFlag)(&o.version), "version", "`VERSION` of the release")
	c.Flags().StringVar(&o.expiry, "expiry", defaultExpiry, expiryUsage)
}

// run lets edit change the release's entry.
func (o *onRelease) run(ctx context.Context, a *app, edit func(*draft, manifest.Update) error) error {
	return a.change(ctx, o.site, func(_ context.Context, d *draft) error {
		u, err := pick(d.manifest, d.variant, d.arch, o.version)
		if err != nil {
			return hintf("pubsys list shows what is published", "%v", err)
		}
		if err := edit(d, u); err != nil {
			return err
		}
		return d.lifetimes(o.expiry, d.now())
	})
}

func (d *draft) setWaves(u manifest.Update, waves manifest.Waves) error {
	_, err := d.manifest.SetWaves(u.Variant, u.Arch, u.Version, waves)
	return err
}

func (a *app) waveAdd() *cobra.Command {
	var o onRelease
	var policy, start string
	c := &cobra.Command{
		Use: "add", Short: "give a release the waves of a policy, instead of those it has",
		Long:    "Give a release the waves of a policy, instead of those that it has.",
		Example: "  pubsys wave add --version 1.1.0 --waves slow-roll --start \"2 days\" --dir repo --root roots/1.root.json --key keys/release.pem --variant metal-dev",
		Args:    arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := a.parseStart(start)
			if err != nil {
				return err
			}
			waves, err := policyWaves(policy, at)
			if err != nil {
				return err
			}
			return o.run(c.Context(), a, func(d *draft, u manifest.Update) error { return d.setWaves(u, waves) })
		},
	}
	o.flags(c)
	c.Flags().StringVar(&policy, "waves", "", fmt.Sprintf("wave policy: a `FILE`, or one of %s", strings.Join(manifest.PolicyNames(), ", ")))
	c.Flags().StringVar(&start, "start", "", "`TIME` of the release, or an offset such as \"2 hours\" (default now)")
	completePolicies(c)
	require(c, "version", "waves")
	return c
}

func (a *app) waveStart() *cobra.Command {
	var o onRelease
	var start string
	c := &cobra.Command{
		Use: "start", Short: "let the first wave begin now, and the others follow as before",
		Long:    "Move all waves of a release by the same time, so that the first begins now.",
		Example: "  pubsys wave start --version 1.1.0 --dir repo --root roots/1.root.json --key keys/release.pem --variant metal-dev",
		Args:    arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := a.parseStart(start)
			if err != nil {
				return err
			}
			return o.run(c.Context(), a, func(d *draft, u manifest.Update) error {
				if len(u.Waves) == 0 {
					return hintf("pubsys wave add gives it some", "%s has no waves: every host gets it already", u.Version)
				}
				moved, by := slices.Clone(u.Waves), at.Sub(u.Waves[0].Start)
				for i := range moved {
					moved[i].Start = moved[i].Start.Add(by)
				}
				return d.setWaves(u, moved)
			})
		},
	}
	o.flags(c)
	c.Flags().StringVar(&start, "start", "", "`TIME` at which the first wave begins, or an offset (default now)")
	require(c, "version")
	return c
}

func (a *app) waveRemove() *cobra.Command {
	var o onRelease
	c := &cobra.Command{
		Use: "remove", Short: "give a release to all hosts at once",
		Long:    "Remove the waves of a release: all hosts get it at once.",
		Example: "  pubsys wave remove --version 1.1.0 --dir repo --root roots/1.root.json --key keys/release.pem --variant metal-dev",
		Args:    arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), a, func(d *draft, u manifest.Update) error { return d.setWaves(u, nil) })
		},
	}
	o.flags(c)
	require(c, "version")
	return c
}

func (a *app) maxVersionCommand() *cobra.Command {
	var o onRelease
	c := &cobra.Command{
		Use: "set-max-version", Short: "withdraw releases above a version",
		Long: `Set the newest version that may be run. Hosts that run a newer one go down to the
newest that is not above it: this is how a bad release is taken back.`,
		Example: "  pubsys set-max-version --version 1.0.0 --dir repo --root roots/1.root.json --key keys/release.pem --variant metal-dev",
		Args:    arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.change(c.Context(), o.site, func(_ context.Context, d *draft) error {
				if d.manifest.SetMaxVersion(o.version, d.variant, d.arch) == 0 {
					return fmt.Errorf("nothing is published for %s %s", d.variant, d.arch)
				}
				return d.lifetimes(o.expiry, d.now())
			})
		},
	}
	o.flags(c)
	require(c, "version")
	return c
}

// releaseView is a release as -o json shows it.
type releaseView struct {
	Variant    string     `json:"variant"`
	Arch       string     `json:"arch"`
	Version    string     `json:"version"`
	MaxVersion string     `json:"max_version"`
	Bytes      int64      `json:"bytes"` // of its images, as they are fetched
	Waves      []waveView `json:"waves"`
}

type waveView struct {
	Seed  uint32    `json:"seed"`
	Start time.Time `json:"start"`
}

func (a *app) listCommand() *cobra.Command {
	var s site
	format := cli.FormatTable
	c := &cobra.Command{
		Use: "list", Short: "list the releases of a repository",
		Long:    "List the releases of a repository in the order in which they were published, with their waves.",
		Example: "  pubsys list --dir repo --root roots/1.root.json --variant metal-dev",
		Args:    arguments(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return a.list(c.Context(), s, format) },
	}
	s.reads(c)
	clihelp.Output(c, &format)
	return c
}

func (a *app) list(ctx context.Context, s site, format cli.Format) error {
	_, state, m, err := a.published(ctx, s)
	if err != nil {
		return err
	}
	views := []releaseView{}
	for _, u := range m.Updates {
		v := releaseView{u.Variant, u.Arch, u.Version.String(), u.MaxVersion.String(), 0, []waveView{}}
		for _, name := range u.Images.Names() {
			v.Bytes += state.Targets.Targets[name].Length
		}
		for _, w := range u.Waves {
			v.Waves = append(v.Waves, waveView{w.Seed, w.Start})
		}
		views = append(views, v)
	}
	return format.Print(a.Out, views, func(w io.Writer) {
		rows := [][]string{{"VERSION", "VARIANT", "ARCH", "SIZE", "WAVES"}}
		for _, v := range views {
			rows = append(rows, []string{v.Version + withdrawn(v), v.Variant, v.Arch, cli.Bytes(v.Bytes), describeWaves(v.Waves)})
		}
		cli.Table(w, rows)
	})
}

func withdrawn(v releaseView) string {
	version, errV := manifest.ParseVersion(v.Version)
	highest, errM := manifest.ParseVersion(v.MaxVersion)
	if errV == nil && errM == nil && version.Compare(highest) > 0 {
		return " (withdrawn: at most " + v.MaxVersion + ")"
	}
	return ""
}

func describeWaves(waves []waveView) string {
	if len(waves) == 0 {
		return "none: all hosts at once"
	}
	first, last := cli.Time(waves[0].Start), cli.Time(waves[len(waves)-1].Start)
	return strings.TrimSpace(fmt.Sprintf("%d, from %s to %s", len(waves), first, last))
}
