package apply_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
)

// trial is a request that is tried for five minutes.
func trial(pairs ...string) apply.Request {
	r := set(pairs...)
	r.Try = 5 * time.Minute
	return r
}

// state is the state that the store would tell after a crash.
func (w *world) state(t testing.TB, id uint64) api.State {
	t.Helper()
	c, err := w.Change(id)
	if err != nil {
		t.Fatal(err)
	}
	return c.State
}

func TestTryConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		w := open(t, root)
		c := must(t, w.do(t, trial("a=a1")), api.StateTrying)
		if until := c.Try.Until; !until.Equal(time.Now().Add(5*time.Minute)) || w.file("/etc/one") != "a=a1" {
			t.Errorf("until %v, one %s", until, w.file("/etc/one"))
		}
		time.Sleep(4 * time.Minute)
		by := api.Caller{UID: 9}
		for range 2 { // the second time is no error
			c, err := w.Confirm(t.Context(), c.ID, by)
			if err != nil || c.State != api.StateDone || !c.Try.Confirmed {
				t.Fatalf("got %+v, %v", c, err)
			}
		}
		time.Sleep(time.Hour)
		w.close(t)
		w = open(t, root)
		time.Sleep(time.Hour)
		if w.file("/etc/one") != "a=a1" || w.state(t, c.ID) != api.StateDone {
			t.Errorf("one %s, %s", w.file("/etc/one"), w.state(t, c.ID))
		}
		w.close(t)
	})
}

func TestTryExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, t.TempDir())
		must(t, w.do(t, set("a=a1", "b=b1")), api.StateDone)
		c := must(t, w.do(t, trial("a=a2", "b=b2")), api.StateTrying)
		must(t, w.do(t, set("b=b3")), api.StateDone)
		time.Sleep(5*time.Minute - time.Second)
		if w.setting("a") != "a2" {
			t.Error("undone too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := []string{w.setting("a"), w.setting("b"), w.file("/etc/shared")}; cmp.Diff(got, []string{"a1", "b3", "a=a1 b=b3"}) != "" {
			t.Errorf("got %q", got)
		}
		undo := must(t, w.wait(t, c.ID+2), api.StateDone)
		if by := must(t, w.wait(t, c.ID), api.StateUndone).UndoneBy; by != undo.ID {
			t.Errorf("undone by %d", by)
		}
		if undo.Undoes != c.ID || undo.Reason != "change 2 was not confirmed in time" || undo.Caller.Program == "" {
			t.Errorf("got %+v", undo)
		}
		_, err := w.Confirm(t.Context(), c.ID, api.Caller{})
		if code(err) != api.CodeConflict || !strings.Contains(err.Error(), "was not confirmed in time and has been undone") {
			t.Errorf("got %v", err)
		}
		w.close(t)
	})
}

// The time goes on while nobody is there.
func TestTrySurvivesRestarts(t *testing.T) {
	for name, tc := range map[string]struct {
		away   time.Duration
		undone bool
	}{
		"back in time": {time.Minute, false},
		"too late":     {time.Hour, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			root := t.TempDir()
			w := open(t, root)
			c := must(t, w.do(t, trial("a=a1")), api.StateTrying)
			w.close(t)
			time.Sleep(tc.away)
			w = open(t, root, inBoot("another"))
			synctest.Wait()
			if undone := w.setting("a") == "a0"; undone != tc.undone || undone != (w.file("/etc/one") == "a=a0") {
				t.Errorf("%s: a %s, one %s", name, w.setting("a"), w.file("/etc/one"))
			}
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			must(t, w.wait(t, c.ID), api.StateUndone)
			if w.setting("a") != "a0" || w.file("/etc/one") != "a=a0" {
				t.Errorf("%s: a %s, one %s", name, w.setting("a"), w.file("/etc/one"))
			}
			w.close(t)
		})
	}
}

