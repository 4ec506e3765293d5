package tufrepo_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
)

// Odd servers and proxies: what comes of them is the right bytes, or an error that
// says where and what was expected.

// inTurn answers the first request with one handler, and the others with another.
func inTurn(first, then http.HandlerFunc) http.HandlerFunc {
	var requests atomic.Int32
	return func(w http.ResponseWriter, req *http.Request) {
		if requests.Add(1) == 1 {
			first(w, req)
			return
		}
		then(w, req)
	}
}

// answering sends a status, headers and a body, whatever is asked for.
func answering(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// page is what a captive portal shows.
var page = answering(http.StatusOK, "\n<!DOCTYPE html><p>Please log in", "Content-Type", "text/html; charset=utf-8")

func packed(data []byte) http.HandlerFunc {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = z.Write(data)
	_ = z.Close()
	return answering(http.StatusOK, buf.String(), "Content-Encoding", "gzip")
}

// raw is the address of a server that answers each connection with these bytes, and closes it.
func raw(t *testing.T, answer string) string {
	return listening(t, func(c net.Conn) { _, _ = io.WriteString(c, answer) })
}

// listening is the address of a server that answers the question of each
// connection as the function does, and closes it.
func listening(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = c.Read(make([]byte, 4096))
				answer(c)
				_ = c.Close()
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// rest sends what is behind the break, as a part, with these headers.
func rest(data []byte, from int, header ...string) http.HandlerFunc {
	header = append(header, "Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
	return answering(http.StatusPartialContent, string(data[from:]), header...)
}

func TestOddServers(t *testing.T) {
	data := image()
	other := bytes.Clone(data)
	for i := range other {
		other[i] ^= 0x55
	}
	const broke = 70 << 10
	after := func(then http.HandlerFunc) http.HandlerFunc { return inTurn(breaking(data, broke, true), then) }
	onlyRest := func(header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Range") == "" {
				t.Error("the whole was asked for again")
			}
			rest(data, broke, header...)(w, req)
		}
	}
	var tags atomic.Int32
	for name, test := range map[string]struct {
		handle http.HandlerFunc
		kind   error  // nil: the right bytes
		text   string // of the error
	}{
		"part without a tag":        {after(onlyRest()), nil, ""},
		"part with a weakened tag":  {after(onlyRest("ETag", `W/"one"`)), nil, ""},
		"part without a length":     {after(onlyRest("ETag", `"one"`, "Content-Range", fmt.Sprintf("bytes %d-%d/*", broke, len(data)-1))), nil, ""},
		"parts shorter than asked":  {shortParts(data), nil, ""},
		"weak tags":                 {func(w http.ResponseWriter, req *http.Request) { serving(data, `W/"a"`)(&cutShort{w, 200 << 10}, req) }, nil, ""},
		"416 for the rest":          {after(inTurn(answering(416, ""), serving(data, `"one"`))), nil, ""},
		"whole instead of the rest": {after(answering(http.StatusOK, string(data))), nil, ""},
		"another tag each time": {after(func(w http.ResponseWriter, req *http.Request) {
			serving(data, fmt.Sprintf(`"%d"`, tags.Add(1)))(w, req)
		}), nil, ""},
		"without length, in chunks": {func(w http.ResponseWriter, _ *http.Request) {
			for part := range slices.Chunk(data, 999) {
				_, _ = w.Write(part)
				_ = http.NewResponseController(w).Flush()
			}
		}, nil, ""},

		"replaced":              {after(serving(other, `"two"`)), tufrepo.ErrHash, "target image from URL: the file was replaced while it was fetched: its first 71680 bytes are others now, expected the same"},
		"replaced, same tag":    {after(serving(other, `"one"`)), tufrepo.ErrHash, "target image from URL: sha256 is "},
		"replaced by a shorter": {after(serving(other[:broke-1], `"two"`)), tufrepo.ErrLength, "fetch URL: 71679 bytes, expected 307200"},
		"packed":                {packed(data), tufrepo.ErrMalformed, `fetch URL: packed as "gzip", expected the file as it was published`},
		"part of another file":  {after(inTurn(rest(data, broke, "ETag", `"two"`), answering(404, ""))), tufrepo.ErrNotFound, "fetch URL: the server answered 404 Not Found"},
		"a page":                {page, tufrepo.ErrLength, "fetch URL: a web page of 32 bytes, expected a file of 307200"},
		"redirect to a page": {func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/login" {
				page(w, req)
				return
			}
			http.Redirect(w, req, "/login?secret", http.StatusFound)
		}, tufrepo.ErrLength, "fetch URL (redirected to BASE/login): a web page of 32 bytes, expected a file of 307200"},
		"redirects for ever": {looping, tufrepo.ErrMalformed, "fetch URL: more than 10 redirects, the last to BASE/again"},
		"redirect elsewhere": {answering(302, "", "Location", "ftp://user:secret@host/x"), tufrepo.ErrMalformed, "fetch URL: redirected to ftp://user:xxxxx@host/x, expected an address with https or http"},
		"redirect nowhere":   {answering(302, ""), tufrepo.ErrMalformed, "fetch URL: the server answered 302 Found"},
		"ends too early": {func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(data[:1000])
		}, tufrepo.ErrNetwork, "after 3 tries: fetch URL: the answer ended after 1000 bytes, expected 307200"},
		"breaks off":               {func(w http.ResponseWriter, req *http.Request) { serving(data, `"a"`)(&cutShort{w, 20 << 10}, req) }, tufrepo.ErrNetwork, "after 3 tries: fetch URL: the answer broke off: unexpected EOF"},
		"wants to be left alone":   {answering(503, "", "Retry-After", "0"), tufrepo.ErrNetwork, "after 3 tries: fetch URL: the server answered 503 Service Unavailable"},
		"wants a password":         {answering(401, ""), tufrepo.ErrMalformed, "fetch URL: the server answered 401 Unauthorized"},
		"status of its own":        {answering(222, string(data)), tufrepo.ErrMalformed, "fetch URL: the server answered 222"},
		"portal that says it":      {answering(511, ""), tufrepo.ErrNetwork, "after 3 tries: fetch URL: the server answered 511 Network Authentication Required"},
		"nothing changed, it says": {answering(304, ""), tufrepo.ErrMalformed, "fetch URL: the server answered 304 Not Modified"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.handle)
			t.Cleanup(server.Close)
			got, err := read(t.Context(), withTargetAt(t, data, server.URL, quick()))
			judge(t, got, err, data, test.kind, expand(test.text, server.URL, data))
		})
	}
	for name, test := range map[string]struct {
		answer string
		kind   error
		text   string
	}{
		"until the connection is closed": {"HTTP/1.0 200 OK\r\n\r\n" + string(data), nil, ""},
		"cut short, and closed":          {"HTTP/1.0 200 OK\r\n\r\n" + string(data[:1000]), tufrepo.ErrNetwork, "after 3 tries: fetch URL: the answer ended after 1000 bytes, expected 307200"},
		"something else":                 {"SSH-2.0-OpenSSH\r\n", tufrepo.ErrNetwork, "after 3 tries: fetch URL: no answer: net/http: HTTP/1.x transport connection broken: malformed HTTP response"},
		"two lengths":                    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", tufrepo.ErrNetwork, "after 3 tries: fetch URL: no answer: "},
		"a bad chunk":                    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", tufrepo.ErrNetwork, "after 3 tries: fetch URL: the answer broke off: invalid byte in chunk length"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := raw(t, test.answer)
			got, err := read(t.Context(), withTargetAt(t, data, base, quick()))
			judge(t, got, err, data, test.kind, expand(test.text, base, data))
		})
	}
}

