package updata

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

func (a *app) initialize() *cobra.Command {
	return &cobra.Command{
		Use: "init FILE", Short: "write an empty manifest", Example: "  updata init manifest.json",
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error { return write(args[0], new(manifest.Manifest)) },
	}
}

func (a *app) validate() *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE", Short: "check that a manifest can be read, and that its waves are in order",
		Example: "  updata validate manifest.json",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := read(args[0])
			if err != nil {
				return err
			}
			for _, u := range m.Updates {
				if err := u.Waves.Check(); err != nil {
					return fmt.Errorf("%s %s %s: %w", u.Variant, u.Arch, u.Version, err)
				}
			}
			return nil
		},
	}
}

func (a *app) addUpdate() *cobra.Command {
	var r release
	var u manifest.Update
	c := &cobra.Command{
		Use: "add-update FILE", Short: "append a release, without waves",
		Long: `Append a release, without waves. Its maximum version, by default the newest one
known for the variant and architecture, becomes that of all their releases.`,
		Example: "  updata add-update manifest.json -l metal-dev -a x86_64 -v 1.2.0 -r root.ext4.lz4 -b boot.ext4.lz4 -h root.verity.lz4",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			u.Variant, u.Arch, u.Version = r.variant, r.arch, r.version
			return edit(args[0], func(m *manifest.Manifest) error { return m.Add(u) })
		},
	}
	r.flags(c)
	f := c.Flags()
	f.VarP((*versionFlag)(&u.MaxVersion), "max-version", "m", "newest `VERSION` that may be run from now on")
	f.StringVarP(&u.Images.Root, "root", "r", "", "`TARGET` that holds the root image")
	f.StringVarP(&u.Images.Boot, "boot", "b", "", "`TARGET` that holds the boot image")
	f.StringVarP(&u.Images.Hash, "hash", "h", "", "`TARGET` that holds the verity hashes")
	require(c, slices.Concat(ofRelease, []string{"root", "boot", "hash"})...)
	return c
}

func (a *app) removeUpdate() *cobra.Command {
	var r release
	c := &cobra.Command{
		Use: "remove-update FILE", Short: "remove a release; maximum versions stay",
		Example: "  updata remove-update manifest.json -l metal-dev -a x86_64 -v 1.2.0",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return edit(args[0], func(m *manifest.Manifest) error { return a.remove(m, r) })
		},
	}
	r.flags(c)
	require(c, ofRelease...)
	return c
}

func (a *app) remove(m *manifest.Manifest, r release) error {
	if err := m.Remove(r.variant, r.arch, r.version); err != nil {
		return err
	}
	left := "No remaining updates"
	for _, u := range m.Updates {
		if u.Variant == r.variant && u.Arch == r.arch {
			left = "Current maximum version: " + u.MaxVersion.String()
		}
	}
	a.log.Info(fmt.Sprintf("Update %s-%s-%s removed. %s", r.arch, r.variant, r.version, left))
	return nil
}

func (a *app) setWaves() *cobra.Command {
	var r release
	var file, start string
	c := &cobra.Command{
		Use: "set-waves FILE", Short: "replace the waves of a release by those of a policy",
		Example: `  updata set-waves manifest.json -l metal-dev -a x86_64 -v 1.2.0 -w policy.toml --start-at 2030-01-31T18:00:00Z
  updata set-waves manifest.json -l metal-dev -a x86_64 -v 1.2.0 -w default --start-at "in 2 hours"`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			waves, err := a.waves(file, start)
			if err != nil {
				return err
			}
			return edit(args[0], func(m *manifest.Manifest) error {
				matched, err := m.SetWaves(r.variant, r.arch, r.version, waves)
				if matched > 1 {
					a.log.Warn("Multiple matching updates for wave - this is weird but not a disaster")
				}
				return err
			})
		},
	}
	r.flags(c)
	f := c.Flags()
	f.StringVarP(&file, "wave-file", "w", "", fmt.Sprintf("`POLICY` file, or one of %s", strings.Join(manifest.PolicyNames(), ", ")))
	f.StringVar(&start, "start-at", "", "`TIME` of the release, or an offset such as \"2 hours\" (default now)")
	require(c, slices.Concat(ofRelease, []string{"wave-file"})...)
	return c
}

// maxPolicySize is more than a policy may have.
const maxPolicySize = 1 << 20

