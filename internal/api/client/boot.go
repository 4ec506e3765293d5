package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

// Boots returns the reports of the last boots, newest first.
func (c *Client) Boots(ctx context.Context) ([]api.Boot, error) {
	return query[[]api.Boot](ctx, c, "/boots", nil)
}

// Boot returns the report of one boot; 0 stands for the last.
func (c *Client) Boot(ctx context.Context, id uint64) (*api.Boot, error) {
	name := "last"
	if id > 0 {
		name = strconv.FormatUint(id, 10)
	}
	return query[*api.Boot](ctx, c, "/boots/"+name, nil)
}

// Migrations returns the reports of the last migrations, newest first.
func (c *Client) Migrations(ctx context.Context) ([]api.Migration, error) {
	return query[[]api.Migration](ctx, c, "/migrations", nil)
}

// Lint asks what is wrong with a document of user data, compressed or not. An
// empty variant is the host's own.
func (c *Client) Lint(ctx context.Context, doc []byte, variant string) (*api.LintResult, error) {
	v := url.Values{}
	if variant != "" {
		v.Set("variant", variant)
	}
	text, err := c.Request(ctx, http.MethodPost, withQuery("/lint", v), doc)
	if err != nil {
		return nil, err
	}
	var out api.LintResult
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, &RequestError{http.MethodPost, "/lint", StepRead, err}
	}
	return &out, nil
}

// Generators returns the metadata setting-generator by key, in both its forms.
func (c *Client) Generators(ctx context.Context) (map[string]json.RawMessage, error) {
	return query[map[string]json.RawMessage](ctx, c, "/v2/metadata/setting-generators", nil)
}

// Templates returns the metadata template of those of the keys that have one.
func (c *Client) Templates(ctx context.Context, keys []string) (map[string]string, error) {
	return query[map[string]string](ctx, c, "/metadata/templates", url.Values{"keys": {strings.Join(keys, ",")}})
}

// Layers returns the layer that each effective setting comes from.
func (c *Client) Layers(ctx context.Context) (map[key.Key]api.Layer, error) {
	origins, err := c.Origins(ctx, "")
	if err != nil {
		return nil, err
	}
	layers := make(map[key.Key]api.Layer, len(origins))
	for text, origin := range origins {
		k, err := key.Parse(text)
		if err != nil {
			return nil, err
		}
		layers[k] = origin.Layer
	}
	return layers, nil
}

// InLayer returns the keys that have a value of their own in a layer.
func (c *Client) InLayer(ctx context.Context, layer api.Layer) (map[string]api.Origin, error) {
	return query[map[string]api.Origin](ctx, c, "/origins", url.Values{"layer": {string(layer)}})
}

// Settings returns all settings, decoded.
func (c *Client) Settings(ctx context.Context) (map[string]any, error) {
	return query[map[string]any](ctx, c, "/settings", nil)
}

// Stage adds a settings document to a pending transaction.
func (c *Client) Stage(ctx context.Context, transaction string, settings json.RawMessage) error {
	_, err := c.Request(ctx, http.MethodPatch, withQuery("/settings", url.Values{"tx": {transaction}}), settings)
	return err
}

// Drop forgets a pending transaction.
func (c *Client) Drop(ctx context.Context, transaction string) error {
	_, err := c.Request(ctx, http.MethodDelete, withQuery("/tx", url.Values{"tx": {transaction}}), nil)
	return err
}

// Commit commits a pending transaction without applying it and returns the
// keys. An empty layer is the transaction's own. With nothing pending there are
// none.
func (c *Client) Commit(ctx context.Context, transaction string, layer api.Layer) ([]string, error) {
	v := url.Values{"tx": {transaction}}
	if layer != "" {
		v.Set("layer", string(layer))
	}
	uri := withQuery("/tx/commit", v)
	resp, err := c.Raw(ctx, http.MethodPost, uri, nil)
	switch {
	case err != nil:
		return nil, err
	case resp.Status == http.StatusUnprocessableEntity:
		return nil, nil
	}
	if err := resp.Check(http.MethodPost, uri); err != nil {
		return nil, err
	}
	var keys []string
	if err := json.Unmarshal(resp.Body, &keys); err != nil {
		return nil, &RequestError{http.MethodPost, uri, StepRead, err}
	}
	return keys, nil
}
