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
	"os"
	"path/filepath"
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
// metadata and of targets. A missing slash at the end is added. A file: address
// names a folder, or a bundle: then it is that of both.
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

// ParseAddress is url.Parse with errors that do not show the address: it may have a password in it.
func ParseAddress(text string) (*url.URL, error) {
	at, err := url.Parse(text)
	if err == nil {
		return at, nil
	}
	if strings.Contains(text, "@") { // the part that is wrong may be the password
		return nil, errors.New("malformed; in a password, all but letters and digits are written as %XX")
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return nil, err
}

// Masked is an address, also a malformed one, without what may be a password.
func Masked(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if at := strings.LastIndex(rest, "@"); ok && at >= 0 {
		return scheme + "://…" + rest[at:]
	}
	return text
}

func parseBase(text string) (*url.URL, error) {
	base, err := ParseAddress(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Masked(text), err)
	}
	if _, err := url.ParseQuery(base.RawQuery); err != nil {
		return nil, fmt.Errorf("%s has a query that cannot be added to: %w", shown(base), err)
	}
	if !strings.HasSuffix(base.Path, "/") {
		// Not JoinPath, which would take slashes and dots away that the server may know.
		base.Path, base.RawPath = base.Path+"/", base.EscapedPath()+"/"
	}
	return base, nil
}

// split takes metadata from one source and targets from another.
type split struct{ metadata, targets Source }

// Metadata implements Source.
func (s split) Metadata(ctx context.Context, name string, limit int64) ([]byte, error) {
	return s.metadata.Metadata(ctx, name, limit)
}

// Where shows the address of a metadata file.
func (s split) Where(name string) string {
	if l, ok := s.metadata.(locator); ok {
		return l.Where(name)
	}
	return name
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
			return nil, fmt.Errorf("%s is on another host", base.Redacted())
		}
		if base.Opaque != "" || base.Path == "/" {
			return nil, fmt.Errorf("%s names neither folder nor bundle, expected file:///PATH", base.Redacted())
		}
		return local(filepath.FromSlash(base.Path)), nil
	}
	return nil, fmt.Errorf("scheme %q, expected https, http or file", base.Scheme)
}

// local is a source on this host's disk: a bundle if the path is that of a file, else a folder.
func local(path string) Source {
	if info, err := os.Stat(filepath.Clean(path)); err == nil && info.Mode().IsRegular() {
		return bundleAt(filepath.Clean(path))
	}
	return dir{path, path}
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
	body  *watched
	where string // it came from
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
		err = networkError(shown(at), "no answer", reason(ctx, err)) // before the context is ended
		w.stop()
		return nil, err
	}
	r := &response{answer, w, origin(at, answer)}
	w.from, w.ctx, w.where = answer.Body, ctx, r.where
	if err := r.check(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return r, nil
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
	where  string          // it comes from
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
		return n, networkError(w.where, "the answer broke off", reason(w.ctx, err))
	}
	return n, err
}

func (w *watched) Close() error {
	w.stop()
	return w.from.Close()
}
