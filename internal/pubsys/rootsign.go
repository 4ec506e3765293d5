package pubsys

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/publish"
	"github.com/hostler-os/hostler/internal/tufrepo/signer"
)

// previousFlag names the root of the version before.
func previousFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "previous", "", "the root `FILE` of the version before (default: N.root.json beside it, if it is there)")
}

// predecessor is the root before r.
func predecessor(path, previous string, r publish.RootFile) (*publish.Root, error) {
	if previous == "" {
		return before(path, r.Version), nil
	}
	p, err := readRoot(previous)
	if err != nil {
		return nil, err
	}
	if p.Version != r.Version-1 {
		return nil, fmt.Errorf("--previous: %s has version %d, expected %d", previous, p.Version, r.Version-1)
	}
	return p.Root, nil
}

func (a *app) rootSign() *cobra.Command {
	var keys []string
	var previous string
	var yes bool
	c := &cobra.Command{
		Use: "sign FILE --key KEY", Short: "sign a root, after showing what is signed",
		Long: `Sign a root, after showing what is signed. At a terminal it asks first. Signers in
different places compare the line "signed bytes": it is the same for the same root.
A key of the version before signs, too: that is how it vouches for this one.`,
		Example: "  pubsys root sign roots/1.root.json --key keys/root-1.pem\n  pubsys root sign 2.root.json --previous 1.root.json --key 'pkcs11:token=root;object=root?module-path=/usr/lib/softhsm/libsofthsm2.so'",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			r, old, err := a.present(args[0], previous)
			if err != nil {
				return err
			}
			if err := a.confirmed("Sign this?", yes); err != nil {
				return err
			}
			return a.signRoot(c, args[0], r, old, keys)
		},
	}
	c.Flags().StringArrayVar(&keys, "key", nil, "sign with this `KEY`; may be repeated (pubsys keys --help tells how keys are named)")
	previousFlag(c, &previous)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	require(c, "key")
	return c
}

func (a *app) signRoot(c *cobra.Command, path string, r publish.RootFile, old *publish.Root, keys []string) error {
	rings := r.Rings(old)
	for _, source := range keys {
		s, err := signer.Open(c.Context(), signer.Source(source))
		if err != nil {
			return err
		}
		n, err := publish.Sign(c.Context(), r.Document, []signer.Signer{s}, rings...)
		if err != nil {
			return err
		}
		if n == 0 {
			hint := "pubsys root show lists its keys"
			if old == nil && r.Version > 1 {
				hint += "; for a key of the version before give --previous"
			}
			return hintf(hint, "%s may not sign root version %d", source, r.Version)
		}
	}
	if err := a.saveDocument(path, r.Document); err != nil {
		return err
	}
	a.printf("\n")
	return a.printTallies(r, old)
}

func (a *app) rootMerge() *cobra.Command {
	c := &cobra.Command{
		Use: "merge FILE COPY…", Short: "take over signatures from copies of a root",
		Long:    "Take over signatures from copies of a root that were signed elsewhere. Copies of anything else are refused.",
		Example: "  pubsys root merge roots/2.root.json from-alice/2.root.json from-bob/2.root.json",
		Args:    arguments(cobra.MinimumNArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := readRoot(args[0])
			if err != nil {
				return err
			}
			for _, path := range args[1:] {
				other, err := readRoot(path)
				if err != nil {
					return err
				}
				if err := r.Document.Merge(other.Document); err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
			}
			if err := a.saveDocument(args[0], r.Document); err != nil {
				return err
			}
			return a.printTallies(r, before(args[0], r.Version))
		},
	}
	return c
}

func (a *app) rootShow() *cobra.Command {
	var previous string
	c := &cobra.Command{
		Use: "show FILE", Short: "show what a root says and who has signed it",
		Long:    "Show what a root says, what it changes, and who has signed it. It fails if signatures are missing.",
		Example: "  pubsys root show roots/2.root.json",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			r, old, err := a.present(args[0], previous)
			if err != nil {
				return err
			}
			a.printf("\n")
			if err := a.printTallies(r, old); err != nil {
				return err
			}
			return r.Signed(old)
		},
	}
	previousFlag(c, &previous)
	return c
}

// present reads a root, finds the one before it, and prints what a signer is about to vouch for.
func (a *app) present(path, previous string) (publish.RootFile, *publish.Root, error) {
	r, err := readRoot(path)
	if err != nil {
		return r, nil, err
	}
	old, err := predecessor(path, previous, r)
	if err != nil {
		return r, nil, err
	}
	return r, old, a.showRoot(r, old)
}

// showRoot prints what a signer is about to vouch for.
func (a *app) showRoot(r publish.RootFile, old *publish.Root) error {
	form, err := tufrepo.Canonical(r.Document.Signed)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "root version %d\n  expires       %s\n  signed bytes  sha256 %x\n", r.Version, cli.Time(r.Expires), sha256.Sum256(form))
	for _, role := range publish.Roles {
		of := r.Roles[role]
		fmt.Fprintf(&b, "  %-12s  %d of these %d\n", role, of.Threshold, len(of.KeyIDs))
		for _, id := range of.KeyIDs {
			fmt.Fprintf(&b, "    %s  %s\n", publish.ShortID(id), r.Keys[id].Kind())
		}
	}
	if old != nil {
		printChanges(&b, old, r.Root)
	}
	_, err = a.Out.Write(b.Bytes())
	return err
}

// printChanges tells in what a root differs from the one before.
func printChanges(w io.Writer, old, r *publish.Root) {
	fmt.Fprintf(w, "  changes since version %d\n", old.Version)
	changes := 0
	say := func(format string, args ...any) {
		changes++
		fmt.Fprintf(w, "    "+format+"\n", args...)
	}
	for _, role := range publish.Roles {
		was, is := old.Roles[role], r.Roles[role]
		for _, id := range was.KeyIDs {
			if !slices.Contains(is.KeyIDs, id) {
				say("%s: without %s", role, publish.ShortID(id))
			}
		}
		for _, id := range is.KeyIDs {
			if !slices.Contains(was.KeyIDs, id) {
				say("%s: with %s", role, publish.ShortID(id))
			}
		}
		if was.Threshold != is.Threshold {
			say("%s: threshold %d, was %d", role, is.Threshold, was.Threshold)
		}
	}
	if changes == 0 {
		say("none but the version and the time")
	}
}

// printTallies tells who has signed and who has not.
func (a *app) printTallies(r publish.RootFile, old *publish.Root) error {
	for _, ring := range r.Rings(old) {
		t, err := ring.Tally(r.Document)
		if err != nil {
			return err
		}
		state := "enough"
		if !t.Enough() {
			state = fmt.Sprintf("still missing: %d of %s", t.Threshold-len(t.Signed), shortIDs(t.Missing))
		}
		by := "nobody"
		if len(t.Signed) > 0 {
			by = shortIDs(t.Signed)
		}
		a.printf("signed with the root keys of version %d by %s: %d of %d, %s\n", ring.Version, by, len(t.Signed), t.Threshold, state)
	}
	if old == nil && r.Version > 1 {
		a.printf("signatures by the root keys of version %d were not counted: --previous names that root\n", r.Version-1)
	}
	return nil
}

func shortIDs(ids []string) string {
	short := []string{}
	for _, id := range ids {
		short = append(short, publish.ShortID(id))
	}
	return strings.Join(short, ", ")
}
