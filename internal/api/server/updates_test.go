package server

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
)

// noUpdates is a host on which nothing was ever updated, and that lets every command begin.
type noUpdates struct{}

func (noUpdates) Do(context.Context, string) error { return nil }

func (noUpdates) Status(context.Context) (api.UpdateStatus, error) {
	return api.UpdateStatus{}, &api.Error{Code: api.CodeNotFound, Message: "none"}
}

func (noUpdates) Overview(context.Context) (api.Updates, error)  { return api.Updates{}, nil }
func (noUpdates) Event(context.Context) (api.UpdateEvent, error) { return api.UpdateEvent{}, nil }
func (noUpdates) History() ([]api.UpdateAttempt, error)          { return []api.UpdateAttempt{}, nil }
func (noUpdates) Cancel(context.Context) error                   { return nil }
func (noUpdates) Force(context.Context) error                    { return nil }

// fakeUpdates notes commands, and answers as told.
type fakeUpdates struct {
	noUpdates
	begun  []string
	err    error
	status api.UpdateStatus
}

func (f *fakeUpdates) Do(_ context.Context, command string) error {
	f.begun = append(f.begun, command)
	return f.err
}

func (f *fakeUpdates) Status(context.Context) (api.UpdateStatus, error) { return f.status, f.err }

func TestUpdateActions(t *testing.T) {
	f := &fakeUpdates{}
	w := newWorld(t, func(c *Config) { c.Updates = f })
	for _, name := range []string{"refresh-updates", "prepare-update", "activate-update", "deactivate-update"} {
		if got := w.do("POST", "/actions/"+name, ""); got.Status != http.StatusNoContent || got.Body != "" {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	if diff := cmp.Diff(f.begun, []string{"refresh", "prepare", "activate", "deactivate"}); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}

func TestUpdateErrors(t *testing.T) {
	f := &fakeUpdates{}
	w := newWorld(t, func(c *Config) { c.Updates = f })
	for _, test := range []struct {
		err    error
		status int
		body   string
	}{
		{&api.Error{Code: api.CodeLocked, Message: "Update lock held"}, 423, "Update lock held"},
		{&api.Error{Code: api.CodeConflict, Message: "Update action not allowed according to update state"}, 409, "Update action not allowed according to update state"},
		{&api.Error{Code: api.CodeNotFound, Message: "Previously chosen Update no longer exists"}, 404, "Previously chosen Update no longer exists"},
		{&api.Error{Code: api.CodeInternal, Message: "Update dispatcher failed"}, 500, "Update dispatcher failed"},
		{errors.New("anything"), 500, "anything"},
	} {
		f.err = test.err
		for _, request := range [][2]string{{"POST", "/actions/prepare-update"}, {"GET", "/updates/status"}} {
			if got := w.do(request[0], request[1], ""); got.Status != test.status || got.Body != test.body {
				t.Errorf("%s: %d %s, want %d %s", request[1], got.Status, got.Body, test.status, test.body)
			}
		}
	}
}

// The members, their order and their names are what the reference's operators parse.
func TestUpdateStatusOnTheWire(t *testing.T) {
	image := &api.UpdateImage{Arch: "x86_64", Version: "1.26.1", Variant: "aws-k8s-1.31"}
	f := &fakeUpdates{status: api.UpdateStatus{
		State: api.UpdateIdle, Available: []string{"1.26.1", "1.26.0"}, Active: &api.UpdatePartition{Image: image, NextToBoot: true},
		Command: &api.UpdateCommand{Type: api.UpdateRefresh, Status: api.UpdateSuccess, Timestamp: "2024-11-05T17:05:21.123456789Z"},
	}}
	w := newWorld(t, func(c *Config) { c.Updates = f })
	want := `{"update_state":"Idle","available_updates":["1.26.1","1.26.0"],"chosen_update":null,` +
		`"active_partition":{"image":{"arch":"x86_64","version":"1.26.1","variant":"aws-k8s-1.31"},"next_to_boot":true},"staging_partition":null,` +
		`"most_recent_command":{"cmd_type":"refresh","cmd_status":"Success","timestamp":"2024-11-05T17:05:21.123456789Z","exit_status":0,"stderr":""}}`
	if got := w.do("GET", "/updates/status", ""); got.Status != http.StatusOK || got.Body != want {
		t.Errorf("%d\ngot  %s\nwant %s", got.Status, got.Body, want)
	}
}
