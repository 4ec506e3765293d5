package apiclient

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

const unsetHelp = `Takes back what was set, all of it together or none.

Of each KEY the value of one layer is removed, user unless --layer names
another, so that the next one shows: user data, then what was generated, then
the default of the image. A key above others takes all of them back. What has
no value of its own in that layer is left out; if that is all, nothing happens.`

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
		return changeFailed("Failed to change settings", a.unset(ctx, args, o))
	})
	return c
}

// unset leaves out keys that have nothing to take back. If that is all of them,
// there is no change.
func (a *app) unset(ctx context.Context, names []string, o *changeOptions) error {
	from := cmp.Or(api.Layer(o.layer), api.LayerUser)
	held, err := a.client().InLayer(ctx, from)
	if err != nil {
		return err
	}
	var keys []string
	for _, name := range names {
		k, err := a.heldKey(ctx, held, name)
		if err != nil {
			return err
		}
		if k == "" {
			a.note("%s has no value of its own in layer %s: there is nothing to unset", name, from)
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil
	}
	return a.change(ctx, api.ChangeRequest{Unset: keys}, o)
}

// heldKey is the key by which a layer has a value for name or for what is below
// it, which is another one if name is an alias; empty if there is none. A key
// without a value must be one that the model knows.
func (a *app) heldKey(ctx context.Context, held map[string]api.Origin, name string) (string, error) {
	if holds(held, settingKey(name)) {
		return name, nil
	}
	known, err := a.client().Explain(ctx, name)
	switch {
	case err != nil:
		return "", err
	case holds(held, key.Key(known.Key)):
		return known.Key, nil
	}
	return "", nil
}

func holds(held map[string]api.Origin, k key.Key) bool {
	for own := range held {
		if key.Key(own).Within(k) {
			return true
		}
	}
	return false
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
