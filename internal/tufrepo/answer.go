package tufrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// verdict is what answers with a status from..to mean, if it is not the file.
type verdict struct {
	from, to int
	kind     error
	hint     string
}

const (
	inTrouble  = "the server is in trouble; try later"
	badAddress = "check the repository's address"
	badNetwork = "check the network, the proxy settings (network.https-proxy, network.no-proxy) and the address"
	badPage    = "a captive portal, a proxy or an error page answers in place of the repository: " +
		"look at the address in a browser, and check network.https-proxy"
)

// verdicts are all of them; the first that fits counts.
var verdicts = []verdict{
	{301, 303, ErrMalformed, "the server redirects, but does not say where to; " + badAddress},
	{307, 308, ErrMalformed, "the server redirects, but does not say where to; " + badAddress},
	{401, 401, ErrMalformed, "the server wants a password, which belongs into the address: https://USER:PASSWORD@HOST/…"},
	{403, 404, ErrNotFound, badAddress + "; if it is right, the publisher has not uploaded this file or forbids it"},
	{407, 407, ErrMalformed, "the proxy wants a password, which belongs into network.https-proxy: http://USER:PASSWORD@HOST:PORT"},
	{408, 408, ErrNetwork, inTrouble},
	{410, 410, ErrNotFound, badAddress + "; if it is right, the publisher has withdrawn this file"},
	{412, 412, ErrRange, ""},
	{416, 416, ErrRange, ""},
	{429, 429, ErrNetwork, inTrouble},
	{511, 511, ErrNetwork, badPage},
	{500, 999, ErrNetwork, inTrouble},
	{100, 999, ErrMalformed, badAddress},
}

// check refuses an answer that is not a file, whole or in part, as it was published.
func (r *response) check() error {
	if r.StatusCode == http.StatusOK || r.StatusCode == http.StatusPartialContent {
		if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
			return &Error{
				Kind: ErrMalformed, What: r.what(), Text: fmt.Sprintf("packed as %q, expected the file as it was published", printable(e)),
				Hint: "the web server, or a proxy before it, packs files although it is asked not to: have that switched off there",
			}
		}
		return nil
	}
	status := fmt.Sprintf("the server answered %d", r.StatusCode)
	if text := http.StatusText(r.StatusCode); text != "" {
		status += " " + text
	}
	for _, v := range verdicts {
		if v.from <= r.StatusCode && r.StatusCode <= v.to {
			return &Error{Kind: v.kind, What: r.what(), Text: status, Hint: v.hint, Err: retryAfter(r.Header)}
		}
	}
	return &Error{Kind: ErrMalformed, What: r.what(), Text: status, Hint: badAddress}
}

func (r *response) what() string { return "fetch " + r.where }

// isPage tells whether the answer says that it is something to look at.
func (r *response) isPage() bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "text/html")
}

// wrongLength says that the file has another length than was published.
func (r *response) wrongLength(got, want int64) error {
	if r.isPage() {
		return &Error{Kind: ErrLength, What: r.what(), Text: fmt.Sprintf("a web page of %d bytes, expected a file of %d", got, want), Hint: badPage}
	}
	return wrongLength(r.what(), got, want)
}

// tooShort says that the answer ended before the file did, as when a connection breaks.
func (r *response) tooShort(got, want int64) error {
	e := &Error{
		Kind: ErrNetwork, What: r.what(), Hint: badNetwork,
		Text: fmt.Sprintf("the answer ended after %d bytes, expected %d", got, want),
	}
	if r.isPage() {
		e.Hint = badPage
	}
	return e
}

// noPart says that the answer is not the part that was asked for.
func (r *response) noPart(format string, args ...any) error {
	return &Error{
		Kind: ErrRange, What: r.what(), Text: "the server sent " + fmt.Sprintf(format, args...),
		Hint: "the web server, or a proxy before it, does not know ranges: what needs them is fetched whole",
	}
}

// unasked is of a part where the whole was asked for.
func (r *response) unasked() error {
	return malformed(r.what(), "the server sent a part (%d), expected the whole file", r.StatusCode)
}

// checkMetadata refuses what cannot be metadata, which begins with a brace.
func (r *response) checkMetadata(data []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")) {
		return &Error{Kind: ErrMalformed, What: r.what(), Text: "a web page, expected metadata", Hint: badPage}
	}
	return nil
}

// later is how long a server asks to be left alone.
type later time.Duration

func (l later) Error() string { return "retry after " + time.Duration(l).String() }

// retryAfter reads what a server asks for, in seconds or as a date; nil if nothing.
func retryAfter(h http.Header) error {
	text := h.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = time.Until(at).Round(time.Second)
	}
	if wait <= 0 {
		return nil
	}
	return later(wait)
}

// origin is where an answer came from.
func origin(at *url.URL, r *http.Response) string {
	asked, last := shown(at), shown(r.Request.URL)
	if last != asked {
		return asked + " (redirected to " + last + ")"
	}
	return asked
}

const maxRedirects = 10

// checkRedirect says which redirects are followed. Trying again would not mend the others.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	bad := func(format string, args ...any) error {
		return &Error{Kind: ErrMalformed, What: "fetch " + shown(first), Text: fmt.Sprintf(format, args...), Hint: badAddress}
	}
	switch {
	case len(via) > maxRedirects:
		return bad("more than %d redirects, the last to %s", maxRedirects, shown(req.URL))
	case req.URL.Scheme != "https" && req.URL.Scheme != "http":
		return bad("redirected to %s, expected an address with https or http", shown(req.URL))
	case first.Scheme == "https" && req.URL.Scheme != "https":
		return bad("redirected from https to http, to %s", shown(req.URL))
	}
	req.Header.Del("Referer") // the address may have a secret in its query
	return nil
}

// networkError is of an exchange with a server that trying again may mend,
// unless somebody ended it, or it is an Error already.
func networkError(where, text string, cause error) error {
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("fetch %s: %w", where, cause)
	}
	if known, ok := errors.AsType[*Error](cause); ok {
		return known
	}
	return &Error{Kind: ErrNetwork, What: "fetch " + where, Text: text, Err: cause, Hint: badNetwork}
}

// shown is an address without password and parameters.
func shown(at *url.URL) string {
	short := *at
	short.RawQuery, short.Fragment, short.RawFragment = "", "", ""
	return short.Redacted()
}