// expand puts a target's address into an expected text.
func expand(text, base string, data []byte) string {
	name := strings.TrimPrefix(tufrepotest.TargetFile("image", data), "targets/")
	return strings.NewReplacer("URL", base+"/"+name, "BASE", base).Replace(text)
}

func judge(t *testing.T, got []byte, err error, want []byte, kind error, text string) {
	t.Helper()
	switch {
	case kind == nil && (err != nil || !bytes.Equal(got, want)):
		t.Errorf("%d bytes, %v; want the right ones", len(got), err)
	case kind != nil && (!errors.Is(err, kind) || !strings.HasPrefix(err.Error(), text) || tufrepo.Hint(err) == ""):
		t.Errorf("got  %v (%s)\nwant %s (%v) and a hint", err, tufrepo.Hint(err), text, kind)
	}
}

// shortParts sends less of each part than was asked for, as it says.
func shortParts(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		from := 0
		if _, err := fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-", &from); err != nil {
			breaking(data, 70<<10, true)(w, req)
			return
		}
		to := min(from+100<<10, len(data))
		answering(http.StatusPartialContent, string(data[from:to]), "ETag", `"one"`,
			"Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(data)))(w, req)
	}
}

// What is fetched in two runs of a program is not mixed either.
func TestResumeOfAFileThatWasReplaced(t *testing.T) {
	data := image()
	served := data
	r := withTarget(t, data, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(served) }, quick())
	state := brokenOff(t, r)
	served = bytes.Clone(data)
	served[5] ^= 1
	_, err := r.Resume(t.Context(), "image", state)
	if !errors.Is(err, tufrepo.ErrHash) || !strings.Contains(err.Error(), "the file was replaced while it was fetched: its first 1000 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestOddMetadata(t *testing.T) {
	repo := tufrepotest.New(t)
	old := tufrepotest.New(t)
	old.Roles["timestamp"]["expires"] = "2020-01-02T03:04:05Z"
	old.Publish("timestamp")
	if err := openAt(t, old, old.URL+"/metadata"); err == nil || !strings.HasPrefix(err.Error(), "timestamp metadata is expired: ") {
		t.Errorf("got %v", err)
	}
	for name, test := range map[string]struct {
		file   string
		handle http.HandlerFunc
		text   string
	}{
		"a page":                         {"timestamp.json", page, "fetch URL: a web page, expected metadata"},
		"a page, as if there was a root": {"2.root.json", page, "fetch URL: a web page, expected metadata"},
		"something else":                 {"timestamp.json", answering(200, `{"signed": 1}`), `timestamp metadata, from URL: no object "signed" in it`},
		"nothing":                        {"1.snapshot.json", answering(200, ""), "snapshot metadata, from URL: "},
		"packed":                         {"1.targets.json", packed([]byte("{}")), `fetch URL: packed as "gzip"`},
		"a part":                         {"timestamp.json", answering(206, "{}", "Content-Range", "bytes 0-1/2"), "fetch URL: the server sent a part (206), expected the whole file"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if strings.HasSuffix(req.URL.Path, "/"+test.file) {
					test.handle(w, req)
					return
				}
				repo.ServeHTTP(w, req)
			}))
			t.Cleanup(server.Close)
			want := strings.ReplaceAll(test.text, "URL", server.URL+"/metadata/"+test.file)
			if err := openAt(t, repo, server.URL+"/metadata"); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func openAt(t *testing.T, repo *tufrepotest.Repo, metadata string) error {
	t.Helper()
	source, err := tufrepo.Remote(metadata, metadata, quick())
	if err != nil {
		t.Fatal(err)
	}
	_, err = tufrepo.Open(t.Context(), source, tufrepo.Options{TrustedRoot: repo.Root()})
	return err
}

