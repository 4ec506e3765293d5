package sundog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/userdata"
)

// userData stages what the providers have, at the first boot only.
func (b *chain) userData(ctx context.Context, p *api.BootPhase) error {
	if _, err := os.Stat(b.root.UserDataLoaded()); err == nil {
		p.State, p.Summary = api.BootSkipped, "loaded at an earlier boot; to load it again: sundog userdata reload"
		return nil
	}
	results := b.gather(ctx)
	documents, err := b.stageAll(ctx, p, results)
	b.summarise(p, documents)
	if err != nil {
		b.refused = true
		if b.has(api.PhaseCommit) {
			b.dropStaged(ctx)
		}
		return err
	}
	return nil
}

func (b *chain) gather(ctx context.Context) []userdata.Result {
	host := &userdata.Host{Root: b.root}
	endpoint := os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")
	if !b.root.IsSandbox() || endpoint != "" {
		host.IMDS = &userdata.IMDS{Endpoint: endpoint, Timeout: b.config.IMDSTimeout}
	}
	return userdata.Gather(ctx, host, b.config.Providers)
}

// stageAll stages the documents in their order. The first that is refused ends
// that, as in the reference, unless the variant is lenient.
func (b *chain) stageAll(ctx context.Context, p *api.BootPhase, results []userdata.Result) ([]source, error) {
	var staged []source
	var failure error
	for _, r := range results {
		d := describe(r)
		switch {
		case failure != nil && d.State == api.BootDone:
			d.State, d.Reason = api.BootSkipped, "a document before it was refused"
		case d.State == api.BootDone:
			if err := b.stageOne(ctx, r.Document, &d); err != nil {
				failure = b.refuse(p, &d, err)
			}
		case r.Err != nil:
			failure = errors.Join(failure, b.refuse(p, &d, providerFailed(r)))
		}
		if d.State == api.BootDone || d.State == api.BootDegraded && r.Document != nil {
			staged = append(staged, source{r.Provider, r.Document})
		}
		p.Documents = append(p.Documents, d)
	}
	return staged, failure
}

// refuse notes that a document is not loaded. It ends the phase, unless the
// variant is lenient; then it only costs the document.
func (b *chain) refuse(p *api.BootPhase, d *api.BootDocument, err error) error {
	d.State, d.Reason = api.BootFailed, err.Error()
	for _, problem := range d.Problems {
		b.log.Error("user data", "provider", d.Provider, "source", d.Source, "line", problem.Line, "column", problem.Column,
			"key", problem.Key, "problem", problem.Message, "hint", problem.Hint)
	}
	if b.config.Lenient {
		p.State = api.BootDegraded
		return nil
	}
	return err
}

// providerFailed words a provider's error as the reference does.
func providerFailed(r userdata.Result) error {
	hint := userdata.ProblemOf(r.Err).Hint
	return &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("Provider '%s' failed: %v", r.Provider, r.Err), Hint: hint}
}

// describe is a provider's result as the report tells it.
func describe(r userdata.Result) api.BootDocument {
	d := api.BootDocument{Provider: r.Provider, Source: r.Source, State: api.BootDone, Bytes: len(r.Raw), Took: r.Took, Reason: r.Reason}
	switch {
	case r.Err != nil:
		d.State = api.BootFailed
		d.Problems = []api.Problem{userdata.ProblemOf(r.Err)}
	case r.Document == nil:
		d.State = api.BootSkipped
	}
	return d
}

// stageOne stages a document. What is wrong with one that is refused is found
// out here, where the text is; a lenient variant stages the rest of it.
func (b *chain) stageOne(ctx context.Context, doc *userdata.Document, d *api.BootDocument) error {
	err := b.stage(ctx, doc)
	if err == nil {
		return nil
	}
	m, loadErr := b.model()
	if loadErr != nil {
		return errors.Join(err, loadErr)
	}
	_, problems := doc.Lint(m.ParseTree)
	d.Problems = slices.DeleteFunc(problems, func(p api.Problem) bool { return p.Severity != api.SeverityError })
	if len(d.Problems) == 0 {
		return err // not its fault
	}
	if !b.config.Lenient {
		return refusal(d)
	}
	d.Problems = doc.Salvage(m.ParseTree)
	d.State = api.BootDegraded
	return b.stage(ctx, doc)
}

func (b *chain) model() (*model.Model, error) {
	return model.Load(os.DirFS(b.root.Share()), b.report.Report.Variant)
}