func (a *app) waves(file, start string) (manifest.Waves, error) {
	at := a.now().UTC()
	if start != "" {
		var err error
		if at, err = manifest.ParseTime(start, at); err != nil {
			return nil, &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("--start-at: %w", err)}
		}
	}
	if policy, err := manifest.NamedPolicy(file); err == nil {
		return policy.At(at)
	}
	text, err := durable.ReadFile(file, maxPolicySize)
	if err != nil {
		return nil, fmt.Errorf("read wave policy: %w", err)
	}
	policy, err := manifest.ParsePolicy(text)
	if err != nil {
		return nil, err
	}
	return policy.At(at)
}

func (a *app) setMigrations() *cobra.Command {
	var from, to string
	c := &cobra.Command{
		Use: "set-migrations", Short: "replace all migrations by those of a Release.toml",
		Example: "  updata set-migrations --from Release.toml --to manifest.json",
		Args:    usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			text, err := durable.ReadFile(from, manifest.MaxSize)
			if err != nil {
				return fmt.Errorf("read release file: %w", err)
			}
			r, err := manifest.ParseRelease(text)
			if err != nil {
				return err
			}
			return edit(to, func(m *manifest.Manifest) error {
				m.Migrations = r.Migrations
				return nil
			})
		},
	}
	c.Flags().StringVarP(&from, "from", "f", "", "the Release.toml `FILE`")
	c.Flags().StringVarP(&to, "to", "t", "", "the manifest `FILE`")
	require(c, "from", "to")
	return c
}

func (a *app) setMaxVersion() *cobra.Command {
	var highest manifest.Version
	var variant, arch string
	c := &cobra.Command{
		Use: "set-max-version FILE", Short: "set the newest version that may be run",
		Long: `Set the newest version that may be run, of all releases or of those of one variant
or architecture. Hosts that run a newer one go down to the newest that is not above it.`,
		Example: "  updata set-max-version manifest.json -v 1.2.0 -l metal-dev",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return edit(args[0], func(m *manifest.Manifest) error {
				a.log.Info("maximum version set", "releases", m.SetMaxVersion(highest, variant, arch))
				return nil
			})
		},
	}
	f := c.Flags()
	f.VarP((*versionFlag)(&highest), "max-version", "v", "the newest `VERSION`")
	variantFlags(f, &variant)
	f.StringVarP(&arch, "arch", "a", "", "of this `ARCH` alone")
	require(c, "max-version")
	return c
}

// release are the flags that name one release.
type release struct {
	variant, arch string
	version       manifest.Version
}

// ofRelease are its flags' names.
var ofRelease = []string{"variant", "arch", "version"}

func (r *release) flags(c *cobra.Command) {
	f := c.Flags()
	variantFlags(f, &r.variant)
	f.StringVarP(&r.arch, "arch", "a", "", "`ARCH`: x86_64 or aarch64")
	f.VarP((*versionFlag)(&r.version), "version", "v", "`VERSION`")
}

// variantFlags lets -l and -f both be the variant: the reference has the one in
// some commands and the other in others.
func variantFlags(f *pflag.FlagSet, variant *string) {
	f.StringVarP(variant, "variant", "l", "", "`VARIANT`; also -f")
	f.StringVarP(variant, "variant-f", "f", "", "")
	f.Lookup("variant-f").Hidden = true
}

// require makes flags required; cobra's own way knows no alternatives.
func require(c *cobra.Command, flags ...string) {
	c.PreRunE = func(*cobra.Command, []string) error {
		for _, flag := range flags {
			if !c.Flags().Changed(flag) && !(flag == "variant" && c.Flags().Changed("variant-f")) {
				return clihelp.UsageError(c, missing(flag))
			}
		}
		return nil
	}
}

// missing is worded as by the reference where it is.
func missing(flag string) error {
	if flag == "wave-file" {
		return errors.New("--wave-file <path> required to add waves to update")
	}
	return fmt.Errorf("--%s is required", flag)
}

// versionFlag is a strict semantic version.
type versionFlag manifest.Version

func (v *versionFlag) String() string {
	if *v == (versionFlag{}) {
		return ""
	}
	return manifest.Version(*v).String()
}

func (v *versionFlag) Type() string { return "VERSION" }

func (v *versionFlag) Set(text string) error {
	return (*manifest.Version)(v).UnmarshalText([]byte(text))
}
