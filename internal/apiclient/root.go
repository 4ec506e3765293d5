package apiclient

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
)

const rootHelp = `apiclient reads and changes the settings of this host through its API.

A change is checked, written, applied to files and services, and undone as a
whole if any of that fails. Without a command, "raw" is assumed.

  apiclient get motd                      show a setting
  apiclient explain motd                  what it means and what it accepts
  apiclient set motd="hello"              change it, now
  apiclient set --dry-run motd="hello"    only show what that would do
  apiclient set --try 5m ntp.time-servers='["192.0.2.1"]'
                                          undo it unless confirmed in time

Exit codes:
  0  success
  1  the request failed or was refused; unless it says otherwise, nothing was changed
  2  the command line is wrong
  3  the change failed or was taken back; everything is as it was before
  4  the change failed in part: it was kept, as --keep asked, or not all of it
     could be undone
  exec returns the exit code of the command that it ran.`

// The groups of commands in the help.
const (
	groupSettings = "settings"
	groupChanges  = "changes"
	groupHost     = "host"
	groupOther    = "other"
)

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:               "apiclient [OPTIONS] COMMAND",
		Short:             "read and change the settings of this host",
		Long:              rootHelp,
		Version:           cli.Version(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              cobra.ArbitraryArgs,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommandGroupID(groupOther)
	root.AddGroup(
		&cobra.Group{ID: groupSettings, Title: "Settings:"},
		&cobra.Group{ID: groupChanges, Title: "Changes:"},
		&cobra.Group{ID: groupHost, Title: "The host:"},
		&cobra.Group{ID: groupOther, Title: "Other:"},
	)
	addGlobals(a, root)
	addRawFlags(a, root)
	for _, name := range []string{"uri", "method", "data"} {
		root.Flags().Lookup(name).Hidden = true // they are shown with raw
	}
	addCommands(a, root)
	return root
}

func addGlobals(a *app, root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&a.socket, "socket-path", "s", "", "`PATH` of the socket of the API (default /run/api.sock)")
	f.StringVar(&a.root, "root", "", "use the socket below this folder, such as a sandbox: `DIR`/run/api.sock")
	f.Var(&a.level, "log-level", "what to tell on standard error: trace, debug, info, warn, error or off")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log level debug; raw also prints the status line")
	clihelp.Use(root)
}

func addCommands(a *app, root *cobra.Command) {
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupSettings, newGet(a), newSet(a), newUnset(a), newApply(a), newExplain(a), newLint(a))
	add(groupChanges, newPlan(a), newDiff(a), newConfirm(a), newUndo(a), newChanges(a), newHistory(a), newWatch(a))
	add(groupHost, newStatus(a), newWhoami(a), newReboot(a), newUpdate(a), newExec(a), newReport(a), newEphemeralStorage(a))
	add(groupOther, newRaw(a), newMan(root))
	add(groupOther, clihelp.Completion(root, "commands, options and keys;\nkeys come from the server."))
}

// runE fits functions that need no cobra to cobra.
func runE(run func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error { return run(c.Context(), args) }
}
