package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	assets "github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/cli/clitest"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
)

// world is a server over a real store, engine and model, on a real socket in a root of its own.
type world struct {
	*Server
	t      testing.TB
	root   paths.Root
	socket string
	client *http.Client
	log    *clitest.Buffer

	mu   sync.Mutex
	peer Peer
	dead error
}

var release = osrelease.Release{PrettyName: "Test", VariantID: "aws-dev", VersionID: "1.2.3", BuildID: "x", Arch: "x86_64"}

// newWorld starts a server that takes everybody for root unless told otherwise; adjust may change its configuration.
func newWorld(t testing.TB, adjust ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, root: paths.Root(t.TempDir()), log: new(clitest.Buffer)}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	templates, err := fs.Sub(assets.Assets, "templates")
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(assets.Assets, "aws-dev")
	if err != nil {
		t.Fatal(err)
	}
	store, err := datastore.Open(w.root.Datastore(), datastore.Options{Defaults: m.Defaults(), Secret: m.Secret, Valid: m.Check, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(w.root.Run(), 0o755); err != nil {
		t.Fatal(err)
	}
	engine := apply.New(apply.Config{
		Root: w.root, Store: store, Model: m, Templates: templates,
		Services: service.Recorder(w.root.Restarts(), w.root.Faults(), time.Minute),
		OS:       func() (map[string]any, error) { return release.Map(), nil },
		Log:      log, Now: time.Now,
	})
	config := Config{
		Store: store, Engine: engine, Model: m,
		OS:      func() (osrelease.Release, error) { return release, nil },
		Reboot:  func(context.Context, string) error { return nil },
		Updates: noUpdates{},
		Access:  Access{Owner: 1 << 30, Groups: []GroupGrant{{1, "readers", api.RoleRead}, {2, "writers", api.RoleWrite}}},
		Peer:    w.credentials,
		Path:    w.root.Datastore(),
		Log:     log,
	}
	for _, f := range adjust {
		f(&config)
	}
	if w.Server, err = New(config); err != nil {
		t.Fatal(err)
	}
	if err := engine.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Server.Ready()
	w.listen()
	t.Cleanup(func() {
		if err := errors.Join(engine.Close(context.Background()), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) listen() {
	w.socket = filepath.Join(w.t.TempDir(), "s")
	l, err := net.Listen("unix", w.socket)
	if err != nil {
		w.t.Fatal(err)
	}
	w.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", w.socket)
		},
	}}
	served := make(chan error, 1)
	go func() { served <- w.Serve(l) }()
	w.t.Cleanup(func() {
		w.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := errors.Join(w.Shutdown(ctx), <-served); err != nil {
			w.t.Error(err)
		}
	})
}

func (w *world) credentials(net.Conn) (Peer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peer, w.dead
}

// as makes the next connections those of another peer.
func (w *world) as(p Peer, err error) {
	w.mu.Lock()
	w.peer, w.dead = p, err
	w.mu.Unlock()
	w.client.CloseIdleConnections()
}

// reply is an answer, read whole.
type reply struct {
	Status int
	Type   string
	Header http.Header
	Body   string
}

func (w *world) do(method, target, body string, headers ...string) reply {
	w.t.Helper()
	r, err := w.try(method, target, body, headers...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, target, err)
	}
	return r
}

// try sends a request; a body is JSON unless headers say otherwise.
func (w *world) try(method, target, body string, headers ...string) (reply, error) {
	request, err := http.NewRequest(method, "http://localhost", strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	path, query, _ := strings.Cut(target, "?")
	request.URL.Path, request.URL.RawQuery = path, query
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := w.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header.Get("Content-Type"), response.Header, string(text)}, err
}

// get is do with GET, decoded into v.
func (w *world) get(target string, v any) {
	w.t.Helper()
	r := w.do("GET", target, "")
	if err := json.Unmarshal([]byte(r.Body), v); err != nil || r.Status != http.StatusOK {
		w.t.Fatalf("GET %s: status %d, %v: %s", target, r.Status, err, r.Body)
	}
}

func newProbe() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func probeRequest(rt *route) *http.Request {
	return httptest.NewRequest(rt.method, strings.ReplaceAll(rt.path, "{id}", "1"), nil)
}

