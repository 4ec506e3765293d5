package apiclient

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
)

const updateHelp = `Updates the operating system: looks for a release, writes it into the spare slot,
makes that boot next. 'update status' tells how far that is, what happens next
and why not sooner.

  apiclient update check                 is there one?
  apiclient update apply --check         look, and if there is one, apply it
  apiclient update apply --reboot        …and reboot into it
  apiclient update cancel                take it back, or stop what is under way`

func newUpdate(a *app) *cobra.Command {
	c := family(&cobra.Command{Use: "update COMMAND", Short: "update the operating system", Long: updateHelp},
		newUpdateCheck(a), newUpdateApply(a), newUpdateCancel(a), newUpdateStatus(a), newUpdateHistory(a))
	return c
}

// updateOutput is the option -o of commands that print for people on a terminal,
// and elsewhere JSON as the reference does.
type updateOutput struct{ cli.Format }

func addUpdateOutput(c *cobra.Command) *updateOutput {
	o := new(updateOutput)
	c.Flags().VarP(o, "output", "o", "print as `FORMAT`: "+strings.Join(cli.Formats, ", ")+" (default table on a terminal, else json)")
	c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(cli.Formats, cobra.ShellCompDirectiveNoFileComp))
	return o
}

func (o updateOutput) on(w io.Writer) cli.Format {
	switch {
	case o.Format != "":
		return o.Format
	case cli.IsTerminal(w):
		return cli.FormatTable
	}
	return cli.FormatJSON
}

func newUpdateCheck(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "check", Short: "look for updates",
		Long: `Asks the repository for releases, and tells what is offered to this host and what
is not, and why. Elsewhere than on a terminal it prints the state of updates as
JSON, as GET /updates/status has it.`,
		Example: "  apiclient update check\n  apiclient update check -o json",
		Args:    noArguments,
	}
	o := addUpdateOutput(c)
	c.RunE = runE(func(ctx context.Context, _ []string) error {
		status, err := a.command(ctx, refresh)
		if err == nil {
			err = a.printStatus(ctx, status, o.on(a.Out))
		}
		if err != nil {
			return failed("Failed to check for updates", err)
		}
		return nil
	})
	return c
}

func newUpdateApply(a *app) *cobra.Command {
	var check, force, reboot bool
	c := &cobra.Command{
		Use: "apply", Short: "write the chosen update and boot it next",
		Long: `Writes the release that the last look for updates has chosen into the spare slot,
and makes it boot next. One that is there already is not written again. Ctrl-C
ends the waiting, not the update; 'update cancel' stops it.`,
		Example: "  apiclient update apply --check --reboot",
		Args:    noArguments,
		RunE: runE(func(ctx context.Context, _ []string) error {
			if err := a.applyUpdate(ctx, check, force, reboot); err != nil {
				return failed("Failed to apply update", err)
			}
			return nil
		}),
	}
	c.Flags().BoolVarP(&check, "check", "c", false, "look for updates first")
	c.Flags().BoolVar(&force, "force", false, "boot it next although its migrations fail on a copy of the settings")
	c.Flags().BoolVarP(&reboot, "reboot", "r", false, "reboot when it is applied")
	return c
}

func (a *app) applyUpdate(ctx context.Context, check, force, reboot bool) error {
	if check {
		status, err := a.command(ctx, refresh)
		switch {
		case err != nil:
			return err
		case status.State == api.UpdateIdle:
			a.note("No updates available.")
			return nil
		case status.State == api.UpdateReady:
			a.note("Update already applied; reboot for it to take effect, or request a cancel.")
			return nil
		}
	}
	if err := a.prepareUpdate(ctx); err != nil {
		return err
	}
	activate := activate
	if force {
		activate.uri += "?force=true"
	}
	status, err := a.command(ctx, activate)
	if err != nil {
		return err
	}
	if reboot {
		return a.reboot(ctx, api.RebootCareful)
	}
	if s := status.Staging; s != nil && s.Image != nil {
		a.note("%s boots next; 'apiclient reboot' reboots into it", s.Image.Version)
	}
	return nil
}

