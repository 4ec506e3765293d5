package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/health"
	"github.com/hostler-os/hostler/internal/service"
	"github.com/hostler-os/hostler/internal/update/journal"
)

// lockPatience is how long to wait for another process that updates the host.
const lockPatience = 10 * time.Second

// boot judges this boot for the units: a bad one fails the unit, so that
// boot-complete.target is not reached.
func (a *app) boot(ctx context.Context) error {
	r := a.judge(ctx, a.host())
	for _, c := range r.Checks {
		level := map[health.State]slog.Level{health.Bad: slog.LevelError, health.Warned: slog.LevelWarn}[c.State]
		a.log.Log(ctx, level, "health", "check", c.Name, "state", c.State, "message", cli.OneLine(c.Message), "took", c.Took.Round(time.Millisecond))
	}
	// A full disk does not make a boot bad.
	if err := health.Keep(a.root, r); err != nil {
		a.log.Error("the report does not survive a reboot", "err", err)
	}
	a.note(ctx, r)
	return verdict(r)
}

// note tells the journal of updates: that a version that is being tried is not
// well, or, on the old one, that it has taken over again.
func (a *app) note(ctx context.Context, r health.Report) {
	sets, err := a.sets(ctx)
	if err != nil {
		return // a host without slots has no updates
	}
	unlock, err := journal.Lock(ctx, a.root, lockPatience)
	if err != nil {
		a.log.Warn("the journal of updates does not know of it", "err", err)
		return
	}
	defer unlock()
	journal, now := journal.Load(a.root, a.log), time.Now()
	if r.State == health.Bad {
		err = journal.NoteHealth(now, r.Version, r.Blame(), sets.State)
	}
	if err = errors.Join(err, journal.Settle(now, r.Version, sets.State)); err != nil {
		a.log.Warn("the journal of updates does not know of it", "err", err)
	}
}

// fallBack leaves a slot that booted badly. It is started when the judgement
// was bad, and when there is none although the time for it is over.
func (a *app) fallBack(ctx context.Context) error {
	h := a.host()
	r, judged := health.Of(a.root, h.BootID)
	if judged && r.State == health.Good {
		a.log.Info("the boot is good, there is nothing to leave")
		return nil
	}
	if !judged {
		r = a.late(ctx, h)
	}
	sets, err := a.sets(ctx)
	if err != nil {
		a.log.Info("the host has no slots to go to and stays up", "err", err)
		return nil
	}
	reboot, why := health.Decide(h.Policy, sets.State)
	r.Decision = why
	if err := health.Keep(a.root, r); err != nil {
		a.log.Error("the report does not survive a reboot", "err", err)
	}
	a.note(ctx, r)
	a.log.Error("the boot is bad", "why", cli.OneLine(r.Blame()), "decision", why)
	if !reboot {
		return nil
	}
	return a.reboot(ctx, h.Policy.Grace)
}

// late is the report of a boot that nothing has judged in time.
func (a *app) late(ctx context.Context, h health.Host) health.Report {
	h.Policy.Patience = 0
	r := a.judge(ctx, h)
	r.State = health.Bad
	r.Checks = append(r.Checks, health.Result{
		Name: "deadline", State: health.Bad,
		Message: "the boot was not complete in time; systemctl list-jobs tells what it waits for",
	})
	return r
}

// reboot waits for the grace time, in which stopping the unit keeps the host up.
func (a *app) reboot(ctx context.Context, grace time.Duration) error {
	if !a.root.IsHost() {
		a.log.Info("not rebooted: the root is not the running host's")
		return nil
	}
	a.log.Error("rebooting", "in", grace, "to keep the host up", "systemctl stop hostler-fallback.service hostler-fallback.timer")
	select {
	case <-ctx.Done():
		return errors.New("stopped before the reboot: the host stays up")
	case <-time.After(grace):
	}
	out, err := service.Plain(a.log, time.Minute).Run(ctx, service.Command{Line: "systemctl reboot --no-block"})
	if err != nil {
		return fmt.Errorf("reboot: %w: %s", err, cli.OneLine(out))
	}
	return nil
}
