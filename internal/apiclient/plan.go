package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
)

const planHelp = `Shows what a change would do, and does nothing: the settings that would differ,
the files that would be written and how they would differ, the services that
would be restarted and why, and what to look out for.

Arguments are KEY=VALUE as for 'set', or URIs of documents as for 'apply'.
Without any, it is about the settings that are pending in a transaction.`

const diffHelp = `Shows how settings and files would differ after a change, as a unified diff, and
does nothing. Against 'plan' it leaves out services, and prints files that would
change and nothing else, so that the output can be kept or fed to other tools;
warnings, as of files that were edited by hand, go to standard error.

Arguments are KEY=VALUE as for 'set', or URIs of documents as for 'apply'.
Without any, it compares the settings that are pending in a transaction with
those in effect.`

type planOptions struct {
	unset       []string
	transaction string
	layer       layer
	output      cli.Format
}

func newPlan(a *app) *cobra.Command {
	return planCommand(a, cli.PrintPlan, &cobra.Command{
		Use:     "plan [KEY=VALUE…] [URI…]",
		Short:   "show what a change would do",
		Long:    planHelp,
		Example: "  apiclient plan motd=hello\n  apiclient plan file:///etc/new.toml --unset ntp",
	})
}

func newDiff(a *app) *cobra.Command {
	show := func(w io.Writer, p *api.Plan) {
		cli.PrintDiff(w, p)
		a.warn(p)
	}
	return planCommand(a, show, &cobra.Command{
		Use:     "diff [KEY=VALUE…] [URI…]",
		Short:   "show how settings and files would differ",
		Long:    diffHelp,
		Example: "  apiclient diff\n  apiclient diff motd=hello\n  apiclient diff - < settings.toml",
	})
}

func planCommand(a *app, show func(io.Writer, *api.Plan), c *cobra.Command) *cobra.Command {
	o := planOptions{output: cli.FormatTable}
	f := c.Flags()
	f.StringArrayVar(&o.unset, "unset", nil, "also take `KEY` back; may be repeated")
	f.StringVar(&o.transaction, "tx", "", "also commit what is pending in transaction `NAME` (\"default\" when nothing else is given)")
	f.Var(&o.layer, "layer", "where to store: user, user-data or generated (default user)")
	c.RegisterFlagCompletionFunc("layer", cobra.FixedCompletions(layers, cobra.ShellCompDirectiveNoFileComp))
	c.RegisterFlagCompletionFunc("unset", a.completeKeys(""))
	clihelp.Output(c, &o.output)
	c.Args = cobra.ArbitraryArgs
	c.ValidArgsFunction = a.completeKeys("=")
	c.RunE = runE(func(ctx context.Context, args []string) error {
		r, err := a.planRequest(ctx, args, o)
		if err != nil {
			return changeFailed("Failed to plan the change", err)
		}
		return a.planAs(ctx, r, o.output, show)
	})
	return c
}

func (a *app) planRequest(ctx context.Context, args []string, o planOptions) (r api.ChangeRequest, err error) {
	r = api.ChangeRequest{Unset: o.unset, Transaction: o.transaction, Layer: api.Layer(o.layer)}
	if err := checkKeys(o.unset); err != nil {
		return r, err
	}
	var sources []string
	for _, arg := range args {
		if isSource(arg) {
			sources = append(sources, arg)
			continue
		}
		r.Pairs = append(r.Pairs, arg)
	}
	if err := checkPairs(r.Pairs); err != nil {
		return r, err
	}
	if len(sources) > 0 {
		r.Settings, err = a.loadCombined(ctx, sources)
	}
	if len(args) == 0 && len(o.unset) == 0 && r.Transaction == "" {
		r.Transaction = "default"
	}
	return r, err
}

// isSource tells URIs from pairs: no key has a colon.
func isSource(arg string) bool {
	before, _, _ := strings.Cut(arg, "=")
	return arg == "-" || strings.Contains(before, ":")
}

func (a *app) loadCombined(ctx context.Context, sources []string) (json.RawMessage, error) {
	documents, err := a.load(ctx, sources)
	if err != nil {
		return nil, err
	}
	return combined(documents)
}

func (a *app) planAs(ctx context.Context, r api.ChangeRequest, f cli.Format, show func(io.Writer, *api.Plan)) error {
	p, err := a.client().Plan(ctx, r)
	if e, ok := errors.AsType[*api.Error](err); ok && e.Code == api.CodeNothingPending {
		return a.nothingPending(ctx, r.Transaction)
	}
	if err != nil {
		return failed("Failed to plan the change", err)
	}
	return a.showPlan(p, f, show)
}

// warn tells what to look out for, aside from the result.
func (a *app) warn(p *api.Plan) {
	for _, text := range p.Warnings {
		fmt.Fprintf(a.Err, "warning: %s\n", cli.OneLine(text))
	}
}

// plan serves --dry-run.
func (a *app) plan(ctx context.Context, r api.ChangeRequest, f cli.Format) error {
	p, err := a.client().Plan(ctx, r)
	if err != nil {
		return err
	}
	return a.showPlan(p, f, cli.PrintPlan)
}

func (a *app) showPlan(p *api.Plan, f cli.Format, show func(io.Writer, *api.Plan)) error {
	return f.Print(a.Out, p, func(w io.Writer) { show(w, p) })
}

// nothingPending is no error: a comparison without differences.
func (a *app) nothingPending(ctx context.Context, transaction string) error {
	a.note("nothing is pending in transaction '%s'", transaction)
	var names []string
	if body, err := a.client().Request(ctx, http.MethodGet, "/tx/list", nil); err == nil && json.Unmarshal(body, &names) == nil && len(names) > 0 {
		slices.Sort(names)
		a.note("hint: there are transactions that --tx can name: %s", strings.Join(names, ", "))
	}
	return nil
}
