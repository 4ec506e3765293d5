package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
)

// change posts a change request and returns the change that came of it.
func (w *world) change(target, body string, status int) api.Change {
	w.t.Helper()
	r := w.do("POST", target, body)
	var c api.Change
	if err := json.Unmarshal([]byte(r.Body), &c); err != nil || r.Status != status {
		w.t.Fatalf("POST %s %s: %d %v: %s", target, body, r.Status, err, r.Body)
	}
	return c
}

func (w *world) file(path string) string {
	w.t.Helper()
	text, err := os.ReadFile(w.root.Join(path))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	return string(text)
}

func TestChange(t *testing.T) {
	w := newWorld(t)
	c := w.change("/changes?wait=10s", `{"pairs": ["motd=hi there"], "settings": {"ntp": {"time-servers": ["192.0.2.1"]}}}`, http.StatusOK)
	if c.State != api.StateDone {
		t.Fatalf("state %s: %+v", c.State, c)
	}
	if diff := cmp.Diff(c.Keys, []string{"settings.motd", "settings.ntp.time-servers"}); diff != "" {
		t.Errorf("keys -got +want:\n%s", diff)
	}
	if got := w.file("/etc/motd"); !strings.Contains(got, "hi there") {
		t.Errorf("/etc/motd has %q", got)
	}
	var again api.Change
	w.get(fmt.Sprintf("/changes/%d?wait=1s", c.ID), &again)
	if diff := cmp.Diff(again, c); diff != "" {
		t.Errorf("read again -got +want:\n%s", diff)
	}
	var all []api.Change
	w.get("/changes?limit=5", &all)
	if len(all) != 1 || all[0].ID != c.ID {
		t.Errorf("list: %+v", all)
	}

	undo := w.change(fmt.Sprintf("/changes/%d/undo?wait=10s", c.ID), "", http.StatusOK)
	if undo.Undoes != c.ID || undo.State != api.StateDone {
		t.Errorf("undo: %+v", undo)
	}
	if got := w.do("GET", "/settings?keys=settings.motd", "").Body; got != `{"motd":"Welcome to Bottlerocket!"}` {
		t.Errorf("after undo: %s", got)
	}
	var history []api.HistoryEntry
	w.get("/history?key=motd", &history)
	if len(history) != 2 || history[1].Change != c.ID {
		t.Errorf("history: %+v", history)
	}
}

func TestUnset(t *testing.T) {
	w := newWorld(t)
	w.change("/changes?wait=10s", `{"settings": {"kernel": {"sysctl": {"vm.max_map_count": "1", "vm.swappiness": "2"}}}}`, http.StatusOK)
	c := w.change("/changes?wait=10s", `{"unset": ["kernel.sysctl"]}`, http.StatusOK)
	want := []string{`settings.kernel.sysctl."vm.max_map_count"`, `settings.kernel.sysctl."vm.swappiness"`}
	if diff := cmp.Diff(c.Keys, want); diff != "" {
		t.Errorf("keys -got +want:\n%s", diff)
	}
	if got := w.do("GET", "/settings?prefix=kernel.sysctl", "").Body; got != "{}" {
		t.Errorf("left: %s", got)
	}
}

func TestTry(t *testing.T) {
	w := newWorld(t)
	c := w.change("/changes?wait=10s", `{"pairs": ["motd=tried"], "try": "1h"}`, http.StatusOK)
	if c.State != api.StateTrying {
		t.Fatalf("state %s", c.State)
	}
	var h api.Health
	w.get("/health", &h)
	if diff := cmp.Diff(h.Trying, []uint64{c.ID}); diff != "" {
		t.Errorf("health -got +want:\n%s", diff)
	}
	c = w.change(fmt.Sprintf("/changes/%d/confirm", c.ID), "", http.StatusOK)
	if c.State != api.StateDone || !c.Try.Confirmed {
		t.Errorf("confirmed: %+v", c)
	}
	c = w.change("/changes?wait=10s", `{"pairs": ["motd=not tried"]}`, http.StatusOK)
	if got := w.do("POST", fmt.Sprintf("/changes/%d/confirm", c.ID), ""); got.Status != http.StatusConflict {
		t.Errorf("confirm what was not tried: %d %s", got.Status, got.Body)
	}
}

func TestFailedChangeIsUndone(t *testing.T) {
	w := newWorld(t)
	w.fault("/bin/systemctl try-reload-or-restart chronyd.service", "fail")
	c := w.change("/changes?wait=10s", `{"settings": {"ntp": {"time-servers": ["192.0.2.1"]}}}`, http.StatusOK)
	if c.State != api.StateUndone || c.Error == nil || c.Error.Code != api.CodeApplyFailed {
		t.Errorf("got %+v", c)
	}
	if got := w.do("GET", "/settings?prefix=ntp.time", "").Body; strings.Contains(got, "192.0.2.1") {
		t.Errorf("settings: %s", got)
	}
}

