package apply_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/durable/durabletest"
	"github.com/hostler-os/hostler/internal/service"
)

func TestRestartFailureIsUndone(t *testing.T) {
	w := open(t, t.TempDir())
	must(t, w.do(t, set("a=a1")), api.StateDone)
	w.commands.take()
	before := tree(t, w.root.Join("/etc/deep"))
	fail := true
	w.commands.set(func(ctx context.Context, c service.Command) (string, error) {
		if c.Line == "systemctl restart both" && fail {
			fail = false
			return "last words", errors.New("job ended as failed")
		}
		return "", nil
	})
	c := must(t, w.do(t, set("a=a2", "none=x")), api.StateUndone)
	want := &api.Error{
		Code: api.CodeApplyFailed, Message: "restart two: job ended as failed",
		Hint: "find the cause in the tasks of the change, then make it again",
	}
	if diff := cmp.Diff(c.Error, want); diff != "" {
		t.Error(diff)
	}
	wantTasks := []string{
		"write write /etc/one done",
		"write write /etc/shared done",
		"restart restart two: systemctl restart two done",
		"restart restart two: systemctl restart both failed",
		"restart restart one: systemctl restart one skipped",
		"undo restore /etc/shared done",
		"undo restore /etc/one done",
		"undo restart two: systemctl restart two done",
		"undo restart two: systemctl restart both done",
	}
	if diff := cmp.Diff(summaries(c), wantTasks); diff != "" {
		t.Errorf("tasks (-got +want):\n%s", diff)
	}
	if c.Tasks[3].Output != "last words" {
		t.Errorf("output %q", c.Tasks[3].Output)
	}
	if w.setting("a") != "a1" || w.setting("none") != "absent" || w.file("/etc/one") != "a=a1" || w.file("/etc/shared") != "a=a1 b=b0" {
		t.Errorf("a %s, files %s, %s", w.setting("a"), w.file("/etc/one"), w.file("/etc/shared"))
	}
	if diff := cmp.Diff(tree(t, w.root.Join("/etc/deep")), before); diff != "" {
		t.Error(diff)
	}
	entries, err := w.store.History("settings.demo.a", 0, 1)
	if err != nil || entries[0].Reason != fmt.Sprintf("change %d failed", c.ID) || entries[0].Change != c.ID {
		t.Errorf("history %+v, %v", entries, err)
	}
}

func TestCreatedFilesAreRemoved(t *testing.T) {
	w := open(t, t.TempDir())
	w.commands.set(failing("systemctl restart one"))
	c := must(t, w.do(t, set("a=a1")), api.StateUndone)
	for _, name := range []string{"/etc/one", "/etc/shared", "/etc/deep/er/two"} {
		if got := w.file(name); got != "absent" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if !strings.Contains(c.Error.Message, "not everything could be undone: restart one:") {
		t.Errorf("got %+v", c.Error)
	}
	want := []string{
		": daemon-reload", "two: systemctl restart two [settings.demo.a]",
		"two: systemctl restart both [settings.demo.a]", "one: systemctl restart one [settings.demo.a]",
	}
	if diff := cmp.Diff(w.commands.take(), append(want, want...)); diff != "" {
		t.Errorf("commands (-got +want):\n%s", diff)
	}
}

func TestHangIsUndone(t *testing.T) {
	w := open(t, t.TempDir())
	w.commands.set(func(ctx context.Context, c service.Command) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		<-ctx.Done()
		return "", ctx.Err()
	})
	must(t, w.do(t, set("a=a1")), api.StateUndone)
	if w.setting("a") != "a0" || w.file("/etc/one") != "absent" {
		t.Errorf("a %s, one %s", w.setting("a"), w.file("/etc/one"))
	}
}

func TestKeepGoesOn(t *testing.T) {
	w := open(t, t.TempDir())
	w.commands.set(failing("systemctl restart two"))
	r := set("a=a1")
	r.Keep = true
	c := must(t, w.do(t, r), api.StateFailed)
	if w.setting("a") != "a1" || w.file("/etc/one") != "a=a1" || c.Error.Code != api.CodeApplyFailed {
		t.Errorf("a %s, one %s, %+v", w.setting("a"), w.file("/etc/one"), c.Error)
	}
	want := []string{": daemon-reload", "two: systemctl restart two [settings.demo.a]", "one: systemctl restart one [settings.demo.a]"}
	if diff := cmp.Diff(w.commands.take(), want); diff != "" {
		t.Errorf("commands (-got +want):\n%s", diff)
	}
	// No file differs any more, but the service has not seen the last ones yet.
	w.commands.set(nil)
	must(t, w.do(t, set("a=a1")), api.StateDone)
	want = []string{"two: systemctl restart two [settings.demo.a]", "two: systemctl restart both [settings.demo.a]"}
	if diff := cmp.Diff(w.commands.take(), want); diff != "" {
		t.Errorf("commands (-got +want):\n%s", diff)
	}
	must(t, w.do(t, set("a=a1")), api.StateDone)
	if got := w.commands.take(); got != nil {
		t.Errorf("commands %q", got)
	}
}

