package userdata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// IMDS is a client of the EC2 instance metadata service, version 2: every
// question carries a token that is fetched first. While the service does not
// answer, as in the first seconds of an instance, it asks again, with waits
// that grow like Fibonacci's numbers.
type IMDS struct {
	Endpoint string        // default http://169.254.169.254
	Timeout  time.Duration // for one question with all its repetitions; default 300 s
}

const (
	imdsEndpoint = "http://169.254.169.254"
	imdsTimeout  = 300 * time.Second
	imdsSchema   = "2021-07-15" // the version of the data's layout that is asked for

	firstWait   = 250 * time.Millisecond
	longestWait = 10 * time.Second
	attemptTime = 5 * time.Second // for one request

	tokenHeader = "X-aws-ec2-metadata-token"
	tokenTTL    = "60" // seconds
)

// errAsk is an answer that asking again will not change.
var errAsk = errors.New("not to be repeated")

// Get asks for a path such as user-data; false if the service has no such thing.
func (m *IMDS) Get(ctx context.Context, path string) ([]byte, bool, error) {
	limit := m.Timeout
	if limit <= 0 {
		limit = imdsTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	wait, next := firstWait, firstWait
	for attempt := 1; ; attempt++ {
		data, found, err := m.attempt(ctx, path)
		if err == nil || errors.Is(err, errAsk) {
			return data, found, err
		}
		if !pause(ctx, wait) {
			return nil, false, fmt.Errorf("ask %s for %s, %d times: %w: %w", m.endpoint(), path, attempt, context.Cause(ctx), err)
		}
		wait, next = next, min(wait+next, longestWait)
	}
}

// pause waits between half of d and all of it; false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (m *IMDS) endpoint() string {
	if m.Endpoint == "" {
		return imdsEndpoint
	}
	return strings.TrimRight(m.Endpoint, "/")
}

// attempt fetches a token and, with it, the data.
func (m *IMDS) attempt(ctx context.Context, path string) ([]byte, bool, error) {
	token, _, err := m.request(ctx, http.MethodPut, "/latest/api/token", http.Header{tokenHeader + "-Ttl-Seconds": {tokenTTL}})
	if err != nil {
		return nil, false, fmt.Errorf("get a token: %w", err)
	}
	return m.request(ctx, http.MethodGet, "/"+imdsSchema+"/"+path, http.Header{tokenHeader: {string(token)}})
}

func (m *IMDS) request(ctx context.Context, method, path string, header http.Header) ([]byte, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, m.endpoint()+path, nil)
	if err != nil {
		return nil, false, fmt.Errorf("%w (%w)", err, errAsk)
	}
	for name, values := range header {
		req.Header.Set(name, values[0])
	}
	resp, err := m.client().Do(req)
	if err != nil {
		return nil, false, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxRaw+1))
	switch {
	case err != nil:
		return nil, false, err
	case len(body) > MaxRaw:
		return nil, false, fmt.Errorf("the answer has more than %d bytes (%w)", MaxRaw, errAsk)
	}
	return judge(resp.StatusCode, body, method)
}

// judge tells what a status means: the data, none, try again, or give up.
func judge(status int, body []byte, method string) ([]byte, bool, error) {
	switch {
	case status == http.StatusOK:
		return body, true, nil
	case status == http.StatusNotFound && method == http.MethodGet:
		return nil, false, nil
	case status == http.StatusForbidden:
		return nil, false, fmt.Errorf("the instance metadata service is turned off: status %d (%w)", status, errAsk)
	}
	return nil, false, fmt.Errorf("status %d", status)
}

// client takes no proxy and follows nothing: the service is next door. Each
// question has a connection of its own, since few are asked.
func (m *IMDS) client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{Proxy: nil, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
