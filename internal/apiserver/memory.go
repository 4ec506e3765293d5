package apiserver

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// gcPercent lets the heap grow while there is something to do, such as a boot
// that everyone waits for. What it has grown by is given back at rest.
const gcPercent = 400

func spareTime() { debug.SetGCPercent(gcPercent) }

// alone is how long a start, and the boot that goes with it, may take.
const alone = time.Second

// workAlone makes do with one processor while the server starts and the host
// boots. There one thing comes after the other: further processors of the
// runtime would wake, look for work, find none and sleep again, a thousand
// times. Whoever sets GOMAXPROCS knows better.
func workAlone() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
		time.AfterFunc(alone, runtime.SetDefaultGOMAXPROCS)
	}
}

// The server rests when no request has come for quiet. Once it does, it looks
// less often whether that is still so.
const (
	quiet = time.Second
	look  = 15 * time.Second
)

// startResting gives memory back to the system whenever the daemon comes to
// rest: the runtime by itself keeps what one big request took for minutes.
// stop waits for the end.
func (p *program) startResting() (stop func()) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() { p.rest(done) })
	return func() {
		close(done)
		wg.Wait()
	}
}

func (p *program) rest(done <-chan struct{}) {
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	rested, before := false, p.server.Requests()
	for {
		select {
		case <-done:
			return
		case <-timer.C:
		}
		now := p.server.Requests()
		switch {
		case now != before:
			rested = false
		case !rested:
			p.giveBack()
			rested = true
		}
		before = now
		if rested {
			timer.Reset(look)
		} else {
			timer.Reset(quiet)
		}
	}
}

func (p *program) giveBack() {
	debug.FreeOSMemory()
	if err := giveBackCode(); err != nil {
		p.log.Debug("memory stays in use", "err", err)
	}
}
