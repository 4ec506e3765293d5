package pubsys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/tufrepo/publish"
	"github.com/hostler-os/hostler/internal/tufrepo/signer"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

const rootHelp = `Make, edit and sign the root of trust.

A root says which keys may sign for each role, and how many of them must:

  root        the next root; keep these keys offline
  targets     which releases there are
  snapshot    which metadata belongs together
  timestamp   that this is the newest state; renewed often

Each version is a file of its own, best named N.root.json, and begins unsigned.
Copies of it may be signed in different places and merged. A root counts when
enough of its own root keys and of those of the version before have signed it.`

func (a *app) rootCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "root COMMAND", Short: "make, edit and sign the root of trust", Long: rootHelp, Args: cobra.ArbitraryArgs, RunE: clihelp.NoCommand,
	}
	c.AddCommand(a.rootNew(), a.rootNext(), a.rootEdit(), a.rootSign(), a.rootMerge(), a.rootShow(), a.rootPublish())
	return c
}

// edits are what flags ask to change in a root.
type edits struct {
	add, remove, thresholds []string
	expires                 string
}

// rootLife is how long a root is good unless told otherwise.
const rootLife = "52 weeks"

func (e *edits) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&e.add, "add-key", nil, "`[ROLE,…=]KEY`: let a key sign for roles, or for all four; may be repeated")
	f.StringArrayVar(&e.remove, "remove-key", nil, "`[ROLE,…=]KEY`: no longer; KEY may also be the beginning of an id")
	f.StringSliceVar(&e.thresholds, "threshold", nil, "`ROLE=N`: how many keys must sign for a role (1 in a new root)")
	f.StringVar(&e.expires, "expires", "", "until when it is good: a `TIME` or an offset such as \"26 weeks\"")
}

func (e *edits) empty() bool {
	return len(e.add)+len(e.remove)+len(e.thresholds) == 0 && e.expires == ""
}

func (e *edits) apply(ctx context.Context, r *publish.Root, now time.Time) error {
	if e.expires != "" {
		at, err := manifest.ParseTime(e.expires, now)
		if err != nil {
			return fmt.Errorf("--expires: %w", err)
		}
		if !at.After(now) {
			return fmt.Errorf("--expires: %s is over", cli.Time(at))
		}
		r.Expires = at.Truncate(time.Second)
	}
	// Keys are removed first, so that one can be replaced.
	if err := e.removeKeys(ctx, r); err != nil {
		return err
	}
	for _, text := range e.add {
		roles, source := splitRoles(text)
		key, err := signer.Public(ctx, signer.Source(source))
		if err != nil {
			return err
		}
		for _, role := range roles {
			if err := r.AddKey(role, key); err != nil {
				return fmt.Errorf("--add-key %s: %w", text, err)
			}
		}
	}
	for _, text := range e.thresholds {
		role, number, _ := strings.Cut(text, "=")
		n, err := strconv.Atoi(number)
		if err != nil {
			return fmt.Errorf("--threshold %s: expected ROLE=N", text)
		}
		if err := r.SetThreshold(role, n); err != nil {
			return fmt.Errorf("--threshold %s: %w", text, err)
		}
	}
	return nil
}

func (e *edits) removeKeys(ctx context.Context, r *publish.Root) error {
	for _, text := range e.remove {
		roles, which := splitRoles(text)
		id, err := keyID(ctx, which)
		if err != nil {
			return err
		}
		removed := 0
		for _, role := range roles {
			if !strings.Contains(text, "=") && !hasKey(r, role, id) {
				continue // of all roles, those that have it
			}
			if err := r.RemoveKey(role, id); err != nil {
				return fmt.Errorf("--remove-key %s: %w", text, err)
			}
			removed++
		}
		if removed == 0 {
			return fmt.Errorf("--remove-key %s: no role has key %s", text, publish.ShortID(id))
		}
	}
	return nil
}

func hasKey(r *publish.Root, role, prefix string) bool {
	return slices.ContainsFunc(r.Roles[role].KeyIDs, func(id string) bool { return strings.HasPrefix(id, prefix) })
}

// splitRoles splits [ROLE,…=]KEY. A key may contain "=" itself, as URIs do.
func splitRoles(text string) (roles []string, source string) {
	before, after, ok := strings.Cut(text, "=")
	if !ok || strings.ContainsAny(before, ":/.") {
		return publish.Roles, text
	}
	return strings.Split(before, ","), after
}

const hexDigits = "0123456789abcdef"

// keyID is the id of a key that is named by a source or by the id's beginning.
func keyID(ctx context.Context, text string) (string, error) {
	if len(text) >= 6 && strings.Trim(text, hexDigits) == "" {
		return text, nil
	}
	key, err := signer.Public(ctx, signer.Source(text))
	if err != nil {
		return "", err
	}
	return key.ID()
}

