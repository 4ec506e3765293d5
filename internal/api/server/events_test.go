package server

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
)

// TestStream: the form of events, those of other changes left out, a sign of life in silence, and the end.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := httptest.NewRecorder()
		st, err := newStream(rec)
		if err != nil {
			t.Fatal(err)
		}
		st.encode = func(_ context.Context, work func() (any, error)) ([]byte, error) {
			v, _ := work()
			return api.Marshal(v)
		}
		watch := make(chan api.Event)
		go func() {
			time.Sleep(heartbeat + time.Second)
			watch <- api.Event{Change: api.Change{ID: 6, State: api.StateDone}}
			watch <- api.Event{Change: api.Change{ID: 7, State: api.StateTrying}}
			time.Sleep(time.Second)
			watch <- api.Event{Change: api.Change{ID: 7, State: api.StateDone}}
		}()
		st.follow(t.Context(), watch, 7)
		var got []string
		for block := range strings.SplitSeq(strings.TrimSuffix(rec.Body.String(), "\n\n"), "\n\n") {
			head, data, _ := strings.Cut(block, "data: ")
			state := ""
			if _, rest, ok := strings.Cut(data, `"state":"`); ok {
				state, _, _ = strings.Cut(rest, `"`)
			}
			got = append(got, head+state)
		}
		want := []string{":", "id: 1\nevent: change\ntrying", "id: 2\nevent: change\ndone"}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("-got +want:\n%s", diff)
		}
	})
}

// TestStreamOfAllChanges ends with its watcher, or when nothing will come any more.
func TestStreamOfAllChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := newStream(httptest.NewRecorder())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		st.follow(ctx, make(chan api.Event), 0)
		if took := time.Since(began); took != time.Hour {
			t.Errorf("it ended after %v", took)
		}
		closed := make(chan api.Event)
		close(closed)
		st.follow(t.Context(), closed, 0)
	})
}

func TestInternalErrorsAreForAdmins(t *testing.T) {
	w := newWorld(t)
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	w.as(Peer{Caller: api.Caller{UID: 9, GID: 2}}, nil)
	if got := w.do("PATCH", "/settings", `{"motd": "x"}`); got.Status != 503 {
		t.Errorf("a closed store: %d %s", got.Status, got.Body)
	}
	unworded := context.DeadlineExceeded
	for _, role := range []api.Role{api.RoleWrite, api.RoleAdmin} {
		e := discreet(unworded, &api.Error{Code: api.CodeInternal, Message: "open /x"}, api.Identity{Role: role})
		if told := e.Message == "open /x"; told != (role == api.RoleAdmin) {
			t.Errorf("as %v: %+v", role, e)
		}
	}
}
