package apiserver

import (
	"log/slog"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// What systemd is told, sd_notify(3).
const (
	stateReady    = daemon.SdNotifyReady
	stateStopping = daemon.SdNotifyStopping
	stateAlive    = daemon.SdNotifyWatchdog
)

// tell sends a state to systemd, if that is who started us.
func tell(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd was not told", "state", state, "err", err)
	}
}

// startWatchdog tells systemd that we are alive, as often as it wants to hear
// it, but only while the datastore and the engine answer. stop waits for the end.
func (p *program) startWatchdog() (stop func()) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every <= 0 {
		return func() {}
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() { p.ping(every/3, done) })
	return func() {
		close(done)
		wg.Wait()
	}
}

// ping probes and tells until done. A probe that hangs stops the pings, and then systemd stops us.
func (p *program) ping(every time.Duration, done <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := p.probe(); err != nil {
			p.log.Error("health probe failed, watchdog not told", "err", err)
		} else {
			tell(p.log, stateAlive)
		}
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

// probe reads what requests need: the engine's memory and the datastore's file.
func (p *program) probe() error {
	_, err := p.engine.Changes(0, 1)
	return err
}
