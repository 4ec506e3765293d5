package updog

import (
	"context"
	"errors"
	"os/exec"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/reboot"
)

// door is how this program reboots the host: through apiserver, which knows all
// that may hold a reboot back, or, where that does not answer, by itself, unless
// a program inhibits it.
type door struct {
	socket     string // of the API
	inhibitors func(context.Context) ([]api.RebootHold, error)
}

func (a *app) door() door { return door{paths.Root(a.root).Socket(), reboot.Inhibitors} }

// reboot reboots. Being asked to end does not stop it: on a host that goes down,
// everybody is.
func (d door) reboot(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	err := (&client.Client{Socket: d.socket}).Reboot(ctx, api.RebootCareful)
	if _, nobody := errors.AsType[*client.ConnectError](err); nobody {
		err = d.alone(ctx)
	}
	if err == nil {
		return nil
	}
	failed := &api.Error{Code: api.CodeInternal, Message: "Failed to reboot: " + err.Error()}
	if e, ok := errors.AsType[*api.Error](err); ok {
		failed.Code, failed.Message, failed.Hint = e.Code, "Failed to reboot: "+e.Message, e.Hint
	}
	return failed
}

// alone lets systemd reboot the host in a minute, as the reference does.
func (d door) alone(ctx context.Context) error {
	a := reboot.Authority{
		Start:      shutdown,
		Inhibitors: d.inhibitors,
		Changes:    func() (bool, []api.Change, error) { return false, nil, nil },            // without apiserver there are none
		Updates:    func(context.Context) (api.Updates, error) { return api.Updates{}, nil }, // but this one
	}
	return a.Reboot(ctx, api.RebootCareful)
}

func shutdown(ctx context.Context, _ bool) error {
	out, err := exec.CommandContext(ctx, "shutdown", "-r").CombinedOutput()
	if err != nil {
		return fixed("%w: %s", err, cli.OneLine(string(out)))
	}
	return nil
}