// Headers that come a byte at a time are no answer.
func TestSlowHeaders(t *testing.T) {
	base := listening(t, func(c net.Conn) {
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
		for err == nil {
			time.Sleep(5 * time.Millisecond)
			_, err = io.WriteString(c, "x")
		}
	})
	data := image()
	got, err := read(t.Context(), withTargetAt(t, data, base, impatient()))
	judge(t, got, err, data, tufrepo.ErrNetwork, expand("after 3 tries: fetch URL: no answer: the server sends nothing, or next to nothing", base, data))
}

// Which request an address and a name make.
func TestRequestAddresses(t *testing.T) {
	name := "a b+c%20d;e?f&g/é.img"
	digest := ""
	for base, want := range map[string]string{
		"":               "/%s",
		"/":              "/%s",
		"/x":             "/x/%s",
		"/x/":            "/x/%s",
		"/x//y":          "/x//y/%s",
		"/x/../y":        "/x/../y/%s",
		"/a%2Fb":         "/a%%2Fb/%s",
		"/a b+c":         "/a%%20b+c/%s",
		"/x?key=a%2Bb=":  "/x/%s?key=a%%2Bb%%3D",
		"/x/?key=a+b#at": "/x/%s?key=a+b",
		"?key":           "/%s?key=",
	} {
		t.Run(base, func(t *testing.T) {
			repo := tufrepotest.New(t)
			repo.AddTarget("targets", name, []byte("content"))
			repo.Publish("targets", "snapshot", "timestamp")
			digest = strings.TrimPrefix(tufrepotest.TargetFile("", []byte("content")), "targets/")
			asked := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				asked = req.RequestURI
				_, _ = io.WriteString(w, "content")
			}))
			t.Cleanup(server.Close)
			o := quick()
			o.Query = func() url.Values { return nil }
			source, err := tufrepo.Remote(repo.URL+"/metadata", server.URL+base, o)
			if err != nil {
				t.Fatal(err)
			}
			r, err := tufrepo.Open(t.Context(), source, tufrepo.Options{TrustedRoot: repo.Root()})
			if err != nil {
				t.Fatal(err)
			}
			body, err := r.Open(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(body); err != nil {
				t.Error(err)
			}
			quoted := "a%20b%2Bc%2520d%3Be%3Ff%26g/" + digest + "%C3%A9.img"
			if diff := cmp.Diff(asked, fmt.Sprintf(want, quoted)); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
		})
	}
}

func TestIPv6(t *testing.T) {
	repo := tufrepotest.New(t)
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: repo}}
	server.Start()
	t.Cleanup(server.Close)
	if err := openAt(t, repo, server.URL+"/metadata"); err != nil || !strings.Contains(server.URL, "[::1]") {
		t.Errorf("%s: %v", server.URL, err)
	}
}

// A password is for the host that it was given for, and so is what a query may hide.
func TestPasswordsStayWithTheirHost(t *testing.T) {
	data := image()
	var first, second http.Header
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		second = req.Header
		serving(data, `"one"`)(w, req)
	}))
	t.Cleanup(elsewhere.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		first = req.Header
		http.Redirect(w, req, strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)+"/image", http.StatusFound)
	}))
	t.Cleanup(server.Close)
	base := strings.Replace(server.URL, "http://", "http://user:secret@", 1) + "/?token=secret"
	got, err := read(t.Context(), withTargetAt(t, data, base, quick()))
	judge(t, got, err, data, nil, "")
	if first.Get("Authorization") == "" {
		t.Error("the password was not sent")
	}
	if second.Get("Authorization") != "" || second.Get("Referer") != "" {
		t.Errorf("another host got %v", second)
	}
}
