package apiserver

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// By how much the heap grows before garbage is looked for, as a part of what is
// in use, in percent. A small one has time: a boot that everyone waits for makes
// garbage once. One that is large, because a change of very many settings is in
// hand, must not become five times as large. All of it is given back at rest.
const (
	gcSmall  = 400
	gcLarge  = 100
	heapRoom = 64 << 20 // bytes; between the two, what the heap grows by
)

// spareTime lets the heap grow, by what is in use after each collection.
func spareTime() {
	debug.SetGCPercent(gcSmall)
	tune(&collections{percent: gcSmall})
}

// collections is garbage at each collection, whose finalizer runs after it. It has
// a pointer: without one it would share its place in memory with other small
// values, and be garbage only when they are.
type collections struct {
	percent int
	_       *int
}

func tune(c *collections) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if percent := gcPercent(live[0].Value.Uint64()); percent != c.percent {
		c.percent = percent
		debug.SetGCPercent(percent)
	}
	runtime.SetFinalizer(c, tune)
}

// gcPercent is the part for a heap of which live bytes are in use.
func gcPercent(live uint64) int {
	percent := heapRoom * 100 / max(live, 1)
	return int(min(max(percent, gcLarge), gcSmall))
}

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