// Whichever operation on files fails, the change is undone whole.
func TestEveryFileOperationFails(t *testing.T) {
	for _, failure := range []error{syscall.ENOSPC, syscall.EIO} {
		for at := int64(1); ; at++ {
			root := t.TempDir()
			w := open(t, root)
			must(t, w.do(t, set("a=a1")), api.StateDone)
			if err := os.WriteFile(w.root.Join("/etc/shared"), []byte("edited"), 0o644); err != nil {
				t.Fatal(err)
			}
			before := contents(w)
			w.close(t)

			faults := &durabletest.Faults{FS: durable.OS{}, At: at, Err: failure}
			w = open(t, root, onDisk(faults))
			c := w.do(t, set("a=a2", "b=b2"))
			if !faults.Reached() {
				must(t, c, api.StateDone)
				t.Logf("%d operations", at-1)
				break
			}
			must(t, c, api.StateUndone)
			if !strings.Contains(c.Error.Message, failure.Error()) {
				t.Fatalf("operation %d: %+v", at, c.Error)
			}
			if diff := cmp.Diff(contents(w), before); diff != "" {
				t.Fatalf("operation %d (-got +want):\n%s\n%+v", at, diff, c.Tasks)
			}
		}
	}
}

// A disk that stays full does not let files be restored; the next start does.
func TestFullDiskIsRestoredAtStart(t *testing.T) {
	for at := int64(1); at < 40; at++ {
		root := t.TempDir()
		w := open(t, root)
		must(t, w.do(t, set("a=a1")), api.StateDone)
		before := contents(w)
		w.close(t)
		faults := &durabletest.Faults{FS: durable.OS{}, At: at, Lasting: true, Err: syscall.ENOSPC}
		w = open(t, root, onDisk(faults))
		c := w.do(t, set("a=a2", "b=b2"))
		if !faults.Reached() {
			return
		}
		must(t, c, api.StateUndone)
		w.close(t)
		w = open(t, root)
		if diff := cmp.Diff(contents(w), before); diff != "" {
			t.Fatalf("operation %d (-got +want):\n%s", at, diff)
		}
		must(t, w.wait(t, c.ID), api.StateUndone)
	}
	t.Error("the end was never reached")
}

// contents are the settings and files that TestEveryFileOperationFails looks at.
func contents(w *world) []string {
	return []string{
		w.setting("a"), w.setting("b"), w.file("/etc/one"), w.file("/etc/shared"),
		w.file("/etc/deep/er/two"), w.file("/etc/systemd/system/two.service.d/x.conf"),
		w.setting("need"), w.file("/etc/need"),
	}
}

func TestUndoOnRequest(t *testing.T) {
	w := open(t, t.TempDir())
	first := must(t, w.do(t, set("a=a1", "b=b1", "none=n1")), api.StateDone)
	must(t, w.do(t, set("b=b2")), api.StateDone)
	again := set("none=n1") // the same value, but set anew
	must(t, w.do(t, again), api.StateDone)
	by := api.Caller{UID: 3}
	c, err := w.Undo(t.Context(), first.ID, by)
	if err != nil {
		t.Fatal(err)
	}
	c = must(t, w.wait(t, c.ID), api.StateDone)
	if c.Undoes != first.ID || c.Caller != by || c.Reason != "undo of change 1" {
		t.Errorf("got %+v", c)
	}
	if got := []string{w.setting("a"), w.setting("b"), w.setting("none"), w.file("/etc/shared")}; !slices.Equal(got, []string{"a0", "b2", "n1", "a=a0 b=b2"}) {
		t.Errorf("got %q", got)
	}
	if _, err := w.Undo(t.Context(), first.ID, by); code(err) != api.CodeConflict {
		t.Errorf("undone twice: %v", err)
	}
	redo, err := w.Undo(t.Context(), c.ID, by)
	if err != nil {
		t.Fatal(err)
	}
	must(t, w.wait(t, redo.ID), api.StateDone)
	if w.setting("a") != "a1" {
		t.Errorf("a %s", w.setting("a"))
	}
}

func TestUndoOfUndone(t *testing.T) {
	w := open(t, t.TempDir())
	w.commands.set(failing("systemctl restart one"))
	c := must(t, w.do(t, set("a=a1")), api.StateUndone)
	if _, err := w.Undo(t.Context(), c.ID, api.Caller{}); code(err) != api.CodeConflict {
		t.Errorf("got %v", err)
	}
}

