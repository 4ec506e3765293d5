package pubsys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/tufrepo/publish"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

func (a *app) refreshCommand() *cobra.Command {
	var s site
	var policy string
	var timestamp bool
	c := &cobra.Command{
		Use: "refresh", Aliases: []string{"refresh-repo"}, Short: "sign the same releases anew before metadata expires",
		Long: `Sign the same releases anew, good for as long as the policy says. A new root that is
given with --root is published with it: give the keys that sign from now on, and
for hosts that come in between also those that they trust until then.`,
		Example: `  pubsys refresh --dir repo --root roots/1.root.json --key keys/release.pem --variant metal-dev
  pubsys refresh --timestamp --dir repo --root roots/1.root.json --key keys/timestamp.pem --variant metal-dev
  pubsys refresh --dir repo --root roots/2.root.json --key keys/old.pem --key keys/new.pem --variant metal-dev`,
		Args: arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.change(c.Context(), s, func(_ context.Context, d *draft) error {
				d.renew = true
				if timestamp {
					d.scope = publish.TimestampOnly
				}
				return d.lifetimes(policy, d.now())
			})
		},
	}
	s.writes(c)
	c.Flags().StringVar(&policy, "expiry", defaultExpiry, expiryUsage)
	c.Flags().BoolVar(&timestamp, "timestamp", false, "sign timestamp.json alone, with the timestamp's key")
	return c
}

func (a *app) rootPublish() *cobra.Command {
	var s site
	c := &cobra.Command{
		Use: "publish", Short: "publish a new root that changes no keys in use",
		Long: `Publish the new root that is given with --root, and nothing else. That suffices when
only root keys or the expiry change. When other keys change, "pubsys refresh"
publishes it together with metadata that the new keys sign.`,
		Example: "  pubsys root publish --dir repo --root roots/2.root.json --variant metal-dev",
		Args:    arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.change(c.Context(), s, func(_ context.Context, d *draft) error {
				d.scope = publish.RootsOnly
				return nil
			})
		},
	}
	s.reads(c)
	c.Flags().BoolVar(&s.dry, "dry-run", false, "show what would be published, and write nothing")
	return c
}

// Exit codes of check-expirations, beside those of package cli.
const (
	exitSoon    = 3
	exitExpired = 4
)

// expiryView is a role as -o json shows it.
type expiryView struct {
	Role    string    `json:"role"`
	Version int64     `json:"version"`
	Expires time.Time `json:"expires"`
	State   string    `json:"state"` // good, soon, expired
}

func (a *app) checkExpirations() *cobra.Command {
	var s site
	var within string
	var days int
	format := cli.FormatTable
	c := &cobra.Command{
		Use: "check-expirations", Aliases: []string{"check-repo-expirations"}, Short: "tell what expires soon",
		Long: `Tell until when the metadata of each role is good.

Exit codes: 0 all of it is good for longer, 1 failed, 2 usage, 3 something expires
within the time that was given, 4 something is expired.`,
		Example: "  pubsys check-expirations --days 3 --dir repo --root roots/1.root.json --variant metal-dev",
		Args:    arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			limit := time.Duration(days) * 24 * time.Hour
			if within != "" && c.Flags().Changed("days") {
				return clihelp.UsageError(c, errors.New("--days and --within say the same: give one of them"))
			}
			if within != "" {
				var err error
				if limit, err = manifest.ParseOffset(within); err != nil {
					return clihelp.UsageError(c, fmt.Errorf("--within: %w", err))
				}
			}
			s.expired = true
			return a.expirations(c.Context(), s, limit, format)
		},
	}
	s.reads(c)
	c.Flags().IntVar(&days, "days", 3, "warn this `NUMBER` of days ahead")
	c.Flags().StringVar(&within, "within", "", "the same as an `OFFSET`, such as \"12 hours\"")
	clihelp.Output(c, &format)
	return c
}

