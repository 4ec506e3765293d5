package updog

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update"
	"github.com/hostler-os/hostler/internal/update/image"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// slots finds the disk with the slots: that of the root, or the one that the options name.
func (a *app) slots() (*slot.Disk, error) {
	return slot.Named(paths.Root(a.root), a.disk, a.active)
}

// alone is the lock that this process updates the host, and the journal.
func (a *app) alone(ctx context.Context, patience time.Duration) (*journal.Journal, func(), error) {
	root := paths.Root(a.root)
	unlock, err := journal.Lock(ctx, root, patience)
	if err != nil {
		return nil, nil, err
	}
	return journal.Load(root, a.log), unlock, nil
}

// settled is the journal, after a look at what became of the last attempt, if
// that can be seen: if there are slots, and nobody is writing one just now.
func (a *app) settled(ctx context.Context) *journal.Journal {
	root := paths.Root(a.root)
	j, unlock, err := a.alone(ctx, 0)
	if err != nil {
		return journal.Load(root, a.log)
	}
	defer unlock()
	if j.Last() == nil {
		return j
	}
	if err := a.settle(ctx, j); err != nil {
		a.log.Debug("what became of the last attempt cannot be seen", "err", err)
	}
	return j
}

func (a *app) settle(ctx context.Context, j *journal.Journal) error {
	d, err := a.slots()
	if err != nil {
		return err
	}
	sets, err := d.Sets(ctx)
	if err != nil {
		return err
	}
	release, err := osrelease.Read(paths.Root(a.root))
	if err != nil {
		return err
	}
	return j.Settle(a.now(), release.VersionID, sets.State)
}

func (a *app) updateImage(ctx context.Context) error { return a.install(ctx, false) }

func (a *app) update(ctx context.Context) error { return a.install(ctx, true) }

// install is update-image, and update-apply after it if asked for.
func (a *app) install(ctx context.Context, activate bool) error {
	j, unlock, err := a.alone(ctx, journal.Moment)
	if err != nil {
		return err
	}
	defer unlock()
	c, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	d, err := a.slots()
	if err != nil {
		return err
	}
	if err := a.settle(ctx, j); err != nil {
		return fixed("Failed to read OS disk partition table: %w", err)
	}
	choice, err := c.Choose(a.wish(ctx, c, j))
	if err != nil {
		return err
	}
	u, ok := choice.Chosen()
	if !ok {
		return a.nothing(choice)
	}
	h, err := a.rehearser()
	if err != nil {
		return err
	}
	i := &update.Installation{
		Catalog: c, Update: u, Disk: d, Journal: j, Force: a.force, AtOnce: activate,
		Rehearse: h.Rehearse, Extra: []string{h.ModelTarget(u.Version)},
	}
	if err := a.write(ctx, i); err != nil {
		return err
	}
	if activate {
		if err := a.activate(ctx, d, j, h, a.now()); err != nil {
			return err
		}
	}
	if !a.json {
		fmt.Fprint(a.Out, "Update applied: ")
	}
	if err := a.print(u); err != nil || !activate {
		return err
	}
	return a.maybeReboot(ctx)
}

// rehearser tries migrations on a copy of the settings.
func (a *app) rehearser() (migrate.Host, error) {
	release, err := osrelease.Read(paths.Root(a.root))
	return migrate.Host{Root: paths.Root(a.root), OS: release, Log: a.log, Now: a.now}, err
}

// nothing tells that there is nothing to do.
func (a *app) nothing(choice manifest.Choice) error {
	fmt.Fprintln(a.Err, "No update required")
	a.waiting(choice)
	return nil
}

// waiting tells of releases that would be chosen but for their wave or an earlier failure.
func (a *app) waiting(choice manifest.Choice) {
	for _, v := range choice.Verdicts {
		var texts []string
		for _, r := range v.Reasons {
			if r.Code != manifest.FailedBefore && r.Code != manifest.WaveNotDue {
				texts = nil
				break
			}
			texts = append(texts, r.Text)
		}
		if len(texts) > 0 {
			fmt.Fprintf(cli.People(a.Err), "%s waits: %s\n", v.Update.Version, strings.Join(texts, "; "))
		}
	}
}