// A change tells what took it back, but not of an undo that failed itself.
func TestUndoneBy(t *testing.T) {
	w := open(t, t.TempDir())
	done := must(t, w.do(t, set("a=a1")), api.StateDone)
	tried := must(t, w.do(t, trial("b=b1")), api.StateTrying)
	w.undo(t, tried.ID)
	w.commands.set(failing("systemctl restart one"))
	for _, tc := range []struct{ want, ends uint64 }{{0, 4}, {5, 5}} {
		u, err := w.Undo(t.Context(), done.ID, api.Caller{})
		if err != nil {
			t.Fatal(err)
		}
		w.wait(t, u.ID)
		if c, err := w.Change(done.ID); err != nil || u.ID != tc.ends || c.UndoneBy != tc.want {
			t.Errorf("change %d: undone by %d, want %d; %v", u.ID, c.UndoneBy, tc.want, err)
		}
		w.commands.set(nil)
	}
	if c := must(t, w.wait(t, tried.ID), api.StateUndone); c.UndoneBy != 3 {
		t.Errorf("the try is undone by %d", c.UndoneBy)
	}
}

func TestUndoOfUnset(t *testing.T) {
	w := open(t, t.TempDir())
	must(t, w.do(t, set("a=a1")), api.StateDone)
	c := must(t, w.do(t, unset("a", "b")), api.StateDone)
	if w.file("/etc/one") != "a=a0" {
		t.Errorf("one %s", w.file("/etc/one"))
	}
	u, err := w.Undo(t.Context(), c.ID, api.Caller{})
	if err != nil {
		t.Fatal(err)
	}
	must(t, w.wait(t, u.ID), api.StateDone)
	if w.file("/etc/one") != "a=a1" || w.setting("b") != "b0" {
		t.Errorf("one %s, b %s", w.file("/etc/one"), w.setting("b"))
	}
}

func TestPendingIsFoldedIn(t *testing.T) {
	w := open(t, t.TempDir())
	w.pend(t, "x", set("a=pending", "b=pending").Edits.Set...)
	r := set("b=own")
	r.Transaction = "x"
	must(t, w.do(t, r), api.StateDone)
	if w.setting("a") != "pending" || w.setting("b") != "own" {
		t.Errorf("a %s, b %s", w.setting("a"), w.setting("b"))
	}
	if names := w.store.PendingNames(); len(names) != 0 {
		t.Errorf("still pending: %q", names)
	}
	if o, _ := w.store.Snapshot().Origin("settings.demo.a"); o.Transaction != "x" || o.Change != 1 {
		t.Errorf("origin %+v", o)
	}
	w.pend(t, "y", set("c=c1").Edits.Set...)
	if _, err := w.Submit(t.Context(), apply.Request{Transaction: "x"}); code(err) != api.CodeNothingPending {
		t.Errorf("got %v", err)
	}
}

// A datastore that fails in the middle: what it holds last decides.
func TestStoreFails(t *testing.T) {
	for name, tc := range map[string]struct {
		fails bool // the command, too
		want  api.State
	}{
		"at the end":      {false, api.StateDone},
		"while it undoes": {true, api.StateFailed},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			w := open(t, root)
			w.commands.set(func(_ context.Context, c service.Command) (string, error) {
				if c.Line != "systemctl restart one" {
					return "", nil
				}
				if err := w.store.Close(); err != nil {
					t.Error(err)
				}
				if tc.fails {
					return "", errors.New("no luck")
				}
				return "", nil
			})
			c := must(t, w.do(t, set("a=a1")), tc.want)
			if tc.fails && !strings.Contains(c.Error.Message, "no luck; and its settings could not be reverted: datastore is closed") {
				t.Errorf("got %+v", c.Error)
			}
			if _, err := w.Submit(t.Context(), set("a=a2")); !errors.Is(err, datastore.ErrClosed) {
				t.Errorf("got %v", err)
			}
			if w.setting("a") != "a1" || w.file("/etc/one") != "a=a1" {
				t.Errorf("a %s, one %s", w.setting("a"), w.file("/etc/one"))
			}
			if err := w.Close(t.Context()); !errors.Is(err, datastore.ErrClosed) {
				t.Errorf("Close: %v", err)
			}
			again := open(t, root)
			must(t, again.wait(t, c.ID), api.StateDone)
			if again.setting("a") != "a1" || again.file("/etc/one") != "a=a1" {
				t.Errorf("a %s, one %s", again.setting("a"), again.file("/etc/one"))
			}
		})
	}
}

// What an older version's model took may be nothing that the present one takes.
func TestUndoBringsBackNoMisfit(t *testing.T) {
	w := open(t, t.TempDir())
	must(t, w.do(t, set("renamed=since", "a=old")), api.StateDone)
	c := must(t, w.do(t, unset("renamed", "a")), api.StateDone)
	_, err := w.Undo(t.Context(), c.ID, api.Caller{})
	if e := api.AsError(err); e.Code != api.CodeConflict || e.Key != "settings.demo.renamed" || e.Hint == "" {
		t.Errorf("got %+v", e)
	}
	if w.setting("a") != "a0" {
		t.Errorf("a is %s", w.setting("a"))
	}
}
