package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// lookEvery is how often a job is looked for whose result did not come
	// by itself: the signal is lost when D-Bus or systemd restarts.
	lookEvery = 500 * time.Millisecond

	// redialEvery is the pause between attempts to reach D-Bus again.
	redialEvery = 100 * time.Millisecond

	// lastWords is how long cancelling a job and asking for a unit's state
	// may take once a command's own time is up.
	lastWords = 2 * time.Second
)

// unitState is what a person needs to know about a unit that failed.
type unitState struct {
	Load, Active, Sub string
	Result            string // of a service: exit-code, signal, timeout, …
	MainStatus        int32  // of a service's main process
}

// bus is systemd's manager as this package uses it.
type bus interface {
	// Queue starts a job for a unit. The job's result is sent to results.
	Queue(ctx context.Context, v verb, unit string, results chan<- string) (job int, err error)
	// Queued tells whether a job is still waiting or running.
	Queued(ctx context.Context, job int) (bool, error)
	Cancel(ctx context.Context, job int) error
	State(ctx context.Context, unit string) (unitState, error)
	// ResetFailed forgets that a unit failed, and how often it was started.
	ResetFailed(ctx context.Context, unit string) error
	// Files enables or disables units.
	Files(ctx context.Context, v verb, units []string) error
	Reload(ctx context.Context) error
	Connected() bool
	Close()
}

// Systemd talks to systemd over D-Bus for systemctl commands in their usual
// forms and waits for the jobs' results; other commands are executed as by
// [Plain]. A job that takes longer than deadline is cancelled.
//
// It connects when it is first needed, and again when the connection broke,
// so it works before D-Bus is up and after systemd re-executed itself.
func Systemd(log *slog.Logger, deadline time.Duration) (Manager, error) {
	return newSystemd(log, deadline, dialSystemd), nil
}

func newSystemd(log *slog.Logger, deadline time.Duration, dial func(context.Context) (bus, error)) *systemd {
	return &systemd{log: log, deadline: deadline, dial: dial, plain: Plain(log, deadline)}
}

type systemd struct {
	log      *slog.Logger
	deadline time.Duration
	dial     func(context.Context) (bus, error)
	plain    Manager

	mu   sync.Mutex
	conn bus // nil: not connected
}

// Close drops the connection; jobs that were queued go on.
func (s *systemd) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
	return nil
}

func (s *systemd) Run(ctx context.Context, c Command) (string, error) {
	ctl, ok := parseCtl(c.Line)
	if !ok {
		return s.plain.Run(ctx, c)
	}
	ctl.undo = c.Undo
	ctx, cancel := withDeadline(ctx, s.deadline)
	defer cancel()
	output, err := s.control(ctx, ctl)
	if err != nil {
		return output, fmt.Errorf("run '%s': %w", c.Line, err)
	}
	return output, nil
}

func (s *systemd) DaemonReload(ctx context.Context) error {
	ctx, cancel := withDeadline(ctx, s.deadline)
	defer cancel()
	return s.reload(ctx)
}

func (s *systemd) reload(ctx context.Context) error {
	if err := s.call(ctx, func(conn bus) error { return conn.Reload(ctx) }); err != nil {
		return fmt.Errorf("reload systemd: %w", err)
	}
	return nil
}

// call asks systemd something that may be asked twice, and does so when the
// connection turns out to be dead.
func (s *systemd) call(ctx context.Context, ask func(bus) error) error {
	for second := false; ; second = true {
		conn, err := s.connect(ctx)
		if err != nil {
			return err
		}
		err = ask(conn)
		if err == nil {
			return nil
		}
		if second || conn.Connected() || ctx.Err() != nil {
			return causeOr(ctx, err)
		}
	}
}

func (s *systemd) control(ctx context.Context, c ctl) (string, error) {
	switch c.verb {
	case verbDaemonReload:
		return "", s.reload(ctx)
	case verbEnable, verbDisable:
		return s.files(ctx, c)
	}
	return s.jobs(ctx, c)
}

func (s *systemd) files(ctx context.Context, c ctl) (string, error) {
	if err := s.call(ctx, func(conn bus) error { return conn.Files(ctx, c.verb, c.units) }); err != nil {
		return "", err
	}
	if !c.noReload {
		if err := s.reload(ctx); err != nil {
			return "", err
		}
	}
	if !c.now {
		return "", nil
	}
	c.verb = map[verb]verb{verbEnable: verbStart, verbDisable: verbStop}[c.verb]
	return s.jobs(ctx, c)
}

// job is one queued job.
type job struct {
	verb    verb
	unit    string
	id      int // 0: nothing to wait for
	results chan string
}

// jobs queues a job for each unit first and only then waits for them, as
// systemctl does, so that systemd can order them among each other.
func (s *systemd) jobs(ctx context.Context, c ctl) (string, error) {
	var lines []string
	var faults []error
	var queued []job
	for _, unit := range c.units {
		v := c.verb
		if c.undo && s.failed(ctx, unit) {
			v = s.revive(ctx, v, unit)
		}
		j, err := s.queue(ctx, v, unit)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		queued = append(queued, j)
	}
	for _, j := range queued {
		if c.noBlock {
			lines = append(lines, j.unit+": queued")
			continue
		}
		line, err := s.finish(ctx, j)
		lines, faults = append(lines, line), append(faults, err)
	}
	return strings.Join(lines, "\n"), errors.Join(faults...)
}

