package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/bootlog"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
)

// Check is one thing that a host is judged by.
type Check struct {
	Name string
	Ask  func(context.Context) Result // its name and time are filled in by Judge
}

// Host is what the checks look at.
type Host struct {
	Root    paths.Root
	Socket  string // of the API
	BootID  string
	Version string // of the image that runs; "" if it does not say
	Policy  Policy
	Units   func(context.Context) ([]service.FailingUnit, error) // those that fail; nil: Root is not the running host's
}

// Checks are all that the host is judged by: its own, then the image's and the
// operator's executables.
func Checks(h Host) ([]Check, error) {
	checks := []Check{{"units", h.units}, {"api", h.api}, {"settings", h.settings}, {"migration", h.migration}}
	scripts, err := h.scripts()
	return append(checks, scripts...), err
}

func bad(format string, args ...any) Result {
	return Result{State: Bad, Message: fmt.Sprintf(format, args...)}
}

// units wants no unit of systemd to have failed, but those that may.
func (h Host) units(ctx context.Context) Result {
	if h.Units == nil {
		return Result{State: Skipped, Message: "the systemd that runs here is not that of " + string(h.Root)}
	}
	all, err := h.Units(ctx)
	if err != nil {
		r := bad("%v", err)
		r.final = errors.Is(err, service.ErrNoSystemd)
		return r
	}
	var counted, ignored []string
	for _, u := range all {
		text := u.Name + " (" + u.State + ")"
		if h.ignores(u.Name) {
			ignored = append(ignored, text)
			continue
		}
		counted = append(counted, text)
	}
	switch {
	case len(counted) > 0:
		return bad("%s; see journalctl -b -u UNIT", strings.Join(counted, ", "))
	case len(ignored) > 0:
		return Result{State: Warned, Message: "ignored: " + strings.Join(ignored, ", ")}
	}
	return Result{State: Good}
}

// mayFail are units of ours of which a failure says nothing of this boot: those that
// wait for this very judgement, or act on an earlier one, and the one that asks a
// repository for updates, which a good image cannot make reachable.
var mayFail = []string{
	"hostler-health.service", "hostler-fallback.service", "mark-successful-boot.service", "boot-complete.target", "hostler-update.service",
}

func (h Host) ignores(unit string) bool {
	for _, pattern := range slices.Concat(h.Policy.IgnoreUnits, mayFail) {
		// The policy has proved its patterns.
		if ok, _ := path.Match(pattern, unit); ok {
			return true
		}
	}
	return false
}

// api wants the API server to answer. What it complains of is not the boot's fault.
func (h Host) api(ctx context.Context) Result {
	health, err := (&client.Client{Socket: h.Socket}).Health(ctx)
	if err != nil {
		return bad("%v", err)
	}
	if len(health.Problems) > 0 {
		return Result{State: Warned, Message: strings.Join(health.Problems, "; ")}
	}
	return Result{State: Good}
}

// settings wants this boot to have brought the settings together and rendered files.
func (h Host) settings(context.Context) Result {
	boot, err := bootlog.Last(h.Root, h.BootID)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && boot.BootID != h.BootID:
		return Result{State: Skipped, Message: "sundog has not run in this boot"}
	case err != nil:
		return bad("%v", err)
	case boot.State == api.BootDone:
		return Result{State: Good}
	case boot.State == api.BootDegraded:
		return Result{State: Warned, Message: "boot went on without something; see apiclient status --boot last"}
	}
	return bad("boot %d is %s; see apiclient status --boot last", boot.ID, boot.State)
}

// migration wants the settings to have been brought to this version, if it was another's before.
func (h Host) migration(context.Context) Result {
	all, err := bootlog.Migrations(h.Root)
	if err != nil {
		return Result{State: Warned, Message: err.Error()}
	}
	for _, m := range slices.Backward(all) {
		switch {
		case m.Rehearsal:
		case m.To != h.Version:
			return Result{State: Skipped, Message: "no settings were brought to this version"}
		case m.OK():
			return Result{State: Good}
		case m.Error != nil:
			return bad("settings could not be brought from %s to %s: %s", m.From, m.To, m.Error.Message)
		default:
			return bad("bringing settings from %s to %s is %s", m.From, m.To, m.State)
		}
	}
	return Result{State: Skipped, Message: "no settings were brought to this version"}
}

// ask runs a check with its time limit.
func (h Host) ask(ctx context.Context, c Check) Result {
	ctx, cancel := context.WithTimeoutCause(ctx, h.Policy.Timeout, fmt.Errorf("no answer within %v", h.Policy.Timeout))
	defer cancel()
	began := time.Now()
	r := c.Ask(ctx)
	r.Name, r.Took = c.Name, time.Since(began)
	if r.State == Bad && ctx.Err() != nil {
		r.Message = context.Cause(ctx).Error()
	}
	return r
}
