package apiserver

import (
	"context"
	"fmt"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/server"
	"github.com/hostler-os/hostler/internal/reboot"
	"github.com/hostler-os/hostler/internal/service"
)

// authority is whom everybody asks who wants a reboot.
func (p *program) authority(u *updates) *reboot.Authority {
	a := &reboot.Authority{Start: p.startReboot(), Changes: p.changesInHand, Updates: u.overview}
	if p.onHost() {
		a.Inhibitors = reboot.Inhibitors
	}
	return a
}

// startReboot reboots the host; another root only records it, or refuses.
func (p *program) startReboot() func(ctx context.Context, force bool) error {
	switch {
	case p.root.IsSandbox():
		return func(ctx context.Context, force bool) error {
			_, err := p.services.Run(ctx, service.Command{Line: server.RebootLine(force), Service: "reboot"})
			return err
		}
	case p.root.IsHost():
		return server.SystemReboot
	}
	return func(context.Context, bool) error {
		return &api.Error{Code: api.CodeConflict, Message: fmt.Sprintf("%s is not the running host", p.root)}
	}
}

// recentChanges are among those in which one may be in hand.
const recentChanges = 100

func (p *program) changesInHand() (applying bool, trying []api.Change, err error) {
	changes, err := p.engine.Changes(0, recentChanges)
	for _, c := range changes {
		switch c.State {
		case api.StateApplying, api.StatePlanned:
			applying = true
		case api.StateTrying:
			trying = append(trying, c)
		}
	}
	return applying, trying, err
}
