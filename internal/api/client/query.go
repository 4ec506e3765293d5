package client

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/hostler-os/hostler/internal/api"
)

// History returns up to limit commits with ids below before, newest first;
// zero means the server's limit, and the newest. A key selects the commits
// that touched it or what lies below it; empty selects all.
func (c *Client) History(ctx context.Context, key string, before uint64, limit int) ([]api.HistoryEntry, error) {
	v := page(before, limit)
	if key != "" {
		v.Set("key", key)
	}
	return query[[]api.HistoryEntry](ctx, c, "/history", v)
}

// Origins tells for every effective key that begins with prefix where its value comes from.
func (c *Client) Origins(ctx context.Context, prefix string) (map[string]api.Origin, error) {
	v := url.Values{}
	if prefix != "" {
		v.Set("prefix", prefix)
	}
	return query[map[string]api.Origin](ctx, c, "/origins", v)
}

// Explain tells what is known of a key; "settings." may be left out.
func (c *Client) Explain(ctx context.Context, key string) (*api.Explanation, error) {
	return query[*api.Explanation](ctx, c, "/explain", url.Values{"key": {key}})
}

// Schema returns the JSON Schema 2020-12 of the settings document.
func (c *Client) Schema(ctx context.Context) (json.RawMessage, error) {
	return query[json.RawMessage](ctx, c, "/schema", nil)
}

// Keys returns every key pattern of the model; members of a map appear as <NAME>.
func (c *Client) Keys(ctx context.Context) ([]string, error) {
	return query[[]string](ctx, c, "/keys", nil)
}

// Whoami tells who the server takes the caller for.
func (c *Client) Whoami(ctx context.Context) (*api.Identity, error) {
	return query[*api.Identity](ctx, c, "/whoami", nil)
}

// Health tells how the server is.
func (c *Client) Health(ctx context.Context) (*api.Health, error) {
	return query[*api.Health](ctx, c, "/health", nil)
}