// TestReferenceCommitKeeps: clients of the reference expect their settings to stay whatever comes of them.
func TestReferenceCommitKeeps(t *testing.T) {
	w := newWorld(t)
	w.fault("/bin/systemctl try-reload-or-restart chronyd.service", "fail")
	w.do("PATCH", "/settings?tx=r", `{"ntp": {"time-servers": ["192.0.2.1"]}}`)
	if got := w.do("POST", "/tx/commit_and_apply?tx=r", ""); got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	var c api.Change
	w.get("/changes/1?wait=10s", &c)
	if c.State != api.StateFailed {
		t.Errorf("state %s", c.State)
	}
	if got := w.do("GET", "/settings?prefix=ntp.time", "").Body; !strings.Contains(got, "192.0.2.1") {
		t.Errorf("settings: %s", got)
	}
	var h api.Health
	w.get("/health", &h)
	if h.Status != "degraded" || len(h.Problems) != 1 {
		t.Errorf("health: %+v", h)
	}
	w.fault("/bin/systemctl try-reload-or-restart chronyd.service", "")
	c = w.change("/changes?wait=10s", `{"apply": ["ntp.time-servers"]}`, http.StatusOK)
	if c.State != api.StateDone {
		t.Fatalf("applied again: %+v", c)
	}
	h = api.Health{}
	w.get("/health", &h)
	if h.Status != "ok" {
		t.Errorf("health after it was mended: %+v", h)
	}
}

func (w *world) fault(command, kind string) {
	w.t.Helper()
	faults := map[string]string{}
	if kind != "" {
		faults[command] = kind
	}
	text, err := json.Marshal(faults)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.root.Faults(), text, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func TestPlanTouchesNothing(t *testing.T) {
	w := newWorld(t)
	got := w.do("POST", "/plan", `{"pairs": ["motd=planned"]}`)
	var plan api.Plan
	if err := json.Unmarshal([]byte(got.Body), &plan); err != nil || got.Status != http.StatusOK {
		t.Fatalf("%d %v: %s", got.Status, err, got.Body)
	}
	if len(plan.Edits) != 1 || len(plan.Files) != 1 || !strings.Contains(plan.Files[0].Diff, "+planned") {
		t.Errorf("plan: %+v", plan)
	}
	if got := w.file("/etc/motd"); got != "" {
		t.Errorf("/etc/motd has %q", got)
	}
}

func TestUnnamedTransaction(t *testing.T) {
	w := newWorld(t)
	w.do("PATCH", "/settings?tx=", `{"motd": "unnamed"}`)
	w.do("PATCH", "/settings?tx=other", `{"motd": "other"}`)
	for _, want := range []int{http.StatusOK, http.StatusUnprocessableEntity} {
		if got := w.do("POST", "/tx/commit?tx=", ""); got.Status != want {
			t.Errorf("commit: %d %s, want %d", got.Status, got.Body, want)
		}
	}
	if got := w.do("GET", "/settings?keys=settings.motd", "").Body; got != `{"motd":"unnamed"}` {
		t.Errorf("committed: %s", got)
	}
	if got := w.do("GET", "/tx/list", "").Body; got != `["other"]` {
		t.Errorf("left: %s", got)
	}
}

func TestRefusedChanges(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name, body string
		status     int
		want       api.Error // the message is only looked for
	}{
		{"nothing", `{}`, 400, api.Error{Code: api.CodeInvalid, Message: "empty"}},
		{"unknown member", `{"setting": {}}`, 400, api.Error{Code: api.CodeInvalid, Message: "Json deserialize error: unknown member setting at line 1 column"}},
		{"wrong type", `{"pairs": "a=b"}`, 400, api.Error{Code: api.CodeInvalid, Message: "invalid type: string for member pairs"}},
		{"twice", `{"pairs": ["motd=a"], "pairs": ["motd=b"]}`, 400, api.Error{Code: api.CodeInvalid, Message: "duplicate"}},
		{"trailing", `{"pairs": ["motd=a"]} x`, 400, api.Error{Code: api.CodeInvalid, Message: "at line 1 column"}},
		{"unknown key", `{"pairs": ["motdd=a"]}`, 400, api.Error{Code: api.CodeUnknownKey, Key: "settings.motdd", Hint: "did you mean settings.motd?"}},
		{"unknown key to unset", `{"unset": ["motdd"]}`, 400, api.Error{Code: api.CodeUnknownKey, Key: "settings.motdd", Hint: "did you mean settings.motd?"}},
		{"unknown key to apply", `{"apply": ["motdd"]}`, 400, api.Error{Code: api.CodeUnknownKey, Key: "settings.motdd", Hint: "did you mean settings.motd?"}},
		{"bad value", `{"settings": {"updates": {"seed": -1}}}`, 400, api.Error{Code: api.CodeInvalidValue, Key: "settings.updates.seed", Message: "at least 0"}},
		{"not the line of the member", `{"settings": {"motd": 1}}`, 400, api.Error{Code: api.CodeInvalidValue, Message: "expected a string"}},
		{"set and unset", `{"pairs": ["motd=a"], "unset": ["motd"]}`, 400, api.Error{Code: api.CodeInvalid, Key: "settings.motd", Message: "both"}},
		{"bad try", `{"pairs": ["motd=a"], "try": "soon"}`, 400, api.Error{Code: api.CodeInvalid, Message: "'soon'", Hint: "a duration such as 5m or 1h"}},
		{"endless try", `{"pairs": ["motd=a"], "try": "90000h"}`, 400, api.Error{Code: api.CodeInvalid, Message: "30 days"}},
		{"bad layer", `{"pairs": ["motd=a"], "layer": "default"}`, 400, api.Error{Code: api.CodeInvalid, Message: "Layer 'default'"}},
		{"nothing pending", `{"transaction": "none"}`, 422, api.Error{Code: api.CodeNothingPending}},
		{"too deep", `{"settings": ` + strings.Repeat("[", 200), 400, api.Error{Code: api.CodeInvalid, Message: "recursion limit"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := w.do("POST", "/changes", tt.body)
			var e api.Error
			if err := json.Unmarshal([]byte(got.Body), &e); err != nil {
				t.Fatalf("%v: %s", err, got.Body)
			}
			if got.Status != tt.status || e.Code != tt.want.Code || !strings.Contains(e.Message, tt.want.Message) ||
				tt.want.Key != "" && e.Key != tt.want.Key || tt.want.Hint != "" && e.Hint != tt.want.Hint {
				t.Errorf("got %d %+v, want %d %+v", got.Status, e, tt.status, tt.want)
			}
			if e.Code != api.CodeInvalid && strings.Contains(e.Message, "at line") {
				t.Errorf("%s: the line is not one of the client's document", e.Message)
			}
		})
	}
	var all []api.Change
	w.get("/changes", &all)
	if len(all) != 0 {
		t.Errorf("refused requests made changes: %+v", all)
	}
}

