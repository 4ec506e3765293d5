package apiclient

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

const unsetHelp = `Takes back what was set, all of it together or none.

Of each KEY the value of one layer is removed, user unless --layer names
another, so that the next one shows: user data, then what was generated, then
the default of the image. A key above others takes all of them back.`

func newUnset(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:               "unset KEY…",
		Short:             "take settings back, to what they were without you",
		Long:              unsetHelp,
		Example:           "  apiclient unset motd\n  apiclient unset --dry-run ntp",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeKeys(""),
	}
	o := addChangeFlags(c)
	c.RunE = runE(func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return usagef("Must specify at least one key with 'unset'")
		}
		if err := checkKeys(args); err != nil {
			return err
		}
		return changeFailed("Failed to change settings", a.change(ctx, api.ChangeRequest{Unset: args}, o))
	})
	return c
}

func checkKeys(names []string) error {
	for _, name := range names {
		if _, err := key.Parse(name); err != nil {
			e := usagef("Given key '%s' is not a valid format", name)
			e.hint = keyProblem(err)
			return e
		}
	}
	return nil
}
