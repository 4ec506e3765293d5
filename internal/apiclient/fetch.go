package apiclient

import (
	"context"
	"encoding/base64"
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

	"golang.org/x/sync/errgroup"
)

const (
	maxDocument  = 2 << 20 // bytes of one document; the API takes no more
	maxFetches   = 4       // at the same time
	connectLimit = 10 * time.Second
	fetchLimit   = 30 * time.Second
)

// fetchAll returns the texts of all sources in their order, or the error of the first bad one.
func (a *app) fetchAll(ctx context.Context, sources []string) ([][]byte, error) {
	texts, errs := make([][]byte, len(sources)), make([]error, len(sources))
	var g errgroup.Group
	g.SetLimit(maxFetches)
	for i, source := range sources {
		g.Go(func() error {
			texts[i], errs[i] = a.fetch(ctx, source)
			return nil
		})
	}
	g.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return texts, nil
}

func (a *app) fetch(ctx context.Context, source string) ([]byte, error) {
	if source == "-" {
		text, err := limited(a.In)
		if err != nil {
			return nil, wordf(err, "Failed to read standard input: %v", err)
		}
		return text, nil
	}
	if data, ok := strings.CutPrefix(source, "base64:"); ok {
		return fetchBase64(source, data)
	}
	u, err := url.Parse(source)
	if err != nil {
		return nil, wordf(err, "Given invalid URI '%s': %v", source, err)
	}
	switch u.Scheme {
	case "":
		e := wordf(nil, "Given invalid URI '%s': relative URL without a base", source)
		return nil, hinted(e, "a file is written with its whole path: "+fileURI(source))
	case "file":
		return fetchFile(source, u)
	case "http", "https":
		return fetchHTTP(ctx, source)
	}
	e := wordf(nil, "No URI resolver found for '%s'", source)
	return nil, hinted(e, "a source is -, file:///path, http://…, https://… or base64:DATA")
}

// fileURI is the URI of a file that is there, or shows what one looks like.
func fileURI(name string) string {
	whole, err := filepath.Abs(name)
	if err == nil {
		_, err = os.Stat(whole)
	}
	if err != nil {
		whole = "/path/to/" + filepath.Base(name)
	}
	return (&url.URL{Scheme: "file", Path: whole}).String()
}

func fetchBase64(source, data string) ([]byte, error) {
	if len(data) > base64.StdEncoding.EncodedLen(maxDocument) {
		return nil, wordf(nil, "Given invalid base64 data: more than %d bytes", maxDocument)
	}
	text, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, wordf(err, "Given invalid URI '%s': %v", source, err)
	}
	return text, nil
}

func fetchFile(source string, u *url.URL) ([]byte, error) {
	if (u.Host != "" && u.Host != "localhost") || !strings.HasPrefix(u.Path, "/") {
		return nil, hinted(wordf(nil, "Given invalid file URI '%s'", source), "a file is written with its whole path: file:///path")
	}
	text, err := readLimited(u.Path)
	if err != nil {
		return nil, wordf(err, "Failed to read given file '%s': %v", source, err)
	}
	return text, nil
}

func fetchHTTP(ctx context.Context, source string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	text, err := get(ctx, source)
	if err != nil {
		return nil, wordf(err, "Failed GET request to '%s': %v", source, err)
	}
	return text, nil
}

func get(ctx context.Context, source string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, err
	}
	c := http.Client{Transport: &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DialContext:       (&net.Dialer{Timeout: connectLimit}).DialContext,
		ForceAttemptHTTP2: true,
	}}
	defer c.CloseIdleConnections()
	resp, err := c.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the source is named already
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, fmt.Errorf("HTTP status %s", resp.Status)
	}
	return limited(resp.Body)
}

// readFile reads a file that an option names; - is standard input.
func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return limited(a.In)
	}
	return readLimited(name)
}

func readLimited(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return limited(f)
}

func limited(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxDocument {
		return nil, fmt.Errorf("larger than allowed (limit: %d bytes)", maxDocument)
	}
	return text, nil
}
