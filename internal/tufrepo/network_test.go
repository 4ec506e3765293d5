package tufrepo_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
)

// quick are options with which failures take milliseconds. Silence is borne for
// long, so that a busy machine is not taken for a silent server.
func quick() tufrepo.RemoteOptions {
	return tufrepo.RemoteOptions{Backoff: time.Millisecond, Idle: time.Minute, Tries: 3}
}

// impatient are options for servers that are silent on purpose.
func impatient() tufrepo.RemoteOptions {
	o := quick()
	o.Idle = 100 * time.Millisecond
	return o
}

// image is a target that takes several reads.
func image() []byte {
	data := make([]byte, 300<<10)
	source := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(source.Uint32())
	}
	return data
}

// withTarget is a repository with one target, whose file handle serves.
func withTarget(t *testing.T, data []byte, handle http.HandlerFunc, o tufrepo.RemoteOptions) *tufrepo.Repository {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return withTargetAt(t, data, server.URL, o)
}

// withTargetAt is a repository with one target, which is fetched from base.
func withTargetAt(t *testing.T, data []byte, base string, o tufrepo.RemoteOptions) *tufrepo.Repository {
	t.Helper()
	repo := tufrepotest.New(t)
	repo.AddTarget("targets", "image", data)
	repo.Publish("targets", "snapshot", "timestamp")
	source, err := tufrepo.Remote(repo.URL+"/metadata", base, o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := tufrepo.Open(t.Context(), source, tufrepo.Options{TrustedRoot: repo.Root()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(ctx context.Context, r *tufrepo.Repository) ([]byte, error) {
	body, err := r.Open(ctx, "image")
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(body)
	return data, errors.Join(err, body.Close())
}

// breaking serves data, but every connection breaks after so many bytes.
func breaking(data []byte, after int, ranges bool) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("ETag", `"one"`)
		rest, start := data, 0
		if from := req.Header.Get("Range"); ranges && from != "" && req.Header.Get("If-Range") == `"one"` {
			start, _ = strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(from, "bytes="), "-"))
			rest = data[start:]
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(data)-1, len(data)))
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
		if start > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write(rest[:min(after, len(rest))])
	}
}

func TestConnectionsThatBreak(t *testing.T) {
	data := image()
	for name, test := range map[string]struct {
		handle http.HandlerFunc
		kind   error
	}{
		"resumed":                {breaking(data, 70<<10, true), nil},
		"never":                  {breaking(data, len(data), true), nil},
		"too little at a time":   {breaking(data, 100, true), tufrepo.ErrNetwork},
		"without ranges":         {breaking(data, 70<<10, false), tufrepo.ErrNetwork},
		"at once":                {breaking(data, 0, true), tufrepo.ErrNetwork},
		"in the middle, no more": {breaking(data, 250<<10, false), tufrepo.ErrNetwork},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t.Context(), withTarget(t, data, test.handle, quick()))
			if !errors.Is(err, test.kind) || test.kind == nil && !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v; want %v", len(got), err, test.kind)
			}
		})
	}
}

