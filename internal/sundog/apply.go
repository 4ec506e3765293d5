package sundog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// waitForChange is how long applying everything may take.
const waitForChange = 30 * time.Minute

// apply commits what the generators made and has everything rendered and
// every service told, as one change.
func (b *chain) apply(ctx context.Context, p *api.BootPhase) error {
	var change *api.Change
	err := b.submitGenerated(b.generated, func(doc json.RawMessage) error {
		if doc == nil && b.reloading {
			return nil
		}
		request := api.ChangeRequest{Settings: doc, Layer: api.LayerGenerated, ApplyAll: !b.reloading, Keep: !b.reloading}
		return b.persist(ctx, func(ctx context.Context) (err error) {
			change, err = b.client.Submit(ctx, request, waitForChange)
			return err
		})
	})
	b.reportGenerated(err)
	if err != nil {
		return err
	}
	if change == nil {
		p.State, p.Summary = api.BootSkipped, "nothing was generated anew"
		return nil
	}
	p.Change = change.ID
	p.Warnings = change.Plan.Warnings
	return b.judgeChange(p, change)
}

// reportGenerated adds the last wave to its phase, now that its fate is known.
func (b *chain) reportGenerated(failure error) {
	for i := range b.report.Report.Phases {
		p := &b.report.Report.Phases[i]
		if p.Name != api.PhaseGenerators || len(b.generated) == 0 {
			continue
		}
		for _, r := range b.generated {
			s := r.Setting()
			if failure != nil && s.State == api.BootDone {
				s.State, s.Reason = api.BootFailed, "it could not be committed"
			}
			p.Settings = append(p.Settings, s)
		}
		b.generated = nil
		before := p.Summary
		if b.judgeGenerators(p); p.Summary != before {
			b.tell(p)
		}
	}
}

// kinds of tasks, as changes have them.
const (
	taskRender  = "render"
	taskWrite   = "write"
	taskRestart = "restart"
)

// judgeChange counts what was done. A file that cannot be rendered costs
// itself; one that cannot be written, or a command that fails, fails the phase.
func (b *chain) judgeChange(p *api.BootPhase, c *api.Change) error {
	var bad []string
	unrendered := 0
	for _, t := range c.Tasks {
		switch {
		case t.State == api.TaskDone && t.Kind == taskWrite:
			p.Files++
		case t.State == api.TaskDone && t.Kind == taskRestart:
			p.Restarts++
		case t.State == api.TaskFailed && t.Kind == taskRender:
			unrendered++
			b.log.Error("file is left as it is", "task", t.Summary, "err", t.Error)
		case t.State == api.TaskFailed:
			bad = append(bad, t.Summary)
			b.log.Error("task of the boot failed", "task", t.Summary, "err", t.Error)
		}
	}
	p.Summary = fmt.Sprintf("%s written, %s run", count(p.Files, "file", "files"), count(p.Restarts, "command", "commands"))
	if unrendered > 0 {
		p.State = api.BootDegraded
		p.Summary += ", " + count(unrendered, "file", "files") + " not rendered"
	}
	switch {
	case !c.State.Final():
		return notOver(c)
	case len(bad) > 0:
		return &api.Error{
			Code: api.CodeApplyFailed, Message: fmt.Sprintf("change %d: %s failed", c.ID, strings.Join(bad, ", ")),
			Hint: fmt.Sprintf("apiclient changes %d tells why; apply again with: systemctl restart sundog", c.ID),
		}
	case c.State != api.StateDone && c.Error != nil: // before it had any task
		return c.Error
	}
	return nil
}

// notOver is the error of a change that takes longer than anybody waits.
func notOver(c *api.Change) error {
	return fmt.Errorf("change %d is not over after %v", c.ID, waitForChange)
}
