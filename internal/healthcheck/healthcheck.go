// Package healthcheck is the program hostler health: it judges whether the host
// booted well, tells the report, and leaves a slot that booted badly.
//
// [Run] is the whole program. What is judged and what a judgement leads to is
// the affair of package health; here it meets the slots, the journal of updates
// and the reboot. The units that call it stand in packaging/systemd, and
// docs/boot.md tells how they hang together.
package healthcheck

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/health"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
	"github.com/hostler-os/hostler/internal/slot"
)

const name = "health"

// exitBad is the exit code of a host that is not well.
const exitBad = 1

const about = `Judges whether this host has booted well: no unit of systemd has failed, the API
answers, settings came together, and every check of the image
(/usr/lib/hostler/health.d) and of the operator (/etc/hostler/health.d) exits 0.

Without a command it judges now, and prints the report.

Exit codes: 0 the host is well; 1 it is not, or the command failed; 2 wrong usage.`

// app is one run of the program: its streams and options.
type app struct {
	cli.Streams
	root   paths.Root
	socket string
	format cli.Format
	disk   string
	active string
	log    *slog.Logger
}

// Run is a cli.Program.
func Run(ctx context.Context, args []string, s cli.Streams) int {
	c := newCommand(&app{Streams: s, root: paths.Host, format: cli.FormatTable, log: cli.NewPlainLog(s.Err, slog.LevelInfo)})
	c.SetArgs(args[min(1, len(args)):])
	return cli.Report(s.Err, "hostler "+name, c.ExecuteContext(ctx))
}

func newCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use: name, Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "hostler " + name}, Short: "judge whether the host has booted well", Long: about,
		Version: cli.Version(), SilenceErrors: true, SilenceUsage: true, Args: clihelp.NoArguments,
		Example:           "  hostler health\n  hostler health history -o json",
		RunE:              func(c *cobra.Command, _ []string) error { return a.now(c.Context()) },
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(clihelp.UsageError)
	clihelp.Use(root)
	f := root.PersistentFlags()
	f.Func("root", "work below this folder, such as a sandbox: `DIR` (default /)", cli.SetRoot(&a.root))
	f.StringVar(&a.socket, "socket-path", "", "socket of the API `PATH` (default run/api.sock below the root)")
	f.VarP(&a.format, "output", "o", "print as `FORMAT`: table, json, yaml")
	f.StringVar(&a.disk, "disk", "", "a disk or an image `FILE` that counts as the host's")
	f.StringVar(&a.active, "active", "", "the `SLOT` on it that counts as the running one: A or B")
	for _, sub := range []struct {
		name, does string
		run        func(*app, context.Context) error
	}{
		{"history", "print the reports of the last boots", (*app).history},
		{"boot", "judge this boot, and keep the report: for the units", (*app).boot},
		{"fall-back", "leave a slot that booted badly: for the units", (*app).fallBack},
	} {
		root.AddCommand(&cobra.Command{
			Use: sub.name, Short: sub.does, Args: clihelp.NoArguments,
			RunE: func(c *cobra.Command, _ []string) error { return sub.run(a, c.Context()) },
		})
	}
	clihelp.CompleteValues(root)
	return root
}

// host is what the checks look at. A policy that cannot be read is told of and
// otherwise as if it were not there: it must not make a good boot a bad one.
func (a *app) host() health.Host {
	policy, err := health.LoadPolicy(a.root)
	if err != nil {
		a.log.Warn("part of the health policy is ignored", "err", err)
	}
	socket := a.socket
	if socket == "" {
		socket = a.root.Socket()
	}
	h := health.Host{Root: a.root, Socket: socket, BootID: bootID(), Policy: policy, Units: service.FailingUnits}
	if !a.root.IsHost() { // neither systemd nor anything that it would still start is that root's
		h.Units, h.Policy.Patience = nil, 0
	}
	if release, err := osrelease.Read(a.root); err == nil {
		h.Version = release.VersionID
	}
	return h
}

func bootID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}

// judge asks all checks and says which image and slot it was.
func (a *app) judge(ctx context.Context, h health.Host) health.Report {
	checks, err := health.Checks(h)
	if err != nil {
		a.log.Error("not all checks can be asked", "err", err)
		checks = append(checks, health.Check{Name: "checks", Ask: func(context.Context) health.Result {
			return health.Result{State: health.Bad, Message: err.Error()}
		}})
	}
	r := health.Judge(ctx, h, checks)
	r.Version = h.Version
	if sets, err := a.sets(ctx); err == nil {
		r.Slot = sets.Active.String()
	}
	return r
}

// slots is the disk with the slots: the root's, or the one that the options name.
func (a *app) slots() (*slot.Disk, error) {
	return slot.Named(a.root, a.disk, a.active)
}

func (a *app) sets(ctx context.Context) (slot.Sets, error) {
	disk, err := a.slots()
	if err != nil {
		return slot.Sets{}, err
	}
	return disk.Sets(ctx)
}

func (a *app) now(ctx context.Context) error {
	h := a.host()
	h.Policy.Patience = 0
	r := a.judge(ctx, h)
	if err := a.print(r); err != nil {
		return err
	}
	return verdict(r)
}

// verdict is an error for a host that is not well.
func verdict(r health.Report) error {
	if r.State == health.Good {
		return nil
	}
	return &cli.ExitError{Code: exitBad, Err: fmt.Errorf("the host is not well: %s", cli.OneLine(r.Blame()))}
}
