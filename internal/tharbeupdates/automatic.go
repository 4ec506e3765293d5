package tharbeupdates

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/cli"
)

// automatic is the sub-command that a timer starts: it has the API take the
// steps of an update whose time has come. What is next is decided by the API
// alone, so that what it tells is what is done.
const automatic = "automatic"

// actions are the routes of the steps.
var actions = map[string]string{
	api.UpdateRefresh:  "/actions/refresh-updates",
	api.UpdatePrepare:  "/actions/prepare-update",
	api.UpdateActivate: "/actions/activate-update",
}

// maxSteps is more than a run ever takes: look, prepare, activate, reboot.
const maxSteps = 8

// automatic takes steps until none is due, or one fails: then the API says
// when it may be tried again.
func (p *program) automatic(ctx context.Context) error {
	c := &client.Client{Socket: p.root.Socket()}
	for range maxSteps {
		u, err := c.Updates(ctx)
		if err != nil {
			return err
		}
		n := u.Next
		if n.Action == "" || n.At.After(p.now()) {
			p.log.Info("nothing is due", "next", n.Action, "at", cli.Time(n.At), "why", n.Why)
			return nil
		}
		p.log.Info("step of an update", "step", n.Action, "why", n.Why)
		if err := p.take(ctx, c, n.Action, u); err != nil {
			return err
		}
		if n.Action == api.UpdateReboot {
			return nil
		}
	}
	return errors.New("an update takes more steps than there are; updates.automatic.mode=off stops that")
}

// begin has the API begin a step.
func begin(ctx context.Context, c *client.Client, step string) error {
	if step == api.UpdateReboot {
		return c.Reboot(ctx, api.RebootAutomatic)
	}
	_, err := c.Request(ctx, "POST", actions[step], nil)
	return err
}

// take takes one step and waits for its end. One that somebody stands in the way
// of is no fault: what is next is asked anew, now or when the timer starts again.
func (p *program) take(ctx context.Context, c *client.Client, step string, before *api.Updates) error {
	err := begin(ctx, c, step)
	if e, ok := errors.AsType[*api.Error](err); ok && (e.Code == api.CodeConflict || e.Code == api.CodeLocked) {
		p.log.Warn("not now", "step", step, "why", e.Message)
		return nil
	}
	if step == api.UpdateReboot {
		return p.rebooting(err)
	}
	if err != nil {
		return err
	}
	for {
		u, err := c.Updates(ctx)
		if err != nil {
			return err
		}
		if u.Running == nil && u.Last != nil && (before.Last == nil || u.Last.Timestamp != before.Last.Timestamp) {
			return failure(step, *u.Last)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(cancelPoll):
		}
	}
}

// rebooting notes that a reboot was asked for, unless err is the API's answer or
// says that there is none. The answer to one that is begun is often lost in it.
func (p *program) rebooting(err error) error {
	if _, ok := errors.AsType[*api.Error](err); ok {
		return err
	}
	if err := p.Rebooting(); err != nil {
		p.log.Warn("if the host boots the same slot again, it will be rebooted again", "err", err)
	}
	return nil
}

func failure(step string, last api.UpdateCommand) error {
	if last.Type == step && last.Status != api.UpdateSuccess {
		return fmt.Errorf("%s failed: %s", step, cli.OneLine(last.Stderr))
	}
	return nil
}