func TestBadParameters(t *testing.T) {
	w := newWorld(t)
	for _, target := range []string{
		"/history?limit=0", "/history?limit=1001", "/history?limit=x", "/history?before=-1", "/history?limits=1",
		"/changes?before=", "/changes/1?wait=soon", "/events?change=x", "/explain", "/explain?key=", "/origins?prefix=", "/keys?x",
	} {
		got := w.do("GET", target, "")
		var e api.Error
		if err := json.Unmarshal([]byte(got.Body), &e); err != nil || e.Code != api.CodeInvalid && got.Status != 404 {
			t.Errorf("GET %s: %d %s", target, got.Status, got.Body)
		}
	}
}

// TestEvents watches one change from beginning to end, and all changes until the server stops.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	all := w.watch("/events")
	c := w.change("/changes?wait=10s", `{"pairs": ["motd=watched"]}`, http.StatusOK)
	for e := range w.watch(fmt.Sprintf("/events?change=%d", c.ID)) {
		if e.Change.ID != c.ID || e.Change.State != api.StateDone {
			t.Errorf("present state: %+v", e)
		}
	}
	deadline := time.After(10 * time.Second)
	for done := false; !done; {
		select {
		case e, ok := <-all:
			if !ok {
				t.Fatal("the stream ended")
			}
			done = e.Change.ID == c.ID && e.Change.State == api.StateDone
		case <-deadline:
			t.Fatal("no event")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := w.Shutdown(ctx); err != nil {
		t.Errorf("an open stream holds up the stop: %v", err)
	}
	for range all {
	}
}

// watch reads an event stream in the background, until it ends.
func (w *world) watch(target string) <-chan api.Event {
	w.t.Helper()
	request, err := http.NewRequest("GET", "http://localhost"+target, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Last-Event-ID", "7")
	response, err := w.client.Do(request)
	if err != nil || response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("GET %s: %v %+v", target, err, response)
	}
	events := make(chan api.Event, 100)
	go func() {
		defer close(events)
		defer response.Body.Close()
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var e api.Event
				if json.Unmarshal([]byte(data), &e) == nil {
					events <- e
				}
			}
		}
	}()
	return events
}

func TestEventsOfUnknownChange(t *testing.T) {
	w := newWorld(t)
	if got := w.do("GET", "/events?change=99", ""); got.Status != http.StatusNotFound {
		t.Errorf("got %d", got.Status)
	}
}

// TestUnsetOfTheSame: a key that stands for many may be given many times, and
// costs no more for it.
func TestUnsetOfTheSame(t *testing.T) {
	w := newWorld(t)
	sysctl := map[string]string{}
	for i := range 2000 {
		sysctl[fmt.Sprintf("net.k%d", i)] = "1"
	}
	settings, err := json.Marshal(map[string]any{"settings": map[string]any{"kernel": map[string]any{"sysctl": sysctl}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.do("POST", "/changes?wait=20s", string(settings)); got.Status != http.StatusOK {
		t.Fatalf("%d %.200s", got.Status, got.Body)
	}
	began := time.Now()
	got := w.do("POST", "/plan", `{"unset": ["kernel.sysctl"`+strings.Repeat(`, "kernel.sysctl"`, 100000)+"]}")
	if took := time.Since(began); got.Status != http.StatusOK || took > 10*time.Second { // it was a minute, and 9 GiB
		t.Errorf("status %d after %v: %.200s", got.Status, took, got.Body)
	}
}
