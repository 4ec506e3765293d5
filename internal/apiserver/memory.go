package apiserver

import (
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// gcPercent trades a little time for memory: the daemon's heap is small, and it idles most of its life.
const gcPercent = 50

// spareMemory keeps the heap small from the beginning. What was allocated and
// dropped while packages were initialised, which for the schema compiler is
// more than the model takes, is collected at once, so that what stays for good
// fills those holes instead of lying scattered behind them.
func spareMemory() {
	debug.SetGCPercent(gcPercent)
	runtime.GC()
}

// restAfter is how long no request must have come for memory to be given back.
const restAfter = 15 * time.Second

// startResting gives memory back to the system at first, when all is loaded,
// and whenever the daemon comes to rest: the runtime by itself keeps what one
// big request took for minutes. stop waits for the end.
func (p *program) startResting() (stop func()) {
	p.giveBack()
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() { p.rest(done) })
	return func() {
		close(done)
		wg.Wait()
	}
}

func (p *program) rest(done <-chan struct{}) {
	tick := time.NewTicker(restAfter)
	defer tick.Stop()
	rested, before := p.server.Requests(), p.server.Requests()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		now := p.server.Requests()
		if now == before && now != rested {
			p.giveBack()
			rested = now
		}
		before = now
	}
}

func (p *program) giveBack() {
	debug.FreeOSMemory()
	if err := giveBackCode(); err != nil {
		p.log.Debug("memory stays in use", "err", err)
	}
}
