package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// pollWait is how long the server holds one request of Wait open.
const pollWait = 30 * time.Second

// Plan says what a change would do.
func (c *Client) Plan(ctx context.Context, r api.ChangeRequest) (*api.Plan, error) {
	plan := new(api.Plan)
	if err := c.call(ctx, http.MethodPost, "/plan", r, plan); err != nil {
		return nil, err
	}
	return plan, nil
}

// Submit makes a change and returns it once it is applied, or as it stands
// after wait. When it returns an *[api.Error], nothing was committed.
func (c *Client) Submit(ctx context.Context, r api.ChangeRequest, wait time.Duration) (*api.Change, error) {
	return c.postChange(ctx, "/changes?wait="+wait.String(), r)
}

// Wait returns the change once it is applied: in a final state or trying.
func (c *Client) Wait(ctx context.Context, id uint64) (*api.Change, error) {
	for {
		change := new(api.Change)
		uri := changePath(id) + "?wait=" + pollWait.String()
		if err := c.call(ctx, http.MethodGet, uri, nil, change); err != nil {
			return nil, err
		}
		if change.State.Settled() {
			return change, nil
		}
	}
}

// Change returns a change as it stands.
func (c *Client) Change(ctx context.Context, id uint64) (*api.Change, error) {
	return query[*api.Change](ctx, c, changePath(id), nil)
}

// Changes returns up to limit changes with ids below before, newest first;
// zero means the server's limit, and the newest.
func (c *Client) Changes(ctx context.Context, before uint64, limit int) ([]api.Change, error) {
	return query[[]api.Change](ctx, c, "/changes", page(before, limit))
}

// Confirm keeps a change that is being tried.
func (c *Client) Confirm(ctx context.Context, id uint64) (*api.Change, error) {
	return c.postChange(ctx, changePath(id)+"/confirm", nil)
}

// Undo reverts a change by a new one, which it returns as it stands after wait.
func (c *Client) Undo(ctx context.Context, id uint64, wait time.Duration) (*api.Change, error) {
	return c.postChange(ctx, changePath(id)+"/undo?wait="+wait.String(), nil)
}

func (c *Client) postChange(ctx context.Context, uri string, in any) (*api.Change, error) {
	change := new(api.Change)
	if err := c.call(ctx, http.MethodPost, uri, in, change); err != nil {
		return nil, err
	}
	return change, nil
}

func changePath(id uint64) string { return "/changes/" + strconv.FormatUint(id, 10) }

func page(before uint64, limit int) url.Values {
	v := url.Values{}
	if before > 0 {
		v.Set("before", strconv.FormatUint(before, 10))
	}
	if limit > 0 {
		v.Set("limit", strconv.Itoa(limit))
	}
	return v
}
