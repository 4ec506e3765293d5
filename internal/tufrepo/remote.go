package tufrepo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// RemoteOptions are how a repository on the network is spoken to. The zero
// value is right for a host without a proxy setting.
type RemoteOptions struct {
	// Proxy is used for every request; nil: what the environment says.
	Proxy *Proxy
	// Query gives parameters that are added to each request, sorted by name; nil:
	// none. It is asked each time, so they may follow what is known by then.
	Query func() url.Values
	// Idle is how long a server may be silent, or send less than 16 KiB, before a
	// request counts as broken; 0: 30 s. A metadata file may take ten times as
	// long, tries included; a target has no limit on the whole.
	Idle time.Duration
	// Tries is how often something is asked for in vain before it counts as out
	// of reach. What gets a target on by 64 KiB begins the count again. 0: 5.
	Tries int
	// Backoff is the longest wait after the first failure; it doubles with each
	// further one up to 30 s, and a random part of it is waited. 0: 500 ms.
	Backoff time.Duration
	// UserAgent is sent to servers; empty: "hostler".
	UserAgent string
	// RootCAs and the like, for servers of an organisation's own; nil: the host's.
	TLS *tls.Config
}

// Proxy is a proxy setting. Neither loopback addresses nor those that No names
// go through it.
type Proxy struct {
	URL string   // such as http://proxy.example:3128; empty: no proxy
	No  []string // hosts, .domains, addresses and networks, or *; none: what the environment says
}

func (p *Proxy) choose() func(*http.Request) (*url.URL, error) {
	config := httpproxy.FromEnvironment()
	if p != nil {
		config = &httpproxy.Config{HTTPProxy: p.URL, HTTPSProxy: p.URL, NoProxy: config.NoProxy}
		if len(p.No) > 0 {
			config.NoProxy = strings.Join(p.No, ",")
		}
	}
	choose := config.ProxyFunc()
	return func(req *http.Request) (*url.URL, error) { return choose(req.URL) }
}

const (
	connectTimeout = 10 * time.Second
	maxRedirects   = 10
	longestBackoff = 30 * time.Second
)

func (o RemoteOptions) withDefaults() RemoteOptions {
	if o.Idle == 0 {
		o.Idle = 30 * time.Second
	}
	if o.Tries == 0 {
		o.Tries = 5
	}
	if o.Backoff == 0 {
		o.Backoff = 500 * time.Millisecond
	}
	if o.UserAgent == "" {
		o.UserAgent = "hostler"
	}
	return o
}

// Remote is a source at two addresses with scheme https, http or file: those of
// metadata and of targets. A missing slash at the end is added.
func Remote(metadataURL, targetsURL string, o RemoteOptions) (Source, error) {
	metadata, err := parseBase(metadataURL)
	if err != nil {
		return nil, fmt.Errorf("metadata address: %w", err)
	}
	targets, err := parseBase(targetsURL)
	if err != nil {
		return nil, fmt.Errorf("targets address: %w", err)
	}
	s := split{}
	client := newClient(o.withDefaults())
	if s.metadata, err = sourceAt(client, metadata); err != nil {
		return nil, fmt.Errorf("metadata address: %w", err)
	}
	if s.targets, err = sourceAt(client, targets); err != nil {
		return nil, fmt.Errorf("targets address: %w", err)
	}
	return s, nil
}

func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(base.Path, "/") {
		base = base.JoinPath("/")
	}
	return base, nil
}

// split takes metadata from one source and targets from another.
type split struct{ metadata, targets Source }

// Metadata implements Source.
func (s split) Metadata(ctx context.Context, name string, limit int64) ([]byte, error) {
	return s.metadata.Metadata(ctx, name, limit)
}

// Target implements Source.
func (s split) Target(ctx context.Context, want Fetch) (*Body, error) {
	return s.targets.Target(ctx, want)
}

func sourceAt(client *client, base *url.URL) (Source, error) {
	switch base.Scheme {
	case "http", "https":
		if base.Host == "" {
			return nil, fmt.Errorf("%s names no host", base.Redacted())
		}
		return remote{client, base}, nil
	case "file":
		if base.Host != "" && base.Host != "localhost" {
			return nil, fmt.Errorf("%s is on another host", base)
		}
		folder := filepath.FromSlash(base.Path)
		return dir{folder, folder}, nil
	}
	return nil, fmt.Errorf("scheme %q, expected https, http or file", base.Scheme)
}

// client sends single requests.
type client struct {
	RemoteOptions
	http *http.Client
}

func newClient(o RemoteOptions) *client {
	transport := &http.Transport{
		Proxy:                  o.Proxy.choose(),
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSClientConfig:        o.TLS,
		TLSHandshakeTimeout:    connectTimeout,
		ForceAttemptHTTP2:      true,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    4,
		MaxResponseHeaderBytes: 64 << 10,
		// What is hashed is what is stored, not what a server packs it into.
		DisableCompression: true,
	}
	return &client{o, &http.Client{Transport: transport, CheckRedirect: checkRedirect}}
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("redirected from https to http")
	}
	return nil
}

