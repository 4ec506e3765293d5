package sundog

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/paths"
)

func quietChain() *chain {
	return &chain{app: &app{root: paths.Host}, log: slog.New(slog.DiscardHandler)}
}

// A server that dies after it has worked on an answer for long is asked again,
// too: patience begins when the answer fails to come.
func TestPatienceBeginsWithTheSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		err := quietChain().persist(t.Context(), func(context.Context) error {
			if asked++; asked == 2 {
				return nil
			}
			time.Sleep(2 * patience)
			return &client.RequestError{}
		})
		if err != nil || asked != 2 {
			t.Errorf("asked %d times, got %v", asked, err)
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := quietChain().persist(t.Context(), func(context.Context) error { return &client.RequestError{} })
		if took := time.Since(began); err == nil || took < patience || took > patience+longestPause {
			t.Errorf("got %v after %v", err, took)
		}
	})
}

// A change may fail before it has any task: when its files cannot even be worked out.
func TestFailedChangeWithoutTasks(t *testing.T) {
	cause := &api.Error{Code: api.CodeApplyFailed, Message: "compare motd: no"}
	for _, state := range []api.State{api.StateFailed, api.StateUndone} {
		err := quietChain().judgeChange(&api.BootPhase{}, &api.Change{ID: 3, State: state, Error: cause})
		if !errors.Is(err, cause) {
			t.Errorf("%s: got %v", state, err)
		}
	}
}