// TestMethods asks every path with every method: what is not in the table is 404 and empty, but for /exec.
func TestMethods(t *testing.T) {
	w := newWorld(t)
	known := make(map[string]bool)
	for _, rt := range routes() {
		known[rt.name()] = true
	}
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"}
	for _, rt := range routes() {
		for _, method := range methods {
			if known[method+" "+rt.path] {
				continue
			}
			want := http.StatusNotFound
			if rt.path == execPath {
				want = http.StatusMethodNotAllowed
			}
			got := w.do(method, strings.ReplaceAll(rt.path, "{id}", "1"), "")
			if got.Status != want || got.Body != "" || got.Type != "" {
				t.Errorf("%s %s: %d %q %q, want %d and nothing", method, rt.path, got.Status, got.Type, got.Body, want)
			}
		}
	}
}

func TestPaths(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]int{
		"/settings/":   404,
		"//settings":   404,
		"/Settings":    404,
		"/settings/..": 404,
		"/tx/":         404,
		"/changes/":    404,
		"/nosuch":      404,
		"/settings":    200,
	} {
		if got := w.do("GET", path, ""); got.Status != want {
			t.Errorf("GET %s: %d, want %d", path, got.Status, want)
		}
	}
	for path, want := range map[string]int{"/%73ettings": 200, "/tx%2Flist": 404, "/tx/%6cist": 200, "/%2573ettings": 404} {
		if got := w.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", want)) {
			t.Errorf("GET %s: %s, want %d", path, got, want)
		}
	}
}

// raw writes bytes to a connection of its own and returns the first line of the answer.
func (w *world) raw(request string) string {
	w.t.Helper()
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		w.t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		w.t.Fatalf("%q: %v", request, err)
	}
	return strings.TrimSpace(line)
}

func TestNotYetServed(t *testing.T) {
	w := newWorld(t)
	for _, target := range []string{"GET /exec", "GET /report/cis?level=1", "POST /actions/ephemeral-storage/init"} {
		method, path, _ := strings.Cut(target, " ")
		got := w.do(method, path, "")
		if got.Status != http.StatusNotImplemented || got.Header.Get("Hostler-Error-Code") != "not-implemented" {
			t.Errorf("%s: %d %v", target, got.Status, got.Header)
		}
	}
}

// TestRolesOfRoutes calls every route as somebody one role too weak, and as nobody.
func TestRolesOfRoutes(t *testing.T) {
	w := newWorld(t)
	peers := map[api.Role]Peer{
		api.RoleNone:  {Caller: api.Caller{UID: 9, GID: 9}},
		api.RoleRead:  {Caller: api.Caller{UID: 9, GID: 1}},
		api.RoleWrite: {Caller: api.Caller{UID: 9, GID: 9}, Groups: []uint32{2}},
	}
	for role, peer := range peers {
		w.as(peer, nil)
		for _, rt := range routes() {
			if rt.role <= role || rt.path == "/events" {
				continue
			}
			got := w.do(rt.method, strings.ReplaceAll(rt.path, "{id}", "1"), "{}")
			if got.Status != http.StatusForbidden {
				t.Errorf("%s as %v: %d", rt.name(), role, got.Status)
			}
			wantType := "application/json"
			if rt.dialect == reference {
				wantType = ""
			}
			if got.Type != wantType {
				t.Errorf("%s as %v: content type %q, want %q", rt.name(), role, got.Type, wantType)
			}
		}
	}
	w.as(Peer{}, errors.New("no credentials"))
	if got := w.do("GET", "/settings", ""); got.Status != http.StatusForbidden {
		t.Errorf("a peer without credentials: %d", got.Status)
	}
	var id api.Identity
	w.get("/whoami", &id)
	if id.Role != api.RoleNone {
		t.Errorf("whoami of a peer without credentials: %+v", id)
	}
}

// TestRealCredentials is served by the kernel's word, not by a test's.
func TestRealCredentials(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Peer, c.Access = PeerOf, DefaultAccess(uint32(os.Getuid())) })
	var id api.Identity
	w.get("/whoami", &id)
	if id.UID != uint32(os.Getuid()) || id.PID != int32(os.Getpid()) || id.Role != api.RoleAdmin {
		t.Errorf("whoami: %+v", id)
	}
}

