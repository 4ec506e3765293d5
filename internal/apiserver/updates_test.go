package apiserver_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/sandbox/sandboxtest"
	"github.com/hostler-os/hostler/internal/update/updatetest"
)

// imageSize is that of the images of releases, in bytes.
const imageSize = 60_000

// operator is a client as the reference's operator for Kubernetes is one.
type operator struct {
	*updatetest.Host
	t      *testing.T
	server *sandboxtest.Server
	http   *http.Client
}

func newOperator(t *testing.T) *operator {
	root := newRoot(t)
	o := &operator{Host: updatetest.New(t, root, "1.20.0"), t: t}
	o.start()
	return o
}

// start starts the server anew.
func (o *operator) start() {
	o.t.Helper()
	if o.server != nil {
		o.server.Stop()
	}
	o.server = sandboxtest.Start(o.t, o.Root)
	o.http = o.server.HTTP
}

func (o *operator) request(method, path string) (int, string) {
	o.t.Helper()
	request, err := http.NewRequest(method, "http://localhost"+path, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	response, err := o.http.Do(request)
	if err != nil {
		o.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// status is what the operator makes of a status: it takes these words and no others.
type status struct {
	State     string   `json:"update_state"`
	Available []string `json:"available_updates"`
	Chosen    *image   `json:"chosen_update"`
	Active    *slotOf  `json:"active_partition"`
	Staging   *slotOf  `json:"staging_partition"`
	Command   *struct {
		Type   string  `json:"cmd_type"`
		Status string  `json:"cmd_status"`
		Time   string  `json:"timestamp"`
		Exit   *uint32 `json:"exit_status"`
		Stderr *string `json:"stderr"`
	} `json:"most_recent_command"`
}

type image struct{ Arch, Version, Variant string }

type slotOf struct {
	Image *image `json:"image"`
	Next  bool   `json:"next_to_boot"`
}

func (o *operator) parse(text string) status {
	o.t.Helper()
	var s status
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		o.t.Fatalf("%v: %s", err, text)
	}
	c := s.Command
	if c == nil || c.Exit == nil || c.Stderr == nil ||
		!slices.Contains([]string{"refresh", "prepare", "activate", "deactivate"}, c.Type) || !slices.Contains([]string{"Success", "Failed"}, c.Status) {
		o.t.Fatalf("the operator cannot read %s", text)
	}
	if _, err := time.Parse(time.RFC3339Nano, c.Time); err != nil {
		o.t.Error(err)
	}
	return s
}

// do begins a command and waits for its end as the reference's clients do: while
// it is under way the status is 423.
func (o *operator) do(action string) status {
	o.t.Helper()
	o.begin(action)
	return o.ended()
}

func (o *operator) begin(action string) {
	o.t.Helper()
	if code, text := o.request("POST", "/actions/"+action); code != http.StatusNoContent || text != "" {
		o.t.Fatalf("%s: %d %s", action, code, text)
	}
}

func (o *operator) ended() status {
	o.t.Helper()
	for deadline := time.Now().Add(startTime); ; time.Sleep(5 * time.Millisecond) {
		code, text := o.request("GET", "/updates/status")
		switch {
		case code == http.StatusOK:
			return o.parse(text)
		case code != http.StatusLocked || time.Now().After(deadline):
			o.t.Fatalf("%d %s", code, text)
		}
	}
}

func TestUpdateByAnOperator(t *testing.T) {
	o := newOperator(t)
	expect := func(method, path string, code int, body string) {
		t.Helper()
		if gotCode, got := o.request(method, path); gotCode != code || got != body {
			t.Errorf("%s %s: %d %s, want %d %s", method, path, gotCode, got, code, body)
		}
	}
	const wrong = "Update action not allowed according to update state"
	expect("GET", "/updates/status", 404, "Update status is uninitialized, refresh-updates to initialize it")
	expect("POST", "/actions/prepare-update", 409, wrong)
	o.Offer("1.21.0", imageSize)
	s := o.do("refresh-updates")
	if s.State != "Available" || s.Command.Type != "refresh" || s.Chosen.Version != "1.21.0" || s.Active.Image.Version != "1.20.0" {
		t.Fatalf("%+v", s)
	}
	expect("POST", "/actions/activate-update", 409, wrong)
	if s = o.do("prepare-update"); s.State != "Staged" || s.Staging.Image.Version != "1.21.0" || s.Staging.Next {
		t.Fatalf("%+v", s)
	}
	if s = o.do("activate-update"); s.State != "Ready" || !s.Staging.Next || s.Active.Next {
		t.Fatalf("%+v", s)
	}
	expect("POST", "/actions/prepare-update", 409, wrong)
	if s = o.do("deactivate-update"); s.State != "Staged" || s.Command.Type != "deactivate" {
		t.Fatalf("%+v", s)
	}
	expect("POST", "/actions/reboot", 204, "")
	expect("GET", "/actions/refresh-updates", 404, "")
}

func TestUpdateThatIsLocked(t *testing.T) {
	o := newOperator(t)
	o.Offer("1.21.0", imageSize)
	o.do("refresh-updates")
	release := lockedBy(t, o.Root.UpdaterLock())
	if code, text := o.request("POST", "/actions/prepare-update"); code != 423 || text != "Update lock held" {
		t.Errorf("%d %s", code, text)
	}
	const locked = "Unable to obtain shared lock for reading update status: "
	if code, text := o.request("GET", "/updates/status"); code != 423 || len(text) < len(locked) || text[:len(locked)] != locked {
		t.Errorf("%d %s", code, text)
	}
	release()
	o.do("prepare-update")
}

func TestUpdateWithDamagedState(t *testing.T) {
	o := newOperator(t)
	o.Offer("1.21.0", imageSize)
	o.do("refresh-updates")
	if err := os.WriteFile(o.Root.UpdateRecord(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, text := o.request("GET", "/updates/status"); code != 500 || text != "Update dispatcher failed" {
		t.Errorf("%d %s", code, text)
	}
	if s := o.do("refresh-updates"); s.State != "Available" {
		t.Errorf("%+v", s)
	}
	if err := os.RemoveAll(o.Root.UpdaterLock()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(o.Root.UpdaterLock(), 0o755); err != nil {
		t.Fatal(err)
	}
	const open = "Unable to open update lock file: "
	if code, text := o.request("GET", "/updates/status"); code != 500 || len(text) < len(open) || text[:len(open)] != open {
		t.Errorf("%d %s", code, text)
	}
	if code, text := o.request("POST", "/actions/refresh-updates"); code != 500 || text != "Update dispatcher failed" {
		t.Errorf("%d %s", code, text)
	}
	// What is wrong, and what to do, stands beside the reference's text.
	_, err := (&client.Client{Socket: o.Root.Socket()}).Request(t.Context(), "POST", "/actions/refresh-updates", nil)
	if e, ok := errors.AsType[*api.Error](err); !ok || !strings.HasSuffix(e.Hint, o.Root.UpdaterLock()+": is a directory") {
		t.Errorf("got %v, hint %q", err, e.Hint)
	}
}

// Folders in the place of files do not stop updates.
func TestUpdateWithFoldersInTheWay(t *testing.T) {
	o := newOperator(t)
	o.Offer("1.21.0", imageSize)
	places := []string{o.Root.UpdateRecord(), o.Root.UpdateStatus(), o.Root.Attempts(), o.Root.UpdateMark(), o.Root.UpdateProgress(), o.Root.UpdateCancel(), o.Root.UpdateSpareRecord()}
	for _, path := range places {
		if err := os.MkdirAll(filepath.Join(path, "mine"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if s := o.do("refresh-updates"); s.State != "Available" {
		t.Errorf("%+v", s)
	}
	if s := o.do("prepare-update"); s.State != "Staged" {
		t.Errorf("%+v: %s", s, *s.Command.Stderr)
	}
}

// Whoever updates by itself has nobody who looks for updates by hand, and a host
// must be rebooted whatever is remembered of updates.
func TestAutomaticUpdateWithDamagedState(t *testing.T) {
	o := newOperator(t)
	o.Offer("1.21.0", imageSize)
	o.follow()
	o.change(`{"updates": {"automatic": {"mode": "prepare"}}}`)
	if err := os.WriteFile(o.Root.UpdateRecord(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if u := o.updates(); u.Next.Action != api.UpdateRefresh || !strings.Contains(u.Problem, "unexpected end of JSON input") {
		t.Errorf("next %+v, problem %q", u.Next, u.Problem)
	}
	if code, text := o.request("POST", "/actions/reboot?mode=careful"); code != http.StatusNoContent {
		t.Errorf("a reboot: %d %s", code, text)
	}
	o.timer()
	if u := o.updates(); u.Status == nil || u.Status.State != api.UpdateStaged || u.Problem != "" {
		t.Errorf("%+v", u)
	}
}

func TestUpdateWithoutAProgram(t *testing.T) {
	o := newOperator(t)
	t.Setenv("PATH", "")
	const start = "Unable to start the update dispatcher: "
	if code, text := o.request("POST", "/actions/refresh-updates"); code != 500 || len(text) < len(start) || text[:len(start)] != start {
		t.Errorf("%d %s", code, text)
	}
}

// lockedBy holds a lock as a command that is under way does.
func lockedBy(t *testing.T, path string) (release func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { f.Close() }
}

// The work goes on when the server does not, and a second client has to wait.
func TestUpdateGoesOnWithoutTheServer(t *testing.T) {
	o := newOperator(t)
	o.Offer("1.21.0", imageSize)
	o.do("refresh-updates")
	g := o.Gate()
	open := g.Close("1.21.0-1")
	o.begin("prepare-update")
	g.Await()
	for _, action := range []string{"refresh-updates", "prepare-update"} {
		if code, text := o.request("POST", "/actions/"+action); code != 423 || text != "Update lock held" {
			t.Errorf("%s by another client: %d %s", action, code, text)
		}
	}
	o.start()
	if code, text := o.request("GET", "/updates/status"); code != 423 {
		t.Errorf("%d %s", code, text)
	}
	var all api.Updates
	if _, text := o.request("GET", "/updates"); json.Unmarshal([]byte(text), &all) != nil || all.Running == nil || all.Running.Step == "" {
		t.Errorf("GET /updates: %s", text)
	}
	events := o.events()
	if e := <-events; e.Running == nil || e.Running.Command != "prepare" || e.State != api.UpdateAvailable {
		t.Errorf("the first event: %+v", e)
	}
	open()
	for e := range events {
		if e.Running == nil {
			if e.State != api.UpdateStaged || e.Last.Type != "prepare" {
				t.Errorf("the last event: %+v", e)
			}
			break
		}
	}
	if s := o.ended(); s.State != "Staged" {
		t.Errorf("%+v", s)
	}
}

// events are what watchers of updates see.
func (o *operator) events() <-chan api.UpdateEvent {
	events := make(chan api.UpdateEvent)
	go func() {
		defer close(events)
		for e, err := range o.server.Client.UpdateEvents(o.t.Context()) {
			if err != nil {
				return
			}
			select {
			case events <- e:
			case <-o.t.Context().Done():
				return
			}
		}
	}()
	return events
}

func TestUpdateThatIsCancelled(t *testing.T) {
	o := newOperator(t)
	o.Offer("1.21.0", imageSize)
	o.do("refresh-updates")
	if code, text := o.request("POST", "/updates/cancel"); code != 409 {
		t.Errorf("%d %s", code, text)
	}
	g := o.Gate()
	g.Close("1.21.0-1")
	o.begin("prepare-update")
	g.Await()
	if code, text := o.request("POST", "/updates/cancel"); code != 204 {
		t.Errorf("%d %s", code, text)
	}
	if s := o.ended(); s.State != "Available" || s.Command.Status != "Failed" {
		t.Errorf("%+v", s)
	}
	var tried []api.UpdateAttempt
	if _, text := o.request("GET", "/updates/history"); json.Unmarshal([]byte(text), &tried) != nil || len(tried) != 1 || tried[0].State != "failed" {
		t.Errorf("GET /updates/history: %s", text)
	}
}

// A host that has come back from an update says so, as long as it runs what it
// came back to.
func TestHealthAfterAFallBack(t *testing.T) {
	o := newOperator(t)
	for _, tt := range []struct {
		tried, runs string
		told        bool
	}{{"1.21.0", "1.20.0", true}, {"1.21.0", "1.21.0", false}, {"1.21.0", "1.22.0", false}, {"1.20.0", "1.20.0", true}} {
		journal := `{"attempts": [{"id": 1, "version": "` + tt.tried + `", "from": "1.20.0", "slot": "B", "state": "boot-failed", "step": "activate"}]}`
		if err := os.WriteFile(o.Root.Attempts(), []byte(journal), 0o600); err != nil {
			t.Fatal(err)
		}
		o.Run(tt.runs)
		if _, text := o.request("GET", "/health"); strings.Contains(text, "went back to 1.20.0") != tt.told {
			t.Errorf("%s was tried, on %s: %s", tt.tried, tt.runs, text)
		}
	}
}

// Forcing is noted with what waits in the spare slot, before the command begins.
func TestActivationIsForced(t *testing.T) {
	o := newOperator(t)
	journal := `{"attempts": [{"id": 1, "version": "1.21.0", "from": "1.20.0", "slot": "B", "state": "prepared", "step": "mark valid",
		"rehearsal": {"rehearsal": true, "state": "failed", "to": "1.21.0", "error": {"message": "no way"}}}]}`
	if err := os.WriteFile(o.Root.Attempts(), []byte(journal), 0o600); err != nil {
		t.Fatal(err)
	}
	forced := func() bool {
		var tried []api.UpdateAttempt
		_, text := o.request("GET", "/updates/history")
		if err := json.Unmarshal([]byte(text), &tried); err != nil || len(tried) != 1 || tried[0].Rehearsal.State != api.MigrationFailed {
			t.Fatalf("%v in %s", err, text)
		}
		return tried[0].Forced
	}
	for _, tt := range []struct {
		query  string
		status int
		forced bool
	}{
		{"?force=perhaps", http.StatusBadRequest, false},
		{"", http.StatusConflict, false}, // nothing is staged on this disk
		{"?force=true", http.StatusConflict, true},
	} {
		if status, text := o.request("POST", "/actions/activate-update"+tt.query); status != tt.status || forced() != tt.forced {
			t.Errorf("%s: %d %s, forced %v", tt.query, status, text, forced())
		}
	}
}