func (a *app) expirations(ctx context.Context, s site, limit time.Duration, format cli.Format) error {
	p, err := a.find(s, false)
	if err != nil {
		return err
	}
	state, err := p.load(ctx)
	if err != nil {
		return err
	}
	views, worst := []expiryView{}, ""
	for _, role := range publish.Roles {
		e := state.Roles[role]
		v := expiryView{role, e.Version, e.Expires, "good"}
		switch left := e.Expires.Sub(a.now()); {
		case left <= 0:
			v.State, worst = "expired", "expired"
		case left <= limit:
			v.State, worst = "soon", firstOf(worst, "soon")
		}
		views = append(views, v)
	}
	err = format.Print(a.Out, views, func(w io.Writer) {
		rows := [][]string{{"ROLE", "VERSION", "EXPIRES", "IN"}}
		for _, v := range views {
			rows = append(rows, []string{v.Role, fmt.Sprint(v.Version), cli.Time(v.Expires), a.left(v.Expires)})
		}
		cli.Table(w, rows)
	})
	if err != nil {
		return err
	}
	switch worst {
	case "expired":
		return &cli.ExitError{Code: exitExpired, Err: hintf("pubsys refresh --allow-expired signs it anew; a root needs a new version: pubsys root next", "metadata is expired: hosts refuse the repository")}
	case "soon":
		return &cli.ExitError{Code: exitSoon, Err: hintf("pubsys refresh signs it anew; a root needs a new version: pubsys root next", "metadata expires within %s", cli.Days(limit))}
	}
	return nil
}

// left is how long something is still good.
func (a *app) left(until time.Time) string {
	if d := until.Sub(a.now()); d > 0 {
		return cli.Days(d)
	}
	return "expired " + cli.Days(a.now().Sub(until)) + " ago"
}

func (a *app) bundleCommand() *cobra.Command {
	var s site
	var out string
	var version manifest.Version
	c := &cobra.Command{
		Use: "bundle FILE", Short: "put a release into one file, for hosts without network",
		Long: `Put a release into one file, with the metadata that proves it: manifest, images and
all migrations. A host believes it as it believes the repository, and no longer: its
settings updates.metadata-base-url and updates.targets-base-url name the file, as
file:///PATH.`,
		Example: "  pubsys bundle release.bundle --version 1.1.0 --dir repo --root roots/1.root.json --variant metal-dev",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			out = args[0]
			return a.bundle(c.Context(), s, version, out)
		},
	}
	s.reads(c)
	c.Flags().Var((*versionFlag)(&version), "version", "`VERSION` of the release (default: the newest that is not withdrawn)")
	return c
}

func (a *app) bundle(ctx context.Context, s site, version manifest.Version, out string) error {
	p, state, m, err := a.published(ctx, s)
	if err != nil {
		return err
	}
	u, err := pick(m, p.variant, p.arch, version)
	if err != nil {
		return err
	}
	if offered, err := pick(m, p.variant, p.arch, manifest.Version{}); err == nil && offered.Version != u.Version {
		a.log().Warn("hosts are offered a release that is not in the bundle, and fail, unless their setting updates.version-lock names the one that is",
			"offered", offered.Version, "bundled", u.Version)
	}
	names := append([]string{manifest.Name}, u.Images.Names()...)
	if model := modelName(u); slices.Contains(state.Repo.Targets(), model) {
		names = append(names, model)
	}
	for _, step := range m.Migrations {
		names = append(names, step.Targets...)
	}
	attributes := durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep}
	out = filepath.Clean(out)
	err = durable.WriteTo(a.fs, out, attributes, func(w io.Writer) error { return state.Repo.WriteBundle(ctx, w, names...) })
	if err != nil {
		return err
	}
	until := state.Roles[publish.RootRole].Expires
	for _, e := range state.Roles {
		if e.Expires.Before(until) {
			until = e.Expires
		}
	}
	a.printf("%s has %s %s %s, good until %s\n", out, u.Variant, u.Arch, u.Version, cli.Time(until))
	return nil
}

// pick finds a release; without a version, the newest that hosts may run.
func pick(m *manifest.Manifest, variant, arch string, version manifest.Version) (manifest.Update, error) {
	var newest manifest.Update
	found := false
	for _, u := range m.Updates {
		if u.Variant != variant || u.Arch != arch || version != (manifest.Version{}) && u.Version != version {
			continue
		}
		if version == (manifest.Version{}) && u.Version.Compare(u.MaxVersion) > 0 {
			continue // withdrawn
		}
		if !found || u.Version.Compare(newest.Version) > 0 {
			newest, found = u, true
		}
	}
	if !found {
		return newest, fmt.Errorf("%s %s %s: %w", variant, arch, version, errors.Join(manifest.ErrNoRelease))
	}
	return newest, nil
}

func modelName(u manifest.Update) string {
	return fmt.Sprintf("model-%s-%s-%s.tar.zst", u.Variant, u.Arch, u.Version)
}