func TestLayerNeedsAdmin(t *testing.T) {
	w := newWorld(t)
	w.as(Peer{Caller: api.Caller{UID: 9, GID: 2}}, nil)
	w.do("PATCH", "/settings?tx=a", `{"motd": "x"}`)
	w.do("PATCH", "/settings?tx=bottlerocket-launch", `{"motd": "x"}`)
	for _, request := range [][2]string{
		{"/tx/commit?tx=a&layer=generated", ""},
		{"/tx/commit?tx=bottlerocket-launch", ""},
		{"/changes", `{"layer": "generated", "pairs": ["motd=x"]}`},
		{"/changes", `{"transaction": "bottlerocket-launch"}`},
	} {
		target, body := request[0], request[1]
		if got := w.do("POST", target, body); got.Status != http.StatusForbidden {
			t.Errorf("POST %s: %d %s", target, got.Status, got.Body)
		}
	}
	w.as(Peer{}, nil)
	if got := w.do("POST", "/tx/commit?tx=a&layer=default", ""); got.Status != http.StatusBadRequest {
		t.Errorf("commit to the image's layer: %d %s", got.Status, got.Body)
	}
	if got := w.do("POST", "/tx/commit?tx=a&layer=generated", ""); got.Status != http.StatusOK {
		t.Errorf("commit as admin: %d %s", got.Status, got.Body)
	}
}

// TestStrength stages a weak setting as later releases of the reference's clients do.
func TestStrength(t *testing.T) {
	w := newWorld(t)
	for _, step := range []struct {
		method, target, body string
		status               int
		want                 string
	}{
		{"PATCH", "/settings?tx=t&strength=weak", `{"motd": "weak", "ntp": {"options": ["a"]}}`, 204, ""},
		{"PATCH", "/settings/keypair?tx=t&strength=strong", `{"request_payload": ["motd=strong"]}`, 204, ""},
		{"GET", "/v2/tx?tx=t", "", 200, `{"metadata":{"settings.motd":{"strength":"strong"},"settings.ntp.options":{"strength":"weak"}},` +
			`"settings":{"motd":"strong","ntp":{"options":["a"]}}}`},
		{"GET", "/v2/tx?tx=none", "", 200, `{"metadata":{},"settings":{}}`},
		{"GET", "/tx?tx=t", "", 200, `{"motd":"strong","ntp":{"options":["a"]}}`},
		{"POST", "/tx/commit?tx=t", "", 200, `["settings.motd","settings.ntp.options"]`},
		{"PATCH", "/settings?strength=weak", `{"motd": "weak"}`, 400, "Trying to change the strength from strong to weak for key: settings.motd, Operation restricted"},
		{"PATCH", "/settings?strength=weak", `{"ntp": {"options": ["b"]}}`, 204, ""},
		{"PATCH", "/settings?strength=week", `{"motd": "x"}`, 400, "Provided strength is not one of weak or strong. The given strength is: week"},
		{"PATCH", "/settings?strength=", `{"motd": "x"}`, 400, "Input 'strength' cannot be empty"},
	} {
		got := w.do(step.method, step.target, step.body)
		if got.Status != step.status || strings.TrimSpace(got.Body) != step.want {
			t.Errorf("%s %s: %d %s\nwant %d %s", step.method, step.target, got.Status, got.Body, step.status, step.want)
		}
	}
	for key, want := range map[string]api.Strength{"settings.ntp.options": api.StrengthWeak, "settings.motd": ""} {
		var e api.Explanation
		if w.get("/explain?key="+key, &e); e.Origin == nil || e.Origin.Strength != want {
			t.Errorf("%s: %+v, want strength %q", key, e.Origin, want)
		}
	}
}

// A full disk has a code of its own, so that clients can say what helps.
func TestDiskFull(t *testing.T) {
	err := fmt.Errorf("commit settings: %w", &os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC})
	if e := explain(err); e.Code != api.CodeDiskFull || status(e.Code) != http.StatusInsufficientStorage || e.Hint == "" {
		t.Errorf("got %+v", e)
	}
}

