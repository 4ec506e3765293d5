package health

import (
	"context"
	"sync"
	"time"
)

// pause is how long to wait before checks are asked again.
const pause = 2 * time.Second

// parallel is how many checks are asked at a time.
const parallel = 8

// Judge asks the checks, all of them again while one is bad, until the policy's
// patience is over, or no patience would help: a unit may be just being started again.
func Judge(ctx context.Context, h Host, checks []Check) Report {
	r := Report{BootID: h.BootID, Started: time.Now().UTC()}
	patience := time.NewTimer(h.Policy.Patience)
	defer patience.Stop()
	for {
		r.Rounds++
		r.Checks = h.askAll(ctx, checks)
		r.State, r.Finished = conclude(r.Checks), time.Now().UTC()
		if r.State == Good || hopeless(r.Checks) {
			return r
		}
		select {
		case <-ctx.Done():
			return r
		case <-patience.C:
			return r
		case <-time.After(pause):
		}
	}
}

func (h Host) askAll(ctx context.Context, checks []Check) []Result {
	results := make([]Result, len(checks))
	var running sync.WaitGroup
	turn := make(chan struct{}, parallel)
	for i, c := range checks {
		turn <- struct{}{}
		running.Go(func() {
			results[i] = h.ask(ctx, c)
			<-turn
		})
	}
	running.Wait()
	return results
}
