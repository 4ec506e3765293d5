// Package reboot is the one door through which reboots of the host go: it says
// what holds one back, and who may pass all the same.
//
// An [Authority] is made of what it asks: systemd's inhibitors, the changes in
// hand, updates and their window. [Authority.Holds] tells, [Authority.Reboot]
// reboots. It starts nothing itself, so that it can be tested, and so that a
// sandbox only records what a host would do.
package reboot

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// Authority decides about reboots. Its functions are asked anew each time.
type Authority struct {
	Start      func(ctx context.Context, force bool) error            // reboots; force ignores systemd's inhibitors
	Inhibitors func(ctx context.Context) ([]api.RebootHold, error)    // of systemd; nil: there are none
	Changes    func() (applying bool, trying []api.Change, err error) // of settings
	Updates    func(ctx context.Context) (api.Updates, error)         // of the operating system
}

// Patience is how long a careful reboot waits for the change that is being
// applied; look is how often it looks.
const (
	patience = time.Minute
	look     = 100 * time.Millisecond
)

// Reboot reboots in one of the modes of package api. Unless it is forced, what
// holds it back is an [api.Error] that names it.
func (a *Authority) Reboot(ctx context.Context, mode string) error {
	switch mode {
	case api.RebootPlain:
		return a.Start(ctx, false)
	case api.RebootForce:
		return a.Start(ctx, true)
	case api.RebootCareful, api.RebootAutomatic:
	default:
		return &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("there is no mode '%s' of a reboot", mode), Hint: "the modes are careful, automatic and force"}
	}
	if err := a.settle(ctx); err != nil {
		return err
	}
	holds, err := a.Holds(ctx, mode)
	if err != nil {
		return err
	}
	if len(holds) > 0 {
		return held(holds)
	}
	return a.Start(ctx, false)
}

// settle waits for the change that is being applied.
func (a *Authority) settle(ctx context.Context) error {
	for deadline := time.Now().Add(patience); ; {
		applying, _, err := a.Changes()
		if err != nil || !applying || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(look):
		}
	}
}

// Holds is what holds back a reboot of that mode now.
func (a *Authority) Holds(ctx context.Context, mode string) ([]api.RebootHold, error) {
	holds := []api.RebootHold{}
	if a.Inhibitors != nil {
		found, err := a.Inhibitors(ctx)
		if err != nil {
			return nil, err
		}
		holds = append(holds, found...)
	}
	applying, trying, err := a.Changes()
	if err != nil {
		return nil, err
	}
	if applying {
		holds = append(holds, api.RebootHold{Kind: "change", Who: "apiserver", Why: "a change of settings is being applied"})
	}
	for _, c := range trying {
		holds = append(holds, api.RebootHold{
			Kind: "change", Who: fmt.Sprintf("change %d", c.ID),
			Why: fmt.Sprintf("it is being tried until %s; 'apiclient confirm %d' keeps it, 'apiclient undo %d' takes it back", api.TimeText(c.Try.Until.UTC()), c.ID, c.ID),
		})
	}
	u, err := a.Updates(ctx)
	if err != nil {
		return nil, err
	}
	return append(holds, ofUpdates(u, mode)...), nil
}

func ofUpdates(u api.Updates, mode string) (holds []api.RebootHold) {
	if w := u.Running; w != nil {
		holds = append(holds, api.RebootHold{Kind: "update", Who: "thar-be-updates", Why: w.Command + " is under way; 'apiclient update cancel' stops it"})
	}
	if mode == api.RebootAutomatic && (u.Next.Action != api.UpdateReboot || u.Next.At.After(time.Now())) {
		holds = append(holds, api.RebootHold{Kind: "window", Who: "updates.automatic", Why: u.Next.Why})
	}
	return holds
}

// held names all that holds a reboot back.
func held(holds []api.RebootHold) error {
	var texts []string
	for _, h := range holds {
		texts = append(texts, fmt.Sprintf("%s (%s): %s", h.Who, h.Kind, h.Why))
	}
	return &api.Error{
		Code: api.CodeConflict, Message: "the reboot is held back by " + strings.Join(texts, "; by "),
		Hint: "wait, or end what holds it back; 'apiclient reboot --force' reboots all the same",
	}
}