func TestSecretsAreMaskedForReaders(t *testing.T) {
	w := newWorld(t)
	const secret = "SGVsbG8gc2VjcmV0"
	w.do("PATCH", "/settings", `{"aws": {"credentials": "`+secret+`"}}`)
	targets := []string{"/settings", "/", "/settings?prefix=aws", "/settings?keys=settings.aws.credentials", "/?prefix=settings.aws", "/tx"}
	if got := w.do("GET", "/tx", ""); !strings.Contains(got.Body, secret) {
		t.Errorf("GET /tx as admin hides the secret: %s", got.Body)
	}
	w.as(Peer{Caller: api.Caller{UID: 9, GID: 1}}, nil)
	if got := w.do("GET", "/tx", ""); strings.Contains(got.Body, secret) || !strings.Contains(got.Body, "(secret)") {
		t.Errorf("GET /tx as reader: %s", got.Body)
	}
	w.as(Peer{}, nil)
	w.do("POST", "/tx/commit", "")
	for _, target := range targets[:5] {
		if got := w.do("GET", target, ""); !strings.Contains(got.Body, secret) {
			t.Errorf("GET %s as admin hides the secret: %s", target, got.Body)
		}
	}
	for _, target := range []string{"/explain?key=aws", "/explain?key=aws.credentials", "/history", "/origins", "/changes"} {
		if got := w.do("GET", target, ""); strings.Contains(got.Body, secret) {
			t.Errorf("GET %s shows the secret: %s", target, got.Body)
		}
	}
	w.as(Peer{Caller: api.Caller{UID: 9, GID: 1}}, nil)
	for _, target := range targets[:5] {
		if got := w.do("GET", target, ""); strings.Contains(got.Body, secret) || !strings.Contains(got.Body, "(secret)") {
			t.Errorf("GET %s as reader: %d %s", target, got.Status, got.Body)
		}
	}
	if strings.Contains(w.log.String(), secret) {
		t.Error("the log has the secret")
	}
}

func TestPanicIsOneRequestsError(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.OS = func() (osrelease.Release, error) { panic("boom") } })
	for range 2 {
		if got := w.do("GET", "/os", ""); got.Status != http.StatusInternalServerError || got.Header.Get("Hostler-Error-Code") != "internal" {
			t.Errorf("got %d %q", got.Status, got.Body)
		}
	}
	if log := w.log.String(); !strings.Contains(log, "boom") || !strings.Contains(log, "stack=") {
		t.Errorf("the log does not tell: %s", log)
	}
}

func TestErrorsOfOS(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.OS = func() (osrelease.Release, error) { return osrelease.Release{}, errors.New("read os-release: gone") }
	})
	if got := w.do("GET", "/os", ""); got.Status != 500 || got.Body != "Unable to get OS release data: read os-release: gone" {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
	var h api.Health
	w.get("/health", &h)
	if h.Status != "degraded" || len(h.Problems) != 1 {
		t.Errorf("health %+v", h)
	}
}

