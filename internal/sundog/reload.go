package sundog

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/bootlog"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/userdata"
)

func newUserData(a *app) *cobra.Command {
	c := &cobra.Command{Use: "userdata COMMAND", Short: "load user data again", Args: cobra.ArbitraryArgs, RunE: clihelp.NoCommand}
	var dry bool
	format := cli.FormatTable
	reload := &cobra.Command{
		Use: "reload", Short: "fetch user data again and apply what changed",
		Long: `Fetches user data from all providers again, checks it, and makes it the layer
user-data: what it no longer has is unset there. Settings that were made through
the API stay, they come before user data. Settings that were generated from what
changed are generated anew. If applying fails, all of it is undone.`,
		Example: "  sundog userdata reload --dry-run\n  sundog userdata reload",
		Args:    clihelp.NoArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return a.reload(c.Context(), dry, format) },
	}
	reload.Flags().BoolVar(&dry, "dry-run", false, "only show what would change")
	clihelp.Output(reload, &format)
	c.AddCommand(reload)
	return c
}

func (a *app) reload(ctx context.Context, dry bool, format cli.Format) error {
	b, err := a.newChain()
	if err != nil {
		return err
	}
	b.reloading, b.names = true, []string{api.PhaseUserData, api.PhaseGenerators, api.PhaseApply}
	if dry {
		return b.planReload(ctx, a.Out, format)
	}
	b.name = name + " userdata reload"
	b.report = bootlog.Begin(a.root, b.report.Report)
	b.save(true)
	err = b.phase(ctx, api.PhaseUserData, (*chain).reloadUserData)
	if err == nil && len(b.changed) > 0 {
		if err = b.phase(ctx, api.PhaseGenerators, (*chain).generators); err == nil {
			err = b.phase(ctx, api.PhaseApply, (*chain).apply)
		}
	}
	b.finish(ctx)
	if err == nil {
		err = format.Print(a.Out, b.report.Report, func(w io.Writer) { cli.PrintBoot(w, b.report.Report) })
	}
	return err
}

// reloadUserData makes what the providers have the layer user-data, as one change.
func (b *chain) reloadUserData(ctx context.Context, p *api.BootPhase) error {
	request, err := b.replacement(ctx, p)
	if err != nil {
		return err
	}
	if len(request.Unset) == 0 && string(request.Settings) == "{}" {
		p.State, p.Summary = api.BootSkipped, "no provider has user data, and none was loaded before"
		return nil
	}
	change, err := b.client.Submit(ctx, request, waitForChange)
	if err != nil {
		return err
	}
	p.Change = change.ID
	p.Summary += fmt.Sprintf("; %s unset", count(len(request.Unset), "setting", "settings"))
	if change.State != api.StateDone {
		return &api.Error{Code: api.CodeApplyFailed, Message: fmt.Sprintf("change %d is %s", change.ID, change.State), Hint: fmt.Sprintf("apiclient changes %d tells why", change.ID)}
	}
	for _, edit := range change.Plan.Edits {
		if k, err := key.Parse(edit.Key); err == nil && string(edit.Before) != string(edit.After) {
			b.changed = append(b.changed, k)
		}
	}
	b.mark()
	return nil
}

// replacement is the change that makes the layer user-data what providers have.
func (b *chain) replacement(ctx context.Context, p *api.BootPhase) (api.ChangeRequest, error) {
	request := api.ChangeRequest{Layer: api.LayerUserData}
	documents, pairs, err := b.checkAll(ctx, p)
	b.summarise(p, documents)
	if err != nil {
		return request, err
	}
	var merged []*userdata.Document
	for _, d := range documents {
		merged = append(merged, d.document)
	}
	if request.Settings, err = userdata.JSON(userdata.Merge(merged...)); err != nil {
		return request, err
	}
	request.Unset, err = b.leftovers(ctx, pairs)
	return request, err
}

// leftovers are the keys of the layer user-data that user data no longer has.
func (b *chain) leftovers(ctx context.Context, pairs []key.Pair) ([]string, error) {
	layer, err := b.client.InLayer(ctx, api.LayerUserData)
	if err != nil {
		return nil, err
	}
	for _, pair := range pairs {
		delete(layer, pair.Key.String())
	}
	var rest []string
	for k := range layer {
		rest = append(rest, k)
	}
	slices.Sort(rest)
	return rest, nil
}

// checkAll checks all documents without loading any; pairs are the settings of all.
func (b *chain) checkAll(ctx context.Context, p *api.BootPhase) (sources []source, pairs []key.Pair, failure error) {
	m, err := b.model()
	if err != nil {
		return nil, nil, err
	}
	for _, r := range b.gather(ctx) {
		d := describe(r)
		switch {
		case r.Err != nil:
			failure = firstError(failure, b.refuse(p, &d, providerFailed(r)))
		case r.Document != nil:
			failure = firstError(failure, b.checkOne(p, r.Document, &d, m.ParseTree))
		}
		if r.Document != nil && d.State != api.BootFailed {
			sources = append(sources, source{r.Provider, r.Document})
			more, err := m.ParseTree(r.Document.Settings)
			failure = firstError(failure, err)
			pairs = append(pairs, more...)
		}
		p.Documents = append(p.Documents, d)
	}
	return sources, pairs, failure
}

func (b *chain) checkOne(p *api.BootPhase, doc *userdata.Document, d *api.BootDocument, check userdata.Check) error {
	_, problems := doc.Lint(check)
	d.Problems = slices.DeleteFunc(problems, func(p api.Problem) bool { return p.Severity != api.SeverityError })
	switch {
	case len(d.Problems) == 0:
		return nil
	case b.config.Lenient:
		d.Problems, d.State = doc.Salvage(check), api.BootDegraded
		return nil
	}
	return b.refuse(p, d, refusal(d))
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (b *chain) planReload(ctx context.Context, w io.Writer, format cli.Format) error {
	request, err := b.replacement(ctx, &api.BootPhase{})
	if err != nil {
		return err
	}
	plan, err := b.client.Plan(ctx, request)
	if err != nil {
		return err
	}
	return format.Print(w, plan, func(w io.Writer) {
		plan.Edits = slices.DeleteFunc(plan.Edits, cli.SameValue) // the whole layer is set anew
		cli.PrintPlan(w, plan)
	})
}