// prepareUpdate writes the chosen release, unless it has been written already.
func (a *app) prepareUpdate(ctx context.Context) error {
	status, _, err := a.updateStatus(ctx)
	if err == nil && status != nil && status.State == api.UpdateStaged && status.Chosen != nil && *status.Chosen == *status.Staging.Image {
		a.note("%s is in the spare slot already", status.Chosen.Version)
		return nil
	}
	if _, err := a.command(ctx, prepare); err != nil {
		return wordf(err, "Failed to prepare update.  This could mean that we don't have a list of updates yet: "+
			"'apiclient update check' gets one; or that an update is applied already: reboot, or 'apiclient update cancel'.  Detail: %s", message(err))
	}
	return nil
}

func newUpdateCancel(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "cancel", Short: "take an applied update back, before the reboot, or stop one that is under way",
		Long: `Stops the update that is being written, or, if none is, makes the running slot boot
next again. What was fetched or written is used when the update is tried again.
Elsewhere than on a terminal it prints the state of updates as JSON.`,
		Args: noArguments,
	}
	o := addUpdateOutput(c)
	c.RunE = runE(func(ctx context.Context, _ []string) error {
		status, err := a.cancelUpdate(ctx)
		if err == nil {
			err = a.printStatus(ctx, status, o.on(a.Out))
		}
		if err != nil {
			return failed("Failed to cancel update", err)
		}
		return nil
	})
	return c
}

func (a *app) cancelUpdate(ctx context.Context) (*api.UpdateStatus, error) {
	before, busy, err := a.updateStatus(ctx)
	if err != nil || !busy {
		return a.command(ctx, deactivate)
	}
	if err := a.client().CancelUpdate(ctx); err != nil {
		return nil, wordf(err, "Failed to stop what is under way: %s", message(err))
	}
	status, err := a.await(ctx, stopping, before)
	if err == nil && status.State == api.UpdateReady {
		return a.command(ctx, deactivate) // it was done before it could be stopped
	}
	if err == nil && status.Command != nil {
		a.note("%s was stopped: %s", status.Command.Type, strings.TrimSuffix(status.Command.Stderr, "\n"))
	}
	return status, err
}

// printStatus prints what the reference prints: the status as JSON with sorted
// members; people get all that is known.
func (a *app) printStatus(ctx context.Context, s *api.UpdateStatus, f cli.Format) error {
	if f == cli.FormatTable {
		overview, err := a.client().Updates(ctx)
		if err != nil {
			return err
		}
		return f.Print(a.Out, nil, func(w io.Writer) { printUpdates(w, overview, time.Now()) })
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	var sorted map[string]any
	if err := json.Unmarshal(text, &sorted); err != nil {
		return err
	}
	return f.Print(a.Out, sorted, nil)
}

func newUpdateStatus(a *app) *cobra.Command {
	return question(&cobra.Command{
		Use: "status", Short: "tell how far an update is, what happens next, and why not sooner", Args: noArguments,
	}, "Failed to get status of updates", func(ctx context.Context, _ []string) (*api.Updates, error) {
		return a.client().Updates(ctx)
	}, func(w io.Writer, u *api.Updates) { printUpdates(w, u, time.Now()) })
}

func newUpdateHistory(a *app) *cobra.Command {
	return question(&cobra.Command{
		Use: "history", Short: "list the updates that were tried on this host, and what became of them", Args: noArguments,
	}, "Failed to get history of updates", func(ctx context.Context, _ []string) ([]api.UpdateAttempt, error) {
		return a.client().UpdateHistory(ctx)
	}, cli.Attempts)
}

// reboot asks for a reboot, which what is in hand holds back unless it is forced.
func (a *app) reboot(ctx context.Context, mode string) error {
	if err := a.client().Reboot(ctx, mode); err != nil {
		return err
	}
	a.note("Rebooting, goodbye...")
	return nil
}
