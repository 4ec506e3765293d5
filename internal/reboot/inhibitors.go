package reboot

import (
	"context"
	"fmt"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/service"
)

// Inhibitors are what programs have asked systemd to hold back.
func Inhibitors(ctx context.Context) ([]api.RebootHold, error) {
	found, err := service.RebootInhibitors(ctx)
	var holds []api.RebootHold
	for _, i := range found {
		holds = append(holds, api.RebootHold{Kind: "inhibitor", Who: fmt.Sprintf("%s, process %d of user %d", i.Who, i.PID, i.UID), Why: i.Why})
	}
	return holds, err
}
