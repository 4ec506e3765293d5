package apiclient

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
)

// updateCommand is a command of an update: how it is asked for, how often to
// look whether it has ended, and for how long. The server bounds what the
// repository may take; these limits are for servers that have lost it.
type updateCommand struct {
	name, method, uri string
	poll, limit       time.Duration
}

var (
	refresh    = updateCommand{api.UpdateRefresh, http.MethodPost, "/actions/refresh-updates", 100 * time.Millisecond, 10 * time.Minute}
	prepare    = updateCommand{api.UpdatePrepare, http.MethodPost, "/actions/prepare-update", 500 * time.Millisecond, 24 * time.Hour}
	activate   = updateCommand{api.UpdateActivate, http.MethodPost, "/actions/activate-update", 100 * time.Millisecond, time.Hour}
	deactivate = updateCommand{api.UpdateDeactivate, http.MethodPost, "/actions/deactivate-update", 100 * time.Millisecond, time.Minute}

	// stopping is whatever is under way, after it was asked to stop.
	stopping = updateCommand{"", http.MethodPost, "/updates/cancel", 100 * time.Millisecond, time.Minute}
)

const statusURI = "/updates/status"

// A status that cannot be had is asked for again, this often and this long at
// least: the server may be starting anew.
const (
	maxFailures = 5
	maxSilence  = 15 * time.Second
)

// command runs a command and waits until it has ended.
func (a *app) command(ctx context.Context, c updateCommand) (*api.UpdateStatus, error) {
	before, busy, unknown := a.updateStatus(ctx)
	switch {
	case unknown != nil && !c.startsAnew(unknown):
		return nil, unknown
	case busy:
		return nil, hinted(wordf(nil, "Unable to check initial update status, got code '423': another update command is under way"),
			"'apiclient update status' tells how far it is; 'apiclient update cancel' stops it")
	}
	if _, err := a.client().Request(ctx, c.method, c.uri, nil); err != nil {
		return nil, cmp.Or(unknown, wordf(err, "Failed to make %s request: %v", c.name, err))
	}
	status, err := a.await(ctx, c, before)
	if err != nil {
		return nil, err
	}
	if r := status.Command; r.Status != api.UpdateSuccess {
		return nil, wordf(nil, "%s attempt failed with status '%s' (%d): %s", c.name, r.Status, r.ExitStatus, strings.TrimRight(r.Stderr, "\n"))
	}
	return status, nil
}

// startsAnew tells whether a command may begin although the server fails to tell
// the status: what is remembered of updates is damaged, and a look for them mends that.
func (c updateCommand) startsAnew(unknown error) bool {
	e, ok := errors.AsType[*api.Error](unknown)
	return c.name == api.UpdateRefresh && ok && e.Code == api.CodeInternal
}

// updateStatus is the state of updates; nil if there is none yet, busy while a
// command is under way.
func (a *app) updateStatus(ctx context.Context) (status *api.UpdateStatus, busy bool, err error) {
	resp, err := a.client().Raw(ctx, http.MethodGet, statusURI, nil)
	if err != nil {
		return nil, false, err
	}
	switch resp.Status {
	case http.StatusOK:
		status = new(api.UpdateStatus)
		if err := json.Unmarshal(resp.Body, status); err != nil {
			return nil, false, wordf(err, "Unable to read update status: %v", err)
		}
		return status, false, nil
	case http.StatusNotFound:
		return nil, false, nil
	case http.StatusLocked:
		return nil, true, nil
	}
	return nil, false, wordf(resp.Check(http.MethodGet, statusURI), "Unable to check initial update status, got code '%d': %s", resp.Status, resp.Body)
}

// ending is a wait for the end of a command.
type ending struct {
	updateCommand
	before string // when the command before it ended
	began  time.Time
	heard  time.Time // when the status was last had
	looked time.Time // when it was last looked whether another command has overtaken
	failed int       // how often the status could not be had since
}

// lookEvery is how often to look, while a command is under way, whether it is another one.
const lookEvery = time.Second