// address is where the file name is, parameters included.
func (c *client) address(base *url.URL, name string) (*url.URL, error) {
	at := *base
	at.RawPath = base.EscapedPath() + name
	path, err := url.PathUnescape(at.RawPath)
	if err != nil {
		return nil, err
	}
	at.Path = path
	if c.Query == nil {
		return &at, nil
	}
	query := at.Query()
	for key, values := range c.Query() {
		query[key] = append(query[key], values...)
	}
	at.RawQuery = query.Encode()
	return &at, nil
}

// response is an answer whose body ends with an error when the server is silent
// for too long.
type response struct {
	*http.Response
	body *watched
}

// get sends one request. Errors that trying again may mend are ErrNetwork.
func (c *client) get(ctx context.Context, at *url.URL, header http.Header) (*response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := watch(c.Idle, cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		w.stop()
		return nil, err
	}
	req.Header = header
	req.Header.Set("User-Agent", c.UserAgent)
	req.Header.Set("Accept-Encoding", "identity")
	answer, err := c.http.Do(req)
	if err != nil {
		err = networkError(at, reason(ctx, err)) // before the context is ended
		w.stop()
		return nil, err
	}
	w.from, w.ctx, w.at = answer.Body, ctx, at
	if err := checkStatus(at, answer); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return &response{answer, w}, nil
}

// reason prefers why a request was cancelled to that it was.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err // the address is said once, without secrets in it
	}
	return err
}

func networkError(at *url.URL, cause error) error {
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("fetch %s: %w", shown(at), cause)
	}
	return &Error{
		Kind: ErrNetwork, What: "fetch " + shown(at), Text: "no answer", Err: cause,
		Hint: "check the network, the proxy settings (network.https-proxy, network.no-proxy) and the address",
	}
}

// shown is an address without password and parameters.
func shown(at *url.URL) string {
	short := *at
	short.RawQuery = ""
	return short.Redacted()
}

func checkStatus(at *url.URL, r *http.Response) error {
	what := "fetch " + shown(at)
	status := fmt.Sprintf("the server answered %d", r.StatusCode)
	if text := http.StatusText(r.StatusCode); text != "" {
		status += " " + text
	}
	switch {
	case r.StatusCode == http.StatusOK, r.StatusCode == http.StatusPartialContent:
		if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
			return malformed(what, "the server packed it as %q, which was not asked for", printable(e))
		}
		return nil
	case r.StatusCode == http.StatusNotFound, r.StatusCode == http.StatusForbidden, r.StatusCode == http.StatusGone:
		return &Error{
			Kind: ErrNotFound, What: what, Text: status,
			Hint: "check the repository's address; if it is right, the publisher has not uploaded this file or forbids it",
		}
	case r.StatusCode >= 500, r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusRequestTimeout:
		return &Error{
			Kind: ErrNetwork, What: what, Text: status, Err: retryAfter(r.Header),
			Hint: "the server is in trouble; try later",
		}
	case r.StatusCode == http.StatusRequestedRangeNotSatisfiable, r.StatusCode == http.StatusPreconditionFailed:
		return &Error{Kind: ErrRange, What: what, Text: status}
	}
	return &Error{Kind: ErrMalformed, What: what, Text: status, Hint: "check the repository's address"}
}

// later is how long a server asks to be left alone.
type later time.Duration

func (l later) Error() string { return "retry after " + time.Duration(l).String() }

func retryAfter(h http.Header) error {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 1 {
		return nil
	}
	return later(min(time.Duration(seconds)*time.Second, longestBackoff))
}

// errIdle is why a request to a silent server is given up.
var errIdle = errors.New("the server sends nothing, or next to nothing")

const (
	// leastPerIdle is what must come within the idle time-out, in bytes: a server
	// that sends one now and then would otherwise hold us for ever.
	leastPerIdle = 16 << 10
	// wholePerIdle is how many of them a metadata file may take.
	wholePerIdle = 10
)

// watched is a body under a watchdog, which cancels its request.
type watched struct {
	from   io.ReadCloser
	ctx    context.Context // that of the one request whose body this is
	at     *url.URL
	idle   time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
	since  int // bytes since the timer was wound
}

func watch(idle time.Duration, cancel context.CancelCauseFunc) *watched {
	return &watched{idle: idle, cancel: cancel, timer: time.AfterFunc(idle, func() { cancel(errIdle) })}
}

func (w *watched) stop() {
	w.timer.Stop()
	w.cancel(context.Canceled)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if w.since += n; w.since >= leastPerIdle {
		w.since = 0
		w.timer.Reset(w.idle)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, networkError(w.at, reason(w.ctx, err))
	}
	return n, err
}

func (w *watched) Close() error {
	w.stop()
	return w.from.Close()
}