// refusal is the error of a document's first problem.
func refusal(d *api.BootDocument) error {
	first := d.Problems[0]
	text := first.Message
	if first.Key != "" {
		text = first.Key + ": " + text
	}
	if first.Line > 0 {
		text = fmt.Sprintf("line %d, column %d: %s", first.Line, first.Column, text)
	}
	if more := len(d.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return &api.Error{Code: first.Code, Key: first.Key, Message: d.Source + ": " + text, Hint: first.Hint}
}

func (b *chain) stage(ctx context.Context, doc *userdata.Document) error {
	text, err := doc.JSON()
	if err != nil {
		return err
	}
	return b.persist(ctx, func(ctx context.Context) error { return b.client.Stage(ctx, launch, text) })
}

func (b *chain) dropStaged(ctx context.Context) {
	if err := b.persist(ctx, func(ctx context.Context) error { return b.client.Drop(ctx, launch) }); err != nil {
		b.log.Warn("staged settings stay pending", "transaction", launch, "err", err)
	}
}

// source is a document and where it is from.
type source struct {
	provider string
	document *userdata.Document
}

// summarise lists the settings that documents bring, each with the last provider that has it.
func (b *chain) summarise(p *api.BootPhase, staged []source) {
	from := map[string]string{}
	for _, s := range staged {
		for _, k := range leaves(nil, s.document.Settings) {
			from[k] = s.provider
		}
	}
	for _, k := range slices.Sorted(maps.Keys(from)) {
		p.Settings = append(p.Settings, api.BootSetting{Key: k, From: from[k], State: api.BootDone})
	}
	var providers []string
	for _, s := range staged {
		providers = append(providers, s.provider)
		if d := p.Documents[slices.IndexFunc(p.Documents, func(d api.BootDocument) bool { return d.Provider == s.provider })]; d.State == api.BootDegraded {
			p.State = api.BootDegraded
		}
	}
	switch {
	case len(providers) > 0:
		p.Summary = count(len(from), "setting", "settings") + " from " + strings.Join(providers, ", ")
	case p.State == api.BootRunning && !slices.ContainsFunc(p.Documents, func(d api.BootDocument) bool { return d.State == api.BootFailed }):
		p.State, p.Summary = api.BootSkipped, "no provider has user data"
	}
}

// leaves are the keys of all values in a tree.
func leaves(at []string, tree map[string]any) []string {
	var keys []string
	for name, v := range tree {
		here := append(slices.Clone(at), name)
		if below, ok := v.(map[string]any); ok {
			keys = append(keys, leaves(here, below)...)
			continue
		}
		if k, err := key.FromSegments(append([]string{"settings"}, here...)...); err == nil {
			keys = append(keys, k.String())
		}
	}
	return keys
}

// mark notes that user data has been loaded. Without the mark it is loaded
// again at the next boot, which does no harm.
func (b *chain) mark() {
	path := b.root.UserDataLoaded()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err := durable.WriteFile(durable.OS{}, path, nil, durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep}); err != nil {
		b.log.Warn("user data is not marked as loaded, the next boot loads it again", "err", err)
	}
}

// commit makes what is staged the layer user-data.
func (b *chain) commit(ctx context.Context, p *api.BootPhase) error {
	if b.refused {
		p.State, p.Summary = api.BootSkipped, "user data was refused"
		return nil
	}
	var keys []string
	err := b.persist(ctx, func(ctx context.Context) (err error) {
		keys, err = b.client.Commit(ctx, launch, "")
		return err
	})
	if err != nil {
		b.refused = true
		return err
	}
	if len(keys) == 0 {
		p.State, p.Summary = api.BootSkipped, "nothing was staged"
	} else {
		p.Summary = count(len(keys), "setting", "settings") + " committed"
	}
	for _, text := range keys {
		if k, err := key.Parse(text); err == nil {
			b.changed = append(b.changed, k)
		}
	}
	if b.staged() {
		b.mark()
	}
	return nil
}

// staged tells whether this boot has staged all user data there is, perhaps in
// another program.
func (b *chain) staged() bool {
	return slices.ContainsFunc(b.report.Report.Phases, func(p api.BootPhase) bool {
		return p.Name == api.PhaseUserData && slices.Contains([]api.BootState{api.BootDone, api.BootDegraded, api.BootSkipped}, p.State)
	})
}