// A server that sends the whole file again instead of the rest is put up with.
func TestRangesAreIgnoredButOnce(t *testing.T) {
	data := image()
	var requests atomic.Int32
	handle := func(w http.ResponseWriter, req *http.Request) {
		after := len(data)
		if requests.Add(1) == 1 {
			after = 1000
		}
		breaking(data, after, false)(w, req)
	}
	got, err := read(t.Context(), withTarget(t, data, handle, quick()))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// A server that answers a range of another body, or with another range, is asked for the whole.
func TestRangesThatDoNotFit(t *testing.T) {
	data := image()
	for name, lie := range map[string]func(h http.Header){
		"another body":  func(h http.Header) { h.Set("ETag", `"two"`) },
		"another part":  func(h http.Header) { h.Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", len(data)-1, len(data))) },
		"no range":      func(h http.Header) { h.Del("Content-Range") },
		"range of text": func(h http.Header) { h.Set("Content-Range", "bytes all") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			handle := func(w http.ResponseWriter, req *http.Request) {
				switch requests.Add(1) {
				case 1:
					breaking(data, 1000, true)(w, req)
				case 2:
					w.Header().Set("ETag", `"one"`)
					w.Header().Set("Content-Range", fmt.Sprintf("bytes 1000-%d/%d", len(data)-1, len(data)))
					lie(w.Header())
					w.WriteHeader(http.StatusPartialContent)
					_, _ = w.Write(make([]byte, len(data)-1000))
				default:
					breaking(data, len(data), true)(w, req)
				}
			}
			if got, err := read(t.Context(), withTarget(t, data, handle, quick())); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// Servers that lie about what they send.
func TestLyingServers(t *testing.T) {
	data := image()
	changed := bytes.Clone(data)
	changed[len(changed)-1] ^= 1
	send := func(body []byte, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			_, _ = w.Write(body)
		}
	}
	afterBreak := func(second http.HandlerFunc) http.HandlerFunc {
		var requests atomic.Int32
		return func(w http.ResponseWriter, req *http.Request) {
			if requests.Add(1) == 1 {
				breaking(data, 1000, true)(w, req)
				return
			}
			second(w, req)
		}
	}
	partial := func(contentRange string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"one"`)
			w.Header().Set("Content-Range", contentRange)
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(body)
		}
	}
	for name, test := range map[string]struct {
		handle http.HandlerFunc
		kind   error
	}{
		"last byte changed":       {send(changed), tufrepo.ErrHash},
		"cut short":               {send(data[:len(data)-1]), tufrepo.ErrNetwork},
		"one byte more":           {send(append(bytes.Clone(data), 0)), tufrepo.ErrLength},
		"empty":                   {send(nil), tufrepo.ErrLength},
		"packed":                  {send(data, "Content-Encoding", "gzip"), tufrepo.ErrMalformed},
		"endless":                 {endless, tufrepo.ErrLength},
		"silent":                  {silent, tufrepo.ErrNetwork},
		"a byte now and then":     {dripping, tufrepo.ErrNetwork},
		"redirects for ever":      {looping, tufrepo.ErrMalformed},
		"a part nobody asked for": {partial(fmt.Sprintf("bytes 0-%d/%d", len(data)-1, len(data)), data), tufrepo.ErrMalformed},
		"the wrong part":          {afterBreak(partial(fmt.Sprintf("bytes 5-%d/%d", len(data)-1, len(data)), data[5:])), tufrepo.ErrMalformed},
		"a part of another file":  {afterBreak(partial(fmt.Sprintf("bytes 1000-%d/%d", len(data), len(data)+1), data[999:])), tufrepo.ErrLength},
		"a part without a range":  {afterBreak(partial("", data[1000:])), tufrepo.ErrMalformed},
		"several parts":           {afterBreak(partial("bytes */*", data[1000:])), tufrepo.ErrMalformed},
		"the rest is changed":     {afterBreak(partial(fmt.Sprintf("bytes 1000-%d/%d", len(data)-1, len(data)), changed[1000:])), tufrepo.ErrHash},
		"not found":               {http.NotFound, tufrepo.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := quick()
			if test.kind == tufrepo.ErrNetwork {
				o = impatient()
			}
			got, err := read(t.Context(), withTarget(t, data, test.handle, o))
			if !errors.Is(err, test.kind) {
				t.Errorf("%d bytes, %v; want %v", len(got), err, test.kind)
			}
		})
	}
}

func endless(w http.ResponseWriter, req *http.Request) {
	for req.Context().Err() == nil {
		if _, err := w.Write(make([]byte, 32<<10)); err != nil {
			return
		}
	}
}

func silent(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }

func dripping(w http.ResponseWriter, req *http.Request) {
	for req.Context().Err() == nil {
		_, _ = w.Write([]byte("x"))
		_ = http.NewResponseController(w).Flush()
		time.Sleep(10 * time.Millisecond)
	}
}

func looping(w http.ResponseWriter, req *http.Request) {
	http.Redirect(w, req, "/again", http.StatusFound)
}

func TestServerInTrouble(t *testing.T) {
	data := image()
	var requests atomic.Int32
	handle := func(w http.ResponseWriter, req *http.Request) {
		if requests.Add(1) < 3 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		breaking(data, len(data), true)(w, req)
	}
	if got, err := read(t.Context(), withTarget(t, data, handle, quick())); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	requests.Store(-10)
	if _, err := read(t.Context(), withTarget(t, data, handle, quick())); !errors.Is(err, tufrepo.ErrNetwork) {
		t.Errorf("%v, want a network failure", err)
	}
	if n := requests.Load(); n != -7 {
		t.Errorf("%d requests, want 3", n+10)
	}
}

func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	o := quick()
	o.Idle, o.Tries = time.Hour, 1000
	began := time.Now()
	if _, err := read(ctx, withTarget(t, image(), silent, o)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's end", err)
	}
	if time.Since(began) > 10*time.Second {
		t.Error("the context's end was not heard")
	}
}

// While the root chain is followed, 403 and 410 say that there is no next root,
// as storage services do to readers who may not list.
func TestEndOfRootChain(t *testing.T) {
	for status, kind := range map[int]error{
		403: nil, 404: nil, 410: nil, 400: tufrepo.ErrMalformed, 500: tufrepo.ErrNetwork, 429: tufrepo.ErrNetwork,
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			repo := tufrepotest.New(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if strings.HasSuffix(req.URL.Path, "/2.root.json") {
					w.WriteHeader(status)
					return
				}
				repo.ServeHTTP(w, req)
			}))
			t.Cleanup(server.Close)
			source, err := tufrepo.Remote(server.URL+"/metadata", server.URL+"/targets", quick())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tufrepo.Open(t.Context(), source, tufrepo.Options{TrustedRoot: repo.Root()}); !errors.Is(err, kind) {
				t.Errorf("%v, want %v", err, kind)
			}
		})
	}
}

func TestQueryAndProxy(t *testing.T) {
	repo := tufrepotest.New(t)
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked = append(asked, req.URL.String())
		req.URL.Host, req.URL.RawQuery = "", ""
		repo.ServeHTTP(w, req)
	}))
	t.Cleanup(proxy.Close)
	o := quick()
	o.Proxy = &tufrepo.Proxy{URL: proxy.URL}
	o.Query = func() url.Values { return url.Values{"version": {"1.2.0"}, "migrations": {"a,b"}} }
	source, err := tufrepo.Remote("http://repo.example/metadata?x=y", "http://repo.example/targets", o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tufrepo.Open(t.Context(), source, tufrepo.Options{TrustedRoot: repo.Root()}); err != nil {
		t.Fatal(err)
	}
	want := "http://repo.example/metadata/timestamp.json?migrations=a%2Cb&version=1.2.0&x=y"
	if len(asked) != 4 || asked[1] != want {
		t.Errorf("asked for %q, want %s second of 4", asked, want)
	}
}

func TestAddresses(t *testing.T) {
	for _, address := range []string{
		"ftp://host/x", "host/x", "http:///x", "file://other/x", "http://[", "", "http:x", "file:x", "file:", "file://",
		"http://host/?a;b", "http://host/?a=%zz",
	} {
		if _, err := tufrepo.Remote(address, "http://host/", quick()); err == nil {
			t.Errorf("address %q was accepted", address)
		}
		if _, err := tufrepo.Remote("http://host/", address, quick()); err == nil {
			t.Errorf("address %q of targets was accepted", address)
		}
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	for _, address := range []string{"http://user:se cret@host/", "http://user:secret/secret@host/", "http://user:%secret@host/"} {
		_, err := tufrepo.Remote(address, address, quick())
		if err == nil || strings.Contains(err.Error(), "cret") || !strings.Contains(err.Error(), "http://…@host/: malformed") {
			t.Errorf("error %v", err)
		}
	}
	source, err := tufrepo.Remote("http://user:secret@127.0.0.1:1/x?token=secret", "http://host/", quick())
	if err != nil {
		t.Fatal(err)
	}
	_, err = tufrepo.Open(t.Context(), source, tufrepo.Options{TrustedRoot: tufrepotest.New(t).Root()})
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "127.0.0.1:1/x") {
		t.Errorf("error %v", err)
	}
	if tufrepo.Hint(err) == "" {
		t.Error("no hint")
	}
}

// partFiles lists what is in a folder beside the target.
func partFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestDownloadGoesOnWhereAnEarlierOneStopped(t *testing.T) {
	data := image()
	var ranges []string
	broken := true
	handle := func(w http.ResponseWriter, req *http.Request) {
		ranges = append(ranges, req.Header.Get("Range")+" "+req.Header.Get("If-Range"))
		if broken {
			breaking(data, 100<<10, false)(w, req)
			return
		}
		breaking(data, len(data), true)(w, req)
	}
	o := quick()
	o.Tries = 1
	r := withTarget(t, data, handle, o)
	dir := t.TempDir()
	path := filepath.Join(dir, "image")
	if err := r.Download(t.Context(), "image", path, tufrepo.DownloadOptions{}); !errors.Is(err, tufrepo.ErrNetwork) {
		t.Fatalf("%v, want a network failure", err)
	}
	if diff := cmp.Diff([]string{".image.partial", ".image.partial.json"}, partFiles(t, dir)); diff != "" {
		t.Fatalf("left behind (-want +got):\n%s", diff)
	}
	broken, ranges = false, nil
	var first, last int64 = -1, 0
	err := r.Download(t.Context(), "image", path, tufrepo.DownloadOptions{Mode: 0o600, Progress: func(here, total int64) {
		if first < 0 {
			first = here
		}
		last = here
		if total != int64(len(data)) {
			t.Errorf("total %d", total)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if diff := cmp.Diff([]string{"bytes=102400- \"one\""}, ranges); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if first <= 100<<10 || last != int64(len(data)) {
		t.Errorf("progress from %d to %d", first, last)
	}
	if diff := cmp.Diff([]string{"image"}, partFiles(t, dir)); diff != "" {
		t.Errorf("left behind (-want +got):\n%s", diff)
	}
	ranges = nil
	if err := r.Download(t.Context(), "image", path, tufrepo.DownloadOptions{}); err != nil || ranges != nil {
		t.Errorf("%v, asked again: %q", err, ranges)
	}
}

// What is found on the disk is not believed either.
func TestPartialFilesThatDoNotFit(t *testing.T) {
	data := image()
	note := func(digest string, length int) string {
		return fmt.Sprintf(`{"length":%d,"hashes":{"sha256":%q},"validator":"\"one\""}`, length, digest)
	}
	digest := strings.TrimSuffix(strings.TrimPrefix(tufrepotest.TargetFile("image", data), "targets/"), ".image")
	for name, test := range map[string]struct {
		partial []byte
		note    string
	}{
		"altered":            {append([]byte("x"), data[1:5000]...), note(digest, len(data))},
		"torn":               {make([]byte, 5000), note(digest, len(data))},
		"whole":              {data, note(digest, len(data))},
		"whole but altered":  {append([]byte("x"), data[1:]...), note(digest, len(data))},
		"longer":             {append(bytes.Clone(data), 1), note(digest, len(data))},
		"of another target":  {data[:5000], note("00"+digest[2:], len(data))},
		"of another length":  {data[:5000], note(digest, 7)},
		"note is torn":       {data[:5000], `{"length":`},
		"without a note":     {data[:5000], ""},
		"empty":              {[]byte{}, note(digest, len(data))},
		"as it should be":    {data[:5000], note(digest, len(data))},
		"from another state": {data[:5000], strings.ReplaceAll(note(digest, len(data)), "one", "two")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := withTarget(t, data, breaking(data, len(data), true), quick())
			dir := t.TempDir()
			write(t, filepath.Join(dir, ".image.partial"), string(test.partial))
			if test.note != "" {
				write(t, filepath.Join(dir, ".image.partial.json"), test.note)
			}
			write(t, filepath.Join(dir, "image"), "the file of an earlier release")
			if err := r.Download(t.Context(), "image", filepath.Join(dir, "image"), tufrepo.DownloadOptions{}); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dir, "image"))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if diff := cmp.Diff([]string{"image"}, partFiles(t, dir)); diff != "" {
				t.Errorf("left behind (-want +got):\n%s", diff)
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWrongDownloadLeavesTheOldFile(t *testing.T) {
	data := image()
	r := withTarget(t, data, breaking(append(bytes.Clone(data), 0), len(data)+1, true), quick())
	dir := t.TempDir()
	write(t, filepath.Join(dir, "image"), "old")
	if err := r.Download(t.Context(), "image", filepath.Join(dir, "image"), tufrepo.DownloadOptions{}); !errors.Is(err, tufrepo.ErrLength) {
		t.Errorf("%v, want a wrong length", err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "image")); err != nil || string(got) != "old" {
		t.Errorf("%q, %v", got, err)
	}
	if diff := cmp.Diff([]string{"image"}, partFiles(t, dir)); diff != "" {
		t.Errorf("left behind (-want +got):\n%s", diff)
	}
}

// A target of any size takes a few buffers.
func TestTargetsAreNotHeldInMemory(t *testing.T) {
	const size = 64 << 20
	sum := sha256.New()
	if _, err := io.CopyN(sum, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	repo := tufrepotest.New(t)
	repo.Roles["targets"]["targets"] = object{"image": object{"length": size, "hashes": object{"sha256": fmt.Sprintf("%x", sum.Sum(nil))}}}
	repo.Publish("targets", "snapshot", "timestamp")
	repo.WriteTo(dir)
	file := filepath.Join(dir, "targets", fmt.Sprintf("%x.image", sum.Sum(nil)))
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o600), os.Truncate(file, size)); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	over, err := tufrepo.Remote(server.URL+"/metadata", server.URL+"/targets", quick())
	if err != nil {
		t.Fatal(err)
	}
	r, err := tufrepo.Open(t.Context(), over, tufrepo.Options{TrustedRoot: repo.Root()})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := r.Download(t.Context(), "image", filepath.Join(t.TempDir(), "image"), tufrepo.DownloadOptions{}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d KiB were allocated for a target of %d KiB", grown>>10, size>>10)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
