package signpost

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/slot"
)

// subcommand is one of the sub-commands; change is nil for those with a run of their own.
type subcommand struct {
	name, does string
	change     slot.Change
	run        func(*app, context.Context) error
}

var subcommands = []subcommand{
	{"status", "print the sets, their flags, which runs and which boots next", nil, (*app).status},
	{"clear-inactive", "make the inactive set never boot: an update is about to be written there", slot.ClearInactive, nil},
	{"mark-inactive-valid", "give the inactive set one try: an update is written there", slot.MarkInactiveValid, nil},
	{"upgrade-to-inactive", "boot the inactive set next, which must be valid", slot.UpgradeToInactive, nil},
	{"cancel-upgrade", "take upgrade-to-inactive back: boot the active set next", slot.CancelUpgrade, nil},
	{"rollback-to-inactive", "boot the former system, in the inactive set, next", slot.RollbackToInactive, nil},
	{"mark-successful-boot", "note that the running set has booted well", slot.MarkSuccessfulBoot, nil},
	{"has-boot-ever-succeeded", "print true if any set has ever booted well, else nothing", nil, (*app).everSucceeded},
	{"rewrite-table", "repair a damaged copy of the partition table, if there is one", slot.Keep, nil},
	{"simulate-boot", "take a try off the set that would boot, as the boot loader does; only with --disk", nil, (*app).simulateBoot},
}

func (sub subcommand) command(a *app) *cobra.Command {
	return &cobra.Command{
		Use: sub.name, Short: sub.does,
		Args: cobra.ArbitraryArgs, // further arguments are ignored, as with the reference
		RunE: func(c *cobra.Command, _ []string) error {
			if sub.run != nil {
				return sub.run(a, c.Context())
			}
			return a.change(c.Context(), sub.change)
		},
	}
}

func (a *app) change(ctx context.Context, change slot.Change) error {
	disk, err := a.open()
	if err != nil {
		return err
	}
	_, err = disk.Change(ctx, change)
	return err
}

func (a *app) everSucceeded(ctx context.Context) error {
	disk, err := a.open()
	if err != nil {
		return err
	}
	status, err := disk.Status(ctx)
	if err != nil || !status.EverGood {
		return err
	}
	_, err = fmt.Fprintln(a.Out, "true")
	return err
}

func (a *app) status(ctx context.Context) error {
	disk, err := a.open()
	if err != nil {
		return err
	}
	status, err := disk.Status(ctx)
	if err != nil {
		return err
	}
	if status.Damage != "" {
		fmt.Fprintf(a.Err, "%s: warning: %s\nhint: rewrite-table repairs it from the other copy\n", name, status.Damage)
	}
	return a.format.Print(a.Out, status, func(w io.Writer) { printStatus(w, status) })
}

// printStatus writes the reference's form.
func printStatus(w io.Writer, s slot.Status) {
	fmt.Fprintf(w, "OS disk: %s\n", s.Disk)
	for _, set := range s.Sets {
		fmt.Fprintf(w, "Set %s:   boot=%s root=%s hash=%s priority=%d tries_left=%d successful=%t\n",
			set.Name, set.Boot, set.Root, set.Hash, set.Priority, set.TriesLeft, set.Successful)
	}
	next := "None"
	if s.Next != nil {
		next = "Set " + *s.Next
	}
	fmt.Fprintf(w, "Active:  Set %s\nNext:    %s\n", s.Active, next)
}

func (a *app) simulateBoot(ctx context.Context) error {
	if a.disk == "" && a.root.IsHost() {
		return wrongUsage("simulate-boot needs --disk: on the running host, the boot loader does it")
	}
	disk, err := a.open()
	if err != nil {
		return err
	}
	var booted slot.State
	_, err = disk.Change(ctx, func(s slot.State) (slot.State, error) {
		var ok bool
		if booted, ok = s.Boot(); !ok {
			return s, fmt.Errorf("nothing on %s boots: no set has a priority and either tries left or a successful boot", disk.Path)
		}
		return booted, nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "Booted:  Set %s\n", booted.Active)
	return err
}

const options = `OPTIONS:
    --disk FILE     a disk or an image file that the host does not run from
    --active A|B    the set on it that is to count as the running one
    --root DIR      the disk of a sandbox: that of hostler sandbox disk FILE --for DIR
    -o, --output table|json|yaml
                    how status prints; the names in json and yaml stay
    -h, --help      print this
    --version       print the version

EXIT CODES:
    0   done, or printed
    1   failed, refused, or wrong usage; no flag was changed

Changes survive power loss at any moment, and nothing is written that is on the
disk already. docs/slots.md tells what the flags mean and how to try all this on
an image: hostler sandbox disk os.img --size 2G.`

// synopsis begins the usage, and what is told of a wrong command line, as the
// reference's whole usage does. Its first word is what scripts look for.
func synopsis(called string) string {
	return fmt.Sprintf("USAGE:\n    %s [OPTIONS] SUBCOMMAND\n", called)
}

// usage is the help text.
func usage(called string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nSUBCOMMANDS:\n", synopsis(called))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, sub := range subcommands {
		fmt.Fprintf(table, "    %s\t%s\n", sub.name, sub.does)
	}
	if called == name {
		fmt.Fprint(table, "    completion SHELL\tprint a completion script for your shell: bash, zsh or fish\n")
	}
	table.Flush()
	return b.String() + "\n" + options
}