func (a *app) rootNew() *cobra.Command {
	var e edits
	c := &cobra.Command{
		Use: "new FILE", Short: "make a first root, unsigned",
		Long: `Make a first root, unsigned. Version 1 is what images bring as their root of trust.

Give the root role keys of its own, kept offline, and more of them than must
sign, so that one can be lost.`,
		Example: `  pubsys root new roots/1.root.json --add-key root=keys/root-1.pub --add-key root=keys/root-2.pub \
      --threshold root=2 --add-key targets,snapshot,timestamp=keys/release.pub --expires "52 weeks"`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := mustNotExist(args[0]); err != nil {
				return err
			}
			if e.expires == "" {
				e.expires = rootLife
			}
			r := publish.NewRoot(a.now())
			if err := e.apply(c.Context(), r, a.now()); err != nil {
				return err
			}
			return a.saveUnsigned(args[0], r, nil)
		},
	}
	e.flags(c)
	return c
}

func (a *app) rootNext() *cobra.Command {
	var e edits
	c := &cobra.Command{
		Use: "next FILE [NEW]", Short: "begin the next version of a root, unsigned",
		Long: `Begin the next version of a root, unsigned, with the changes that are asked for.
It is written to NEW, or beside FILE as N.root.json. Keys of the old version must
sign it as well as its own: that is what lets hosts follow.`,
		Example: "  pubsys root next roots/1.root.json --remove-key keys/root-1.pub --add-key root=keys/root-3.pub",
		Args:    arguments(cobra.RangeArgs(1, 2)),
		RunE: func(c *cobra.Command, args []string) error {
			before, err := readRoot(args[0])
			if err != nil {
				return err
			}
			path := filepath.Join(filepath.Dir(args[0]), fmt.Sprintf("%d.root.json", before.Version+1))
			if len(args) == 2 {
				path = args[1]
			}
			if err := mustNotExist(path); err != nil {
				return err
			}
			if e.expires == "" {
				e.expires = rootLife
			}
			r, err := before.Next(a.now())
			if err != nil {
				return err
			}
			if err := e.apply(c.Context(), r, a.now()); err != nil {
				return err
			}
			return a.saveUnsigned(path, r, before.Root)
		},
	}
	e.flags(c)
	return c
}

func (a *app) rootEdit() *cobra.Command {
	var e edits
	var discard bool
	c := &cobra.Command{
		Use: "edit FILE", Short: "change a root that nobody uses yet",
		Long: `Change a root that nobody uses yet. Its signatures are dropped: they are of
something else. One that enough keys have signed may be in use, and is changed
only with --discard-signatures; hosts that know it would refuse another of the
same version. "pubsys root next" begins a new one.`,
		Example: "  pubsys root edit roots/2.root.json --threshold root=2",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if e.empty() {
				return clihelp.UsageError(c, errors.New("nothing to change was given"))
			}
			r, err := readRoot(args[0])
			if err != nil {
				return err
			}
			tally, err := r.Keyring(publish.RootRole).Tally(r.Document)
			if err != nil {
				return err
			}
			if tally.Enough() && !discard {
				return hintf("pubsys root next begins a new version; --discard-signatures changes this one",
					"%s is signed by enough keys and may be in use", args[0])
			}
			if err := e.apply(c.Context(), r.Root, a.now()); err != nil {
				return err
			}
			return a.saveUnsigned(args[0], r.Root, before(args[0], r.Version))
		},
	}
	e.flags(c)
	c.Flags().BoolVar(&discard, "discard-signatures", false, "change it even if enough keys have signed it")
	return c
}

func mustNotExist(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, hintf("choose another name; pubsys root edit changes a root", "%s exists already", path))
	}
	return nil
}

// saveUnsigned writes a root and shows it.
func (a *app) saveUnsigned(path string, r *publish.Root, before *publish.Root) error {
	if err := r.Check(); err != nil {
		return hintf("--add-key adds keys, --threshold changes how many must sign", "nobody could use this root: %v", err)
	}
	d, err := publish.NewDocument(r)
	if err != nil {
		return err
	}
	if err := a.saveDocument(path, d); err != nil {
		return err
	}
	return a.showRoot(publish.RootFile{Root: r, Document: d}, before)
}

func (a *app) saveDocument(path string, d *publish.Document) error {
	raw, err := d.Encode()
	if err != nil {
		return err
	}
	return durable.WriteFile(a.fs, path, raw, durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep})
}

func readRoot(path string) (publish.RootFile, error) {
	raw, err := durable.ReadFile(path, publish.MaxSize)
	if err != nil {
		return publish.RootFile{}, fmt.Errorf("read root: %w", err)
	}
	r, err := publish.ParseRootFile(raw)
	if err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// before is the root of the version before, if it lies beside the file.
func before(path string, version int64) *publish.Root {
	r, err := readRoot(filepath.Join(filepath.Dir(path), fmt.Sprintf("%d.root.json", version-1)))
	if err != nil || r.Version != version-1 {
		return nil
	}
	return r.Root
}
