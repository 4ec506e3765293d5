package sundog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/bootlog"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/generate"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
)

// chain is one boot on its way through the phases.
type chain struct {
	*app
	config model.Boot
	client *client.Client
	log    *slog.Logger
	report *bootlog.Log

	refused   bool              // user data was: nothing is generated from what is known to be wrong
	names     []string          // of the phases to run
	reloading bool              // the host is running; only what changes is applied
	changed   []key.Key         // what user data has changed
	generated []generate.Result // of the last wave, still to be committed
	layers    map[key.Key]api.Layer
}

// phases are what a chain may do, in their order.
var phases = []struct {
	name string
	run  func(*chain, context.Context, *api.BootPhase) error
}{
	{api.PhaseUserData, (*chain).userData},
	{api.PhaseCommit, (*chain).commit},
	{api.PhaseGenerators, (*chain).generators},
	{api.PhaseApply, (*chain).apply},
}

const bootIDFile = "/proc/sys/kernel/random/boot_id"

// boot runs the named phases, or those of the variant, under one report.
func (a *app) boot(ctx context.Context, names []string) error {
	b, err := a.newChain()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = b.config.Phases
	}
	if err := checkPhases(names); err != nil {
		return err
	}
	return b.run(ctx, names)
}

func checkPhases(names []string) error {
	known := make([]string, len(phases))
	for i, p := range phases {
		known[i] = p.name
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("no phase '%s'; there are %s", name, strings.Join(known, ", "))}
		}
	}
	return nil
}

// only runs one phase as a program of its own.
func (a *app) only(ctx context.Context, phase string) error {
	b, err := a.newChain()
	if err != nil {
		return err
	}
	return b.run(ctx, []string{phase})
}

func (a *app) newChain() (*chain, error) {
	variant, config, err := a.variant()
	if err != nil {
		return nil, err
	}
	id, _ := os.ReadFile(bootIDFile) // without it a report is just not tied to its boot
	report := api.Boot{
		BootID: strings.TrimSpace(string(id)), Variant: variant, Version: cli.Version(),
		State: api.BootRunning, Started: time.Now().UTC(), Phases: []api.BootPhase{},
	}
	log := a.log()
	return &chain{app: a, config: config, client: a.client(log), log: log, report: &bootlog.Log{Report: report}}, nil
}

// run takes the phases in their order, whatever the order of the names. One
// that fails does not end the boot: later ones do what is still right to do,
// so that the host comes up as far as it can. The report and the exit code tell.
// Programs that run one phase each go on with the same report.
func (b *chain) run(ctx context.Context, names []string) error {
	b.names = names
	b.report = bootlog.Continue(b.root, b.report.Report, b.first())
	b.save(true)
	var failures []error
	for _, p := range phases {
		if b.has(p.name) && ctx.Err() == nil {
			if err := b.phase(ctx, p.name, p.run); err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", p.name, err))
			}
		}
	}
	if ctx.Err() != nil {
		failures = append(failures, context.Cause(ctx))
	}
	b.finish(ctx)
	return errors.Join(failures...)
}

func (b *chain) has(phase string) bool { return slices.Contains(b.names, phase) }

func (b *chain) first() string {
	for _, p := range phases {
		if b.has(p.name) {
			return p.name
		}
	}
	return ""
}

func (b *chain) phase(ctx context.Context, name string, run func(*chain, context.Context, *api.BootPhase) error) error {
	report := &b.report.Report
	report.Phases = append(report.Phases, api.BootPhase{
		Name: name, Program: b.name, State: api.BootRunning, Started: time.Now().UTC(),
	})
	p := &report.Phases[len(report.Phases)-1]
	b.save(false)
	err := run(b, ctx, p)
	p.Finished = time.Now().UTC()
	if p.State == api.BootRunning {
		p.State = api.BootDone
	}
	if err != nil {
		p.State = api.BootFailed
		p.Error = api.AsError(err)
	}
	b.tell(p)
	return err
}

// tell writes the phase's line to the journal.
func (b *chain) tell(p *api.BootPhase) {
	level := map[api.BootState]slog.Level{api.BootFailed: slog.LevelError, api.BootDegraded: slog.LevelWarn}[p.State]
	took := p.Finished.Sub(p.Started).Round(10 * time.Microsecond)
	args := []any{"phase", p.Name, "state", string(p.State), "took", took}
	if p.Summary != "" {
		args = append(args, "summary", p.Summary)
	}
	if p.Error != nil {
		args = append(args, "err", p.Error.Message)
	}
	b.log.Log(context.Background(), level, "boot phase ended", args...)
}

// finish gives the boot the worst state of its phases.
func (b *chain) finish(ctx context.Context) {
	report := &b.report.Report
	report.State = api.BootDone
	for _, p := range report.Phases {
		report.State = report.State.Worst(p.State)
		b.tellFailed(p.Settings)
	}
	if ctx.Err() != nil {
		report.State = api.BootInterrupted
	}
	report.Finished = time.Now().UTC()
	b.save(true)
}

// tellFailed writes to the journal which settings have no value, and why.
func (b *chain) tellFailed(settings []api.BootSetting) {
	for _, s := range settings {
		if s.State == api.BootFailed {
			b.log.Error("setting was not generated", "key", s.Key, "reason", s.Reason, "stderr", s.Stderr)
		}
	}
}

// save writes the report. A host whose disk is full boots on; the report is
// then in /run, and its lines are in the journal.
func (b *chain) save(durably bool) {
	if err := b.report.Save(durably); err != nil {
		b.log.Warn("boot report is not complete", "err", err)
	}
}

// Patience with an API server that is just being restarted.
const (
	patience        = 60 * time.Second
	patienceSandbox = 3 * time.Second
	firstPause      = 50 * time.Millisecond
	longestPause    = 2 * time.Second
)

// persist asks again while the server gives no answer: it may have been
// restarted, and finishes then what it had begun. What is asked for must bear
// to be asked for twice.
func (b *chain) persist(ctx context.Context, ask func(context.Context) error) error {
	limit := patience
	if !b.root.IsHost() {
		limit = patienceSandbox
	}
	var until time.Time // from the first answer that fails to come: one may take half an hour
	for pause := firstPause; ; {
		err := ask(ctx)
		if until.IsZero() {
			until = time.Now().Add(limit)
		}
		var unanswered *client.RequestError
		if !errors.As(err, &unanswered) || ctx.Err() != nil || time.Now().After(until) {
			return err
		}
		b.log.Warn("the API server does not answer, asking again", "err", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		case <-ctx.Done():
			return err
		}
	}
}

// count is a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
