package client

import (
	"context"
	"errors"
	"net/http"

	"github.com/hostler-os/hostler/internal/api"
)

// rebootTries is how often a server may die of the question before that is an error.
const rebootTries = 5

// Reboot asks for a reboot in one of the modes of package api. The server may
// die of it before it has answered. The same is asked again then: a server that
// died of something else is there again, and answers; on a host that goes down
// there is none any more.
func (c *Client) Reboot(ctx context.Context, mode string) error {
	for try := 1; ; try++ {
		_, err := c.Request(ctx, http.MethodPost, "/actions/reboot?mode="+mode, nil)
		_, nobody := errors.AsType[*ConnectError](err)
		_, refused := errors.AsType[*api.Error](err)
		switch {
		case nobody && try > 1:
			return nil
		case err == nil, nobody, refused, ctx.Err() != nil, try == rebootTries:
			return err
		}
	}
}