// await waits until a command other than the one that ended last has ended.
func (a *app) await(ctx context.Context, c updateCommand, before *api.UpdateStatus) (*api.UpdateStatus, error) {
	e := &ending{updateCommand: c, began: time.Now(), heard: time.Now(), looked: time.Now()}
	if before != nil && before.Command != nil {
		e.before = before.Command.Timestamp
	}
	defer a.showProgress(ctx)()
	tick := time.NewTicker(c.poll)
	defer tick.Stop()
	for {
		status, busy, err := a.updateStatus(ctx)
		if e.overtaken(status, busy) {
			if own := a.ended(ctx, e); own != nil {
				return own, nil
			}
		}
		done, err := e.judge(status, busy, err)
		if done || err != nil && ctx.Err() == nil {
			return status, err
		}
		select {
		case <-ctx.Done():
			return nil, e.interrupted()
		case <-tick.C:
		}
	}
}

// overtaken tells whether another command may hide how this one has ended: it has
// ended since, or is under way.
func (e *ending) overtaken(s *api.UpdateStatus, busy bool) bool {
	switch {
	case e.name == "":
		return false
	case busy && time.Since(e.looked) >= lookEvery:
		e.looked = time.Now()
		return true
	}
	return s != nil && s.Command != nil && s.Command.Timestamp != e.before && s.Command.Type != e.name
}

// ended is the status with this command as the one that ended last, whatever
// ended since; nil if it has not ended, or nobody can tell.
func (a *app) ended(ctx context.Context, e *ending) *api.UpdateStatus {
	u, err := a.client().Updates(ctx)
	if err != nil || u.Status == nil {
		return nil
	}
	own := e.own(u)
	if own == nil {
		return nil
	}
	u.Status.Command = own
	return u.Status
}

// own is how this command ended; nil if it has not. A command that has told its
// end, and whose process is not gone, still holds the lock: what follows would be refused.
func (e *ending) own(u *api.Updates) *api.UpdateCommand {
	if u.Running != nil && (u.Running.Command == "" || u.Running.Command == e.name) {
		return nil
	}
	own, ok := u.Ended[e.name]
	if !ok || own.Timestamp <= e.before {
		return nil
	}
	return &own
}

// judge tells from an answer whether the wait is over.
func (e *ending) judge(s *api.UpdateStatus, busy bool, err error) (done bool, fault error) {
	now := time.Now()
	switch {
	case err != nil:
		if e.failed++; e.failed >= maxFailures && now.Sub(e.heard) >= maxSilence {
			return false, wordf(err, "Failed to check status %d times after %s to %s, unsure of result", e.failed, e.method, e.uri)
		}
		return false, nil
	case busy:
	case s != nil && s.Command != nil && s.Command.Timestamp != e.before:
		if e.name == "" || s.Command.Type == e.name {
			return true, nil
		}
		return false, wordf(nil, "Another command, %s, has ended after %s to %s, unsure of result", s.Command.Type, e.method, e.uri)
	}
	e.failed, e.heard = 0, now
	if now.Sub(e.began) > e.limit {
		return false, wordf(nil, "Timed out after waiting %s after %s to %s, unsure of result", cli.Duration(e.limit), e.method, e.uri)
	}
	return false, nil
}

func (e *ending) interrupted() error {
	name := e.name
	if name == "" {
		name = "what is under way"
	}
	return hinted(wordf(nil, "interrupted while waiting for %s", name),
		"it goes on; 'apiclient update status' tells how far it is, 'apiclient update cancel' stops it")
}

// Progress on a terminal is one line; elsewhere a line now and then.
const (
	lineEvery = 5 * time.Second
	comeBack  = time.Second // after which a stream of events that has ended is asked for again
)

// showProgress shows how far the command is that is under way, until stop is called.
func (a *app) showProgress(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	line := cli.NewProgress(a.Err)
	var showing sync.WaitGroup
	showing.Go(func() {
		last := time.Now()
		for ctx.Err() == nil {
			for e, err := range a.client().UpdateEvents(ctx) {
				if err != nil {
					break
				}
				if e.Running == nil {
					continue
				}
				text := cli.UpdateProgress(*e.Running)
				line.Show(text)
				if !cli.IsTerminal(a.Err) && time.Since(last) >= lineEvery {
					a.note("%s", text)
					last = time.Now()
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(comeBack):
			}
		}
	})
	return func() {
		cancel()
		showing.Wait()
		line.Clear()
	}
}
