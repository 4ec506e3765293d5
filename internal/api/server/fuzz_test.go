package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// ask sends a request to the handler itself, as root.
func (w *world) ask(method, path, rawQuery, body string) *httptest.ResponseRecorder {
	r := &http.Request{
		Method: method, URL: &url.URL{Path: path, RawQuery: rawQuery}, Host: "x", Header: http.Header{"Content-Type": {"application/json"}},
		Body: http.NoBody, ContentLength: int64(len(body)),
	}
	if body != "" {
		r.Body = readCloser{strings.NewReader(body)}
	}
	c := &conn{}
	c.identity.Role = 3
	rec := httptest.NewRecorder()
	w.http.Handler.ServeHTTP(rec, r.WithContext(withConn(r.Context(), c)))
	return rec
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// healthy fails the test for an answer that blames the server.
func healthy(t *testing.T, rec *httptest.ResponseRecorder, about ...string) {
	t.Helper()
	if rec.Code >= http.StatusInternalServerError && rec.Code != http.StatusNotImplemented {
		t.Errorf("%q: %d %s", about, rec.Code, rec.Body)
	}
}

// FuzzPatch: whatever the body, PATCH answers 204, and then GET /tx works and DELETE /tx empties it, or 4xx.
func FuzzPatch(f *testing.F) {
	w := newWorld(f)
	for _, body := range []string{
		`{"motd": "hello"}`, `{}`, `null`, `[]`, `{"motd": null}`, `{"a`, "\ufeff{}", `{"kernel": {"sysctl": {"a.b": "c"}}}`,
		`{"host-containers": {"x": {"user-data": "aGk="}}}`, `{"updates": {"seed": 1e400}}`, `{"updates":{"seed":18446744073709551616}}`,
		`{"motd": "\ud800"}`, "{\"motd\": \"\xff\"}", `{"kernel": {"sysctl": {"": "c", "a\"b": "c"}}}`, `{"motd":"a","motd":"b"}`,
		`{"ntp": {"time-servers": [null]}}`, `{"container-registry": {"mirrors": {"x": ["http://y"]}}}`,
	} {
		f.Add(body, "tx=a")
	}
	f.Fuzz(func(t *testing.T, body, query string) {
		rec := w.ask("PATCH", "/settings", query, body)
		healthy(t, rec, body, query)
		if rec.Code != http.StatusNoContent {
			return
		}
		got := w.ask("GET", "/tx", query, "")
		healthy(t, got, body, query)
		again := w.ask("PATCH", "/settings", query, got.Body.String())
		if again.Code != http.StatusNoContent {
			t.Errorf("%q became %s, which is refused: %s", body, got.Body, again.Body)
		}
		healthy(t, w.ask("DELETE", "/tx", query, ""), body, query)
	})
}

// FuzzKeyPairs does the same for the key=value form.
func FuzzKeyPairs(f *testing.F) {
	w := newWorld(f)
	for _, body := range []string{
		`{"request_payload": ["motd=hi"]}`, `{"request_payload": ["motd"]}`, `{"request_payload": "x"}`, `{"request_payload": null}`, `{}`,
		`{"request_payload": ["=x", "a b=c", "motd=a=b", "settings.motd=1", "updates.seed=-5", "updates.ignore-waves=true"]}`,
		`{"request_payload": ["kernel.sysctl.\"a.b\"=1", "ntp.time-servers=a", "ntp.time-servers=[\"a\"]", "ntp=1", "host-containers.x.enabled=yes"]}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		rec := w.ask("PATCH", "/settings/keypair", "tx=k", body)
		healthy(t, rec, body)
		healthy(t, w.ask("GET", "/tx", "tx=k", ""), body)
		healthy(t, w.ask("DELETE", "/tx", "tx=k", ""), body)
	})
}

// FuzzRequests asks every route that reads with any query, and plans any request.
func FuzzRequests(f *testing.F) {
	w := newWorld(f)
	for _, query := range []string{"keys=settings.motd", "prefix=settings.", "names=motd,,ntp", "keys=%ZZ", "key=motd", "before=1&limit=2", "wait=1ms", "layer=user&tx="} {
		f.Add(query, `{"pairs": ["motd=x"], "unset": ["ntp"], "apply": ["motd"], "try": "5m", "layer": "user"}`)
	}
	f.Add("", `{"settings": {"motd": "x"}, "unset": ["a.b", "\"", "settings"], "apply": ["settings"], "apply-all": true}`)
	f.Fuzz(func(t *testing.T, query, body string) {
		for _, rt := range routes() {
			if rt.method == "GET" && !strings.HasSuffix(rt.path, "/events") {
				healthy(t, w.ask(rt.method, strings.ReplaceAll(rt.path, "{id}", "1"), query, ""), rt.path, query)
			}
		}
		healthy(t, w.ask("POST", "/plan", "", body), "/plan", body)
		healthy(t, w.ask("POST", "/tx/commit", query, body), "/tx/commit", query)
	})
}