func (s *systemd) queue(ctx context.Context, v verb, unit string) (job, error) {
	j := job{verb: v, unit: unit, results: make(chan string, 1)}
	err := s.call(ctx, func(conn bus) (err error) {
		j.id, err = conn.Queue(ctx, v, unit, j.results)
		return err
	})
	if err != nil && v.try() && s.missing(ctx, unit) {
		j.results <- "skipped"
		return j, nil
	}
	if err != nil {
		return job{}, fmt.Errorf("%s: %w", unit, err)
	}
	return j, nil
}

// revive prepares a failed unit for being started whatever the verb, and
// however often it was started in vain.
func (s *systemd) revive(ctx context.Context, v verb, unit string) verb {
	if err := s.call(ctx, func(conn bus) error { return conn.ResetFailed(ctx, unit) }); err != nil {
		s.log.Warn("reset a failed unit", "unit", unit, "err", err)
	}
	return v.insist()
}

// missing tells whether systemd surely has no such unit.
func (s *systemd) missing(ctx context.Context, unit string) bool {
	state, err := s.state(ctx, unit)
	return err == nil && state.Load == "not-found"
}

func (s *systemd) state(ctx context.Context, unit string) (state unitState, err error) {
	err = s.call(ctx, func(conn bus) (err error) {
		state, err = conn.State(ctx, unit)
		return err
	})
	return state, err
}

// finish waits for a job and judges its result.
func (s *systemd) finish(ctx context.Context, j job) (string, error) {
	result, err := s.await(ctx, j)
	if err != nil {
		return j.unit + ": unknown", s.abandon(ctx, j, err)
	}
	if result != "done" && result != "skipped" {
		return j.unit + ": " + result, fmt.Errorf("%s: job ended as %s%s", j.unit, result, s.why(ctx, j.unit))
	}
	if j.verb.runs() && s.failed(ctx, j.unit) {
		return j.unit + ": " + result, fmt.Errorf("%s: failed right after its job was done%s", j.unit, s.why(ctx, j.unit))
	}
	return j.unit + ": " + result, nil
}

// await returns the job's result. Should its signal be lost, the result is
// taken from the unit's state once the job is gone.
func (s *systemd) await(ctx context.Context, j job) (string, error) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for gone := false; ; {
		select {
		case result := <-j.results:
			return result, nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-look.C:
		}
		if gone { // a whole period ago, and still no signal
			return s.infer(ctx, j)
		}
		var queued bool
		err := s.call(ctx, func(conn bus) (err error) {
			queued, err = conn.Queued(ctx, j.id)
			return err
		})
		gone = err == nil && !queued
	}
}

func (s *systemd) infer(ctx context.Context, j job) (string, error) {
	state, err := s.state(ctx, j.unit)
	if err != nil {
		return "", fmt.Errorf("%s: its job is gone and its state unknown: %w", j.unit, err)
	}
	s.log.Warn("result of a systemd job was lost", "unit", j.unit, "active", state.Active)
	if state.Active == "failed" {
		return "failed", nil
	}
	return "done", nil
}

// abandon cancels a job whose result nobody waits for any more.
func (s *systemd) abandon(ctx context.Context, j job, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	why := s.why(ctx, j.unit)
	if err := s.call(ctx, func(conn bus) error { return conn.Cancel(ctx, j.id) }); err != nil {
		return fmt.Errorf("%s: %w; cancel its job: %w%s", j.unit, cause, err, why)
	}
	return fmt.Errorf("%s: %w; its job was cancelled%s", j.unit, cause, why)
}

func (s *systemd) failed(ctx context.Context, unit string) bool {
	state, err := s.state(ctx, unit)
	return err == nil && state.Active == "failed"
}

// why is the unit's state as the end of a sentence; empty when it is unknown.
func (s *systemd) why(ctx context.Context, unit string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	state, err := s.state(ctx, unit)
	if err != nil {
		return ""
	}
	return state.sentence()
}

func (u unitState) sentence() string {
	if u.Load != "loaded" {
		return fmt.Sprintf(" (the unit is %s)", u.Load)
	}
	text := fmt.Sprintf(" (the unit is %s, %s", u.Active, u.Sub)
	if u.Result != "" && u.Result != "success" {
		text += ", result " + u.Result
	}
	if u.MainStatus != 0 {
		text += fmt.Sprintf(", main process status %d", u.MainStatus)
	}
	return text + ")"
}

// connect returns the connection, made again if it broke, trying until ctx ends.
func (s *systemd) connect(ctx context.Context) (bus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil && s.conn.Connected() {
		return s.conn, nil
	}
	if s.conn != nil {
		s.log.Warn("connection to systemd broke; connecting again")
		s.conn.Close()
		s.conn = nil
	}
	for {
		conn, err := s.dial(ctx)
		if err == nil {
			s.conn = conn
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to systemd: %w (%w)", err, context.Cause(ctx))
		case <-time.After(redialEvery):
		}
	}
}

// causeOr prefers the reason why ctx ended to what a call made of it.
func causeOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
