// Package client talks to apiserver over its Unix socket.
//
// The zero [Client] works for the host's own socket; a sandbox or a test sets
// Socket. [Client.Submit], [Client.Plan] and [Client.Wait] make changes,
// [Client.Events] watches them, and the methods of query.go ask questions.
// [Client.Raw] and [Client.Request] send anything else.
//
// Errors keep their meaning across the socket: whatever the server refused is an
// *[api.Error] for errors.As, on the reference's routes too, and a server that
// cannot be reached is a *[ConnectError] whose hint says what to do.
//
// It knows neither the settings model nor the store, and must link neither.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hostler-os/hostler/internal/paths"
)

const (
	// maxBody bounds what one answer may hold, in bytes. All settings of a large host are far below it.
	maxBody = 64 << 20
	// queryLimit ends a question that the server answers from memory.
	queryLimit = time.Minute
)

// LevelTrace is the level at which requests are logged.
const LevelTrace = slog.LevelDebug - 4

// Client is a client of one apiserver. The zero value talks to the host's
// socket. It must not be copied after its first use; it may be used by several goroutines.
type Client struct {
	Socket string       // path; empty means paths.Host.Socket()
	Log    *slog.Logger // requests at [LevelTrace], without bodies; nil logs nothing

	once sync.Once
	http *http.Client
}

// Response is an answer of the server, whatever its status.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Raw sends one request and returns the answer with any status. uri is the
// path and query as they stand on the wire; only bytes that cannot stand in a
// request line are percent-encoded. The error is a *[RequestError].
func (c *Client) Raw(ctx context.Context, method, uri string, body []byte) (*Response, error) {
	resp, err := c.send(ctx, method, uri, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := readAll(resp.Body)
	if err != nil {
		return nil, &RequestError{method, uri, StepRead, err}
	}
	return &Response{resp.StatusCode, resp.Header, text}, nil
}

// Request is Raw for callers who want a 2xx answer: its body, or a *[StatusError].
func (c *Client) Request(ctx context.Context, method, uri string, body []byte) ([]byte, error) {
	resp, err := c.Raw(ctx, method, uri, body)
	if err != nil {
		return nil, err
	}
	if err := resp.Check(method, uri); err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// call is Request with JSON in and out; in and out may be nil.
func (c *Client) call(ctx context.Context, method, uri string, in, out any) error {
	var body []byte
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return &RequestError{method, uri, StepBuild, err}
		}
		body = text
	}
	text, err := c.Request(ctx, method, uri, body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return &RequestError{method, uri, StepRead, fmt.Errorf("not the JSON that was expected: %w", err)}
	}
	return nil
}

// query is call for a GET that needs no waiting.
func query[T any](ctx context.Context, c *Client, path string, parameters url.Values) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	var out T
	err := c.call(ctx, http.MethodGet, withQuery(path, parameters), nil, &out)
	return out, err
}

func withQuery(path string, parameters url.Values) string {
	if len(parameters) == 0 {
		return path
	}
	return path + "?" + parameters.Encode()
}

func (c *Client) send(ctx context.Context, method, uri string, body []byte) (*http.Response, error) {
	req, err := c.newRequest(ctx, method, uri, body)
	if err != nil {
		return nil, &RequestError{method, uri, StepBuild, err}
	}
	c.once.Do(c.open)
	began := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &RequestError{method, uri, StepSend, withoutURL(err)}
	}
	if c.Log != nil {
		c.Log.Log(ctx, LevelTrace, "request", "method", method, "uri", uri, "status", resp.StatusCode, "took", time.Since(began))
	}
	return resp, nil
}

func (c *Client) newRequest(ctx context.Context, method, uri string, body []byte) (*http.Request, error) {
	if !strings.HasPrefix(uri, "/") {
		return nil, fmt.Errorf("invalid URI '%s': it must begin with '/'", uri)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	path, rawQuery, _ := strings.Cut(escapeURI(uri), "?")
	req.URL = &url.URL{Scheme: "http", Host: "localhost", Opaque: path, RawQuery: rawQuery}
	if strings.HasPrefix(path, "//") {
		return nil, fmt.Errorf("invalid URI '%s': it must not begin with '//'", uri)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "hostler")
	return req, nil
}

// escapeURI encodes the bytes that would break the request line.
func escapeURI(uri string) string {
	var b strings.Builder
	for i := range len(uri) {
		if c := uri[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func (c *Client) socket() string {
	if c.Socket == "" {
		return paths.Host.Socket()
	}
	return c.Socket
}

func (c *Client) open() {
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dial(ctx, c.socket())
			},
			DisableCompression:     true,
			MaxIdleConns:           4,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// The API never redirects; a redirect is an answer like any other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func readAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxBody {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxBody)
	}
	return text, nil
}