func (a *app) write(ctx context.Context, i *update.Installation) error {
	fmt.Fprintf(a.Err, "Starting update to %s\n", i.Update.Version)
	tell, done := a.progress()
	defer done()
	i.Progress = tell
	return i.Run(ctx)
}

// progress tells of progress, on one line, until it is done.
func (a *app) progress() (tell func(update.Progress), done func()) {
	line := cli.NewProgress(a.Err)
	begun, step := a.now(), ""
	var phase image.Phase
	return func(p update.Progress) {
		if p.Step != step || p.Phase != phase { // looking fetches nothing
			begun, step, phase = a.now(), p.Step, p.Phase
		}
		line.Show(show(p, a.now().Sub(begun)))
	}, line.Clear
}

// show is a line of progress: what is done, how much of it, how fast, how long still.
func show(p update.Progress, took time.Duration) string {
	switch p.Phase {
	case image.Looking:
		return fmt.Sprintf("%s: looked at %s for what is here already", p.Step, cli.Bytes(p.Done))
	case image.Verifying:
		return fmt.Sprintf("%s: read back %s, %s of it changed", p.Step, cli.Bytes(p.Done), cli.Bytes(p.Changed))
	}
	done := p.Read
	if p.Phase == image.Proving {
		done = p.Done
	}
	text := fmt.Sprintf("%s: %s of %s", p.Step, cli.Bytes(done), cli.Bytes(p.Size))
	if p.Reused > 0 {
		text += fmt.Sprintf(", %s reused", cli.Bytes(p.Reused))
	}
	if took < time.Second || done == 0 {
		return text
	}
	rate := float64(done) / took.Seconds()
	left := time.Duration(float64(p.Size-done) / rate * float64(time.Second))
	return fmt.Sprintf("%s, %s/s, %s left", text, cli.Bytes(int64(rate)), cli.Days(left))
}

// updateApply needs no repository, unlike with the reference.
func (a *app) updateApply(ctx context.Context) error {
	h, err := a.rehearser()
	if err != nil {
		return err
	}
	activate := func(ctx context.Context, d *slot.Disk, j *journal.Journal, now time.Time) error {
		if a.force {
			if err := j.Force(now); err != nil {
				return err
			}
		}
		return a.activate(ctx, d, j, h, now)
	}
	if err := a.flip(ctx, activate); err != nil {
		return err
	}
	return a.maybeReboot(ctx)
}

func (a *app) activate(ctx context.Context, d *slot.Disk, j *journal.Journal, r update.Rehearser, now time.Time) error {
	tell, done := a.progress()
	defer done()
	return update.Activate(ctx, d, j, r, now, tell)
}

func (a *app) updateRevert(ctx context.Context) error { return a.flip(ctx, update.Deactivate) }

func (a *app) flip(ctx context.Context, change func(context.Context, *slot.Disk, *journal.Journal, time.Time) error) error {
	j, unlock, err := a.alone(ctx, journal.Moment)
	if err != nil {
		return err
	}
	defer unlock()
	d, err := a.slots()
	if err != nil {
		return err
	}
	if err := a.settle(ctx, j); err != nil { // flags may have been changed by hand
		a.log.Debug("what became of the last attempt cannot be seen", "err", err)
	}
	return change(ctx, d, j, a.now())
}

// maybeReboot reboots the host that was updated, if asked to and if it is this one.
func (a *app) maybeReboot(ctx context.Context) error {
	if !a.reboot {
		return nil
	}
	if a.disk != "" || !paths.Root(a.root).IsHost() {
		fmt.Fprintln(a.Err, "not rebooted: what was updated is not the running host")
		return nil
	}
	return a.door().reboot(ctx)
}
