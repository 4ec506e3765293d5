package apply_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/service"
)

// expire lets d pass and what it brings come to rest.
func expire(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) undo(t testing.TB, id uint64) {
	t.Helper()
	c, err := w.Undo(t.Context(), id, api.Caller{})
	if err != nil {
		t.Fatal(err)
	}
	must(t, w.wait(t, c.ID), api.StateDone)
}

// What was only tried is gone in the end, whichever way other changes of the
// same key went meanwhile.
func TestOnlyConfirmationKeepsTrials(t *testing.T) {
	for name, tt := range map[string]struct {
		between func(t *testing.T, w *world)
		want    string
	}{
		"tried again later": {func(t *testing.T, w *world) {
			expire(time.Minute)
			must(t, w.do(t, trial("a=a3")), api.StateTrying)
		}, "a1"},
		"tried again for a shorter time": {func(t *testing.T, w *world) {
			shorter := trial("a=a3")
			shorter.Try = time.Minute
			must(t, w.do(t, shorter), api.StateTrying)
		}, "a1"},
		"tried twice again": {func(t *testing.T, w *world) {
			shorter := trial("a=a3")
			shorter.Try = time.Minute
			must(t, w.do(t, shorter), api.StateTrying)
			expire(time.Second)
			must(t, w.do(t, trial("a=a4")), api.StateTrying)
		}, "a1"},
		"unset on trial": {func(t *testing.T, w *world) {
			r := unset("a")
			r.Try = 10 * time.Minute
			must(t, w.do(t, r), api.StateTrying)
			expire(time.Minute)
			must(t, w.do(t, trial("a=a3")), api.StateTrying)
		}, "a1"},
		"another change failed": {func(t *testing.T, w *world) {
			w.commands.set(failing("systemctl restart one"))
			must(t, w.do(t, set("a=a3")), api.StateUndone)
			w.commands.set(nil)
		}, "a1"},
		"another change was undone": {func(t *testing.T, w *world) {
			w.undo(t, must(t, w.do(t, set("a=a3")), api.StateDone).ID)
		}, "a1"},
		"another change was undone afterwards": {func(t *testing.T, w *world) {
			c := must(t, w.do(t, set("a=a3")), api.StateDone)
			expire(10 * time.Minute)
			w.undo(t, c.ID)
		}, "a1"},
		"set to the same by another": {func(t *testing.T, w *world) {
			must(t, w.do(t, set("a=a2")), api.StateDone)
		}, "a2"},
		"the second was confirmed": {func(t *testing.T, w *world) {
			c := must(t, w.do(t, trial("a=a3")), api.StateTrying)
			if _, err := w.Confirm(t.Context(), c.ID, api.Caller{}); err != nil {
				t.Fatal(err)
			}
		}, "a3"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				root := t.TempDir()
				w := open(t, root)
				must(t, w.do(t, set("a=a1")), api.StateDone)
				must(t, w.do(t, trial("a=a2")), api.StateTrying)
				tt.between(t, w)
				expire(2 * time.Minute)
				w.close(t) // what is to be is in the journal
				w = open(t, root)
				expire(time.Hour)
				if w.setting("a") != tt.want || w.file("/etc/one") != "a="+tt.want {
					t.Errorf("a %s, one %s, want %s", w.setting("a"), w.file("/etc/one"), tt.want)
				}
				w.close(t)
			})
		})
	}
}

// A change that waits for its turn inherits from the one that fails before it.
func TestQueuedChangeInherits(t *testing.T) {
	w := open(t, t.TempDir())
	must(t, w.do(t, set("a=a1")), api.StateDone)
	begun, goOn := make(chan struct{}), make(chan struct{})
	w.commands.set(func(context.Context, service.Command) (string, error) {
		w.commands.set(nil)
		close(begun)
		<-goOn
		return "", fmt.Errorf("no")
	})
	failing, err := w.Submit(t.Context(), set("a=a2"))
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	ahead := set("a=a3")
	ahead.Keep = true
	queued, err := w.Submit(t.Context(), ahead)
	if err != nil {
		t.Fatal(err)
	}
	close(goOn)
	must(t, w.wait(t, failing.ID), api.StateUndone)
	must(t, w.wait(t, queued.ID), api.StateDone)
	w.undo(t, queued.ID)
	if w.setting("a") != "a1" {
		t.Errorf("a %s", w.setting("a"))
	}
}

// Undoing costs what a change has changed, not its square.
func TestUndoOfManyKeys(t *testing.T) {
	w := open(t, t.TempDir())
	r := set("a=a1")
	for i := range 20000 {
		k := key.MustParse(fmt.Sprintf("settings.other.k%d", i))
		r.Edits.Set = append(r.Edits.Set, key.Pair{Key: k, Value: []byte("1")})
	}
	c := must(t, w.do(t, r), api.StateDone)
	began := time.Now()
	w.undo(t, c.ID)
	if took := time.Since(began); took > 20*time.Second { // it was a quarter of an hour
		t.Errorf("it took %v", took)
	}
	if w.setting("a") != "a0" {
		t.Errorf("a %s", w.setting("a"))
	}
}