// A clock that was set back (a host without battery) gives all the time again.
func TestTryWhenTheClockWentBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		w := open(t, root)
		c := must(t, w.do(t, trial("a=a1")), api.StateTrying)
		w.close(t)
		offset := -24 * 365 * time.Hour
		w = open(t, root, func(c *apply.Config) { c.Now = func() time.Time { return time.Now().Add(offset) } })
		if again := w.wait(t, c.ID); !again.Try.Until.Equal(time.Now().Add(offset + 5*time.Minute)) {
			t.Errorf("until %v", again.Try.Until)
		}
		time.Sleep(5*time.Minute - time.Second)
		synctest.Wait()
		must(t, w.wait(t, c.ID), api.StateTrying)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		must(t, w.wait(t, c.ID), api.StateUndone)
		w.close(t)
	})
}

func TestTryUndoneByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, t.TempDir())
		c := must(t, w.do(t, trial("a=a1")), api.StateTrying)
		u, err := w.Undo(t.Context(), c.ID, api.Caller{UID: 5})
		if err != nil {
			t.Fatal(err)
		}
		must(t, w.wait(t, u.ID), api.StateDone)
		must(t, w.wait(t, c.ID), api.StateUndone)
		if _, err := w.Confirm(t.Context(), c.ID, api.Caller{}); code(err) != api.CodeConflict {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if changes, _ := w.Changes(0, 10); len(changes) != 2 {
			t.Errorf("%d changes", len(changes))
		}
		w.close(t)
	})
}

func TestTryWithNothingToApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, t.TempDir())
		c := must(t, w.do(t, trial("none=x")), api.StateTrying)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		must(t, w.wait(t, c.ID), api.StateUndone)
		if w.setting("none") != "absent" {
			t.Errorf("none %s", w.setting("none"))
		}
		w.close(t)
	})
}

// What cannot be restarted is undone nonetheless: the settings are the old ones.
func TestTryExpiresThoughAServiceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, t.TempDir())
		c := must(t, w.do(t, trial("a=a1")), api.StateTrying)
		w.commands.set(failing("systemctl restart one"))
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		must(t, w.wait(t, c.ID), api.StateUndone)
		must(t, w.wait(t, c.ID+1), api.StateFailed)
		if w.setting("a") != "a0" || w.file("/etc/one") != "a=a0" {
			t.Errorf("a %s, one %s", w.setting("a"), w.file("/etc/one"))
		}
		w.close(t)
	})
}

func TestConfirmOfOthers(t *testing.T) {
	w := open(t, t.TempDir())
	c := must(t, w.do(t, set("a=a1")), api.StateDone)
	if _, err := w.Confirm(t.Context(), c.ID, api.Caller{}); code(err) != api.CodeConflict {
		t.Errorf("got %v", err)
	}
}

// Tries are kept until they end, so that there must not be any number of them.
func TestTriesAreFew(t *testing.T) {
	for name, tc := range map[string]struct {
		value string
		most  int
	}{
		"many":  {"x", 32},
		"large": {strings.Repeat("x", 2<<20), 12},
	} {
		synctest.Test(t, func(t *testing.T) {
			root := t.TempDir()
			w := open(t, root)
			tries := 0
			var err error
			for ; err == nil && tries <= tc.most; tries++ {
				_, err = w.Submit(t.Context(), trial(fmt.Sprintf("a=%s%d", tc.value, tries)))
				synctest.Wait()
			}
			if code(err) != api.CodeConflict || !strings.Contains(err.Error(), "are being tried already") {
				t.Fatalf("%s: %d tries, %v", name, tries, err)
			}
			w.close(t)
			w = open(t, root)
			if _, err := w.Submit(t.Context(), trial("a=again")); code(err) != api.CodeConflict {
				t.Errorf("%s: after a restart: %v", name, err)
			}
			must(t, w.do(t, set("b=b1")), api.StateDone)
			time.Sleep(6 * time.Minute)
			synctest.Wait()
			must(t, w.do(t, trial("a=again")), api.StateTrying)
			w.close(t)
		})
	}
}
