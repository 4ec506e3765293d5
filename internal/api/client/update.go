package client

import (
	"context"
	"net/http"

	"github.com/hostler-os/hostler/internal/api"
)

// Updates returns all that is known of this host's updates.
func (c *Client) Updates(ctx context.Context) (*api.Updates, error) {
	return query[*api.Updates](ctx, c, "/updates", nil)
}

// UpdateHistory returns the updates that were tried on this host, newest first.
func (c *Client) UpdateHistory(ctx context.Context) ([]api.UpdateAttempt, error) {
	return query[[]api.UpdateAttempt](ctx, c, "/updates/history", nil)
}

// CancelUpdate asks the update command that is under way to stop.
func (c *Client) CancelUpdate(ctx context.Context) error {
	_, err := c.Request(ctx, http.MethodPost, "/updates/cancel", nil)
	return err
}
