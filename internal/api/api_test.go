package api_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
)

func TestMarshalLeavesTextAsItIs(t *testing.T) {
	got, err := api.Marshal(map[string]any{"motd": "Tom & Jerry <3", "secret": api.MaskedValue()})
	if want := `{"motd":"Tom & Jerry <3","secret":"(secret)"}`; string(got) != want || err != nil {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if got, err := api.Marshal(func() {}); err == nil {
		t.Errorf("a function became %s", got)
	}
}

func TestRolesReadWhatTheyWrite(t *testing.T) {
	for role := api.RoleNone; role <= api.RoleAdmin; role++ {
		text, err := role.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got api.Role
		if err := got.UnmarshalText(text); err != nil || got != role {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	if err := new(api.Role).UnmarshalText([]byte("root")); err == nil {
		t.Error("root is a role")
	}
}

func TestStates(t *testing.T) {
	for _, test := range []struct {
		state          api.State
		final, settled bool
	}{
		{api.StatePlanned, false, false},
		{api.StateApplying, false, false},
		{api.StateTrying, false, true},
		{api.StateDone, true, true},
		{api.StateFailed, true, true},
		{api.StateUndone, true, true},
	} {
		if final, settled := test.state.Final(), test.state.Settled(); final != test.final || settled != test.settled {
			t.Errorf("%s: final %v, settled %v", test.state, final, settled)
		}
	}
}

func TestAsErrorTakesOthersForInternal(t *testing.T) {
	known := &api.Error{Code: api.CodeConflict, Message: "no"}
	if got := api.AsError(fmt.Errorf("confirm: %w", known)); got != known {
		t.Errorf("got %+v", got)
	}
	if got := api.AsError(errors.New("disk")); got.Code != api.CodeInternal || got.Message != "disk" {
		t.Errorf("got %+v", got)
	}
}
