package tharbeupdates

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/update"
	"github.com/hostler-os/hostler/internal/updater"
)

// errCancelled ends a command that somebody has cancelled.
var errCancelled = errors.New("cancelled")

// cancelPoll is how often a command looks whether it is cancelled.
const cancelPoll = 200 * time.Millisecond

// work does the command that has begun, and notes how it ended. That it is
// asked to end, or fails, does not keep it from noting so.
func (p *program) work(ctx context.Context) error {
	ending := updater.Ending{Command: p.command}
	var said strings.Builder
	working, stop := p.watched(ctx)
	ending.Apply, ending.Err = jobs[p.command](&job{program: p, said: &said}, working)
	if ending.Err != nil {
		ending.Err = explained(working, p.command, ending.Err)
		fmt.Fprintln(&said, ending.Err)
		if hint := update.Hint(ending.Err); hint != "" {
			fmt.Fprintln(&said, "hint:", hint)
		}
	}
	stop()
	ending.Stderr = said.String()
	p.log.Info("update command ended", "command", p.command, "err", ending.Err)
	return errors.Join(ending.Err, p.End(context.WithoutCancel(ctx), ending))
}

// watched is a context that ends when the command is cancelled; stop ends the watch, and waits for that.
func (p *program) watched(ctx context.Context) (working context.Context, stop func()) {
	working, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(cancelPoll)
		defer tick.Stop()
		for {
			select {
			case <-working.Done():
				return
			case <-tick.C:
				if p.Cancelled() {
					cancel(errCancelled)
				}
			}
		}
	})
	return working, func() {
		cancel(nil)
		watch.Wait()
	}
}

// explained says why a command was ended from outside, which the error of
// whatever it was doing does not.
func explained(ctx context.Context, command string, err error) error {
	why := "interrupted: the program was asked to end"
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errCancelled):
		why = "cancelled on request"
	}
	if command == api.UpdatePrepare {
		why += "; what was fetched is used when it is tried again"
	}
	return errors.New(why)
}