func TestReboot(t *testing.T) {
	var failure error
	w := newWorld(t, func(c *Config) { c.Reboot = func(context.Context, string) error { return failure } })
	if got := w.do("POST", "/actions/reboot", ""); got.Status != http.StatusNoContent {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	failure = rebootFailed(1, "inhibited")
	got := w.do("POST", "/actions/reboot", "")
	if want := "Failed to reboot, exit code: 1, stderr: inhibited"; got.Status != 500 || got.Body != want {
		t.Errorf("got %d %q, want %q", got.Status, got.Body, want)
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.do("GET", "/settings", "")
	w.do("GET", "/nosuch", "")
	w.do("PATCH", "/settings?tx=m", `{"motd": "x"}`)
	got := w.do("GET", "/metrics", "")
	for _, want := range []string{
		`hostler_requests_total{route="GET /settings",code="200"} 1`,
		`hostler_requests_total{route="none",code="404"} 1`,
		`hostler_request_duration_seconds_bucket{route="GET /settings",le="+Inf"} 1`,
		`hostler_request_duration_seconds_count{route="GET /settings"} 1`,
		"hostler_pending_transactions 1\n",
		"hostler_commits_total 0\n",
		`hostler_connections{phase="busy"} 1`,
		"hostler_datastore_bytes ",
		"process_resident_memory_bytes ",
		"process_start_time_seconds ",
		"process_open_fds ",
		"process_max_fds ",
		"go_gc_duration_seconds_count ",
	} {
		if !strings.Contains(got.Body, want) {
			t.Errorf("no %s", want)
		}
	}
	if inf, last := strings.Index(got.Body, `{route="GET /settings",le="+Inf"}`), strings.Index(got.Body, `{route="GET /settings",le="30"}`); last < 0 || inf < last {
		t.Error("buckets are not in the order of their bounds")
	}
	if got.Type != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("content type %q", got.Type)
	}
	checkFamilies(t, got.Body)
}

func TestWritesWaitForRecovery(t *testing.T) {
	w := newWorld(t)
	w.Server.ready = make(chan struct{})
	if got := w.do("GET", "/settings", ""); got.Status != http.StatusOK {
		t.Errorf("a read waits: %d", got.Status)
	}
	answered := make(chan reply, 1)
	go func() {
		r, _ := w.try("PATCH", "/settings", `{"motd": "x"}`)
		answered <- r
	}()
	select {
	case r := <-answered:
		t.Errorf("a write does not wait: %d", r.Status)
	case <-time.After(50 * time.Millisecond):
	}
	w.Server.Ready()
	if r := <-answered; r.Status != http.StatusNoContent {
		t.Errorf("the write was answered with %d", r.Status)
	}
}

// TestStopIsQuick although somebody has connected and says nothing.
func TestStopIsQuick(t *testing.T) {
	w := newWorld(t)
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w.do("GET", "/settings", "") // the other connection has been accepted before this one
	began := time.Now()
	if err := w.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > headTime {
		t.Errorf("it took %v", took)
	}
}

func TestKeyPairs(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name, body, want string // want is how the answer begins; empty: 204
	}{
		{"one", `{"request_payload": ["motd=hi"]}`, ""},
		{"with the root", `{"request_payload": ["settings.motd=hi"]}`, ""},
		{"typed by the model", `{"request_payload": ["motd=42", "updates.version-lock=1.10.0", "updates.seed=7"]}`, ""},
		{"further signs", `{"request_payload": ["motd=a=b"]}`, ""},
		{"none", `{"request_payload": []}`, ""},
		{"further members", `{"request_payload": ["motd=hi"], "more": 1}`, ""},
		{"no sign", `{"request_payload": ["motd"]}`, "Failed to split the string: motd"},
		{"bad key", `{"request_payload": ["a..b=1"]}`, "Prefix 'a..b' is not a valid key: Key name 'a..b' has invalid format: empty key segment"},
		{"no key", `{"request_payload": ["=1"]}`, "Prefix '' is not a valid key: Key name '' has invalid format: cannot be empty"},
		{"unknown key", `{"request_payload": ["nosuch=1"]}`, "Unable to match your input to the data model.  We may not have enough type information.  Please try the --json input form.  Cause: "},
		{"bad value", `{"request_payload": ["updates.seed=x"]}`, "Unable to match your input to the data model.  "},
		{"a text", `{"request_payload": "motd=hi"}`, "Json deserialize error: invalid type: string for member request_payload at line 1 column"},
		{"null", `{"request_payload": [null]}`, "Json deserialize error: invalid type: null"},
		{"missing", `{}`, "Json deserialize error: missing field `request_payload`"},
		{"no JSON", `{"request_payload"`, "Json deserialize error: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := w.do("PATCH", "/settings/keypair?tx=k", tt.body)
			want := http.StatusBadRequest
			if tt.want == "" {
				want = http.StatusNoContent
			}
			if got.Status != want || !strings.HasPrefix(got.Body, tt.want) {
				t.Errorf("got %d %s, want %d %s…", got.Status, got.Body, want, tt.want)
			}
			if isLibrary := strings.HasPrefix(got.Body, "Json"); isLibrary != (got.Type != "") {
				t.Errorf("content type %q", got.Type)
			}
		})
	}
}
