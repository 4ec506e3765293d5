package apply_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/durable/durabletest"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
)

// witness records what an engine does to files and, between those steps, every
// state of the store's file, as marks that name it.
type witness struct {
	*durabletest.Recorder
	root   paths.Root
	mu     sync.Mutex
	stores [][]byte
}

func newWitness(t testing.TB, root string) *witness {
	t.Helper()
	r, err := durabletest.NewRecorder(durable.OS{}, root)
	if err != nil {
		t.Fatal(err)
	}
	return &witness{Recorder: r, root: paths.Root(root)}
}

// look marks the store's state if it is a new one.
func (w *witness) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	data, err := os.ReadFile(w.root.Datastore())
	if err != nil {
		panic(err)
	}
	if n := len(w.stores); n > 0 && bytes.Equal(w.stores[n-1], data) {
		return
	}
	w.stores = append(w.stores, data)
	w.Mark(strconv.Itoa(len(w.stores) - 1))
}

func (w *witness) Create(path string) (durable.File, error) {
	w.look()
	return w.Recorder.Create(path)
}

func (w *witness) Mkdir(path string) error {
	w.look()
	return w.Recorder.Mkdir(path)
}

func (w *witness) Remove(path string) error {
	w.look()
	return w.Recorder.Remove(path)
}

// crashes makes a change on a root that setUp made, and opens what every power
// loss on the way may leave. After the recovery, the settings are those from
// before or those from after, and every file says the same; or, if a change is
// finished then that was undone here, they are all what finished says.
func crashes(t *testing.T, setUp, change func(*world), finished ...string) {
	root := t.TempDir()
	w := open(t, root)
	setUp(w)
	old := contents(w)
	w.close(t)

	seen := newWitness(t, root)
	w = open(t, root, onDisk(seen))
	seen.look()
	change(w)
	seen.look()
	after := contents(w)
	w.close(t)

	count := map[string]int{}
	err := seen.Log().Crashes(func(c durabletest.Crash) error {
		if len(c.Marks) == 0 {
			return nil
		}
		got, err := recovered(t, c, seen)
		count[fmt.Sprint(got)]++
		good := [][]string{old, after, finished}
		if err == nil && !slices.ContainsFunc(good, func(want []string) bool { return slices.Equal(got, want) }) {
			err = fmt.Errorf("got %q, want %q or %q", got, old, after)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d store states; outcomes %v", len(seen.stores), count)
}

// recovered is what a new engine makes of a crash.
func recovered(t *testing.T, c durabletest.Crash, seen *witness) ([]string, error) {
	dir := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := c.Tree.Write(dir); err != nil {
		return nil, err
	}
	state, err := strconv.Atoi(c.Marks[len(c.Marks)-1])
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(paths.Root(dir).Datastore(), seen.stores[state], 0o600); err != nil {
		return nil, err
	}
	w := open(t, dir)
	defer w.close(t)
	got := contents(w)
	if err := w.settle(t); err != nil {
		return nil, err
	}
	if again := contents(w); fmt.Sprint(again) != fmt.Sprint(got) {
		return nil, fmt.Errorf("right after the recovery %q, later %q", got, again)
	}
	return got, w.leftovers()
}

// settle waits until every change is over.
func (w *world) settle(t *testing.T) error {
	changes, err := w.Changes(0, 100)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if c := w.wait(t, c.ID); !c.State.Final() {
			return fmt.Errorf("change %d is %s", c.ID, c.State)
		}
	}
	if err := w.Close(t.Context()); err != nil { // which stores the end of a quiet change
		return err
	}
	open, err := w.store.OpenChanges()
	if err == nil && len(open) > 0 {
		err = fmt.Errorf("%d changes are still open", len(open))
	}
	return err
}

// leftovers looks for temporary files.
func (w *world) leftovers() error {
	for _, dir := range []string{"/etc", "/etc/deep/er", "/etc/systemd/system/two.service.d"} {
		found, err := filepath.Glob(w.root.Join(dir) + "/.*")
		if err != nil || len(found) > 0 {
			return fmt.Errorf("left over: %q, %v", found, err)
		}
	}
	return nil
}

func nothing(*world) {}

func TestPowerLossDuringFirstChange(t *testing.T) {
	crashes(t, nothing, func(w *world) { must(t, w.do(t, set("a=a1", "b=b1")), api.StateDone) })
}

func TestPowerLossDuringChange(t *testing.T) {
	crashes(t,
		func(w *world) { must(t, w.do(t, set("a=a1", "b=b1")), api.StateDone) },
		func(w *world) { must(t, w.do(t, set("a=a2", "b=b2")), api.StateDone) })
}

func TestPowerLossDuringUndo(t *testing.T) {
	crashes(t,
		func(w *world) { must(t, w.do(t, set("b=b1")), api.StateDone) },
		func(w *world) {
			w.commands.set(failing("systemctl restart one"))
			must(t, w.do(t, set("a=a2", "b=b2")), api.StateUndone)
		}, forward()...)
}

// forward is what contents are once a and b are a2 and b2.
func forward() []string {
	return []string{"a2", "b2", "a=a2", "a=a2 b=b2", "b=b2", "b=b2", "n0", "absent"}
}

func TestPowerLossDuringUndoOfCreation(t *testing.T) {
	crashes(t, nothing, func(w *world) {
		w.commands.set(failing("systemctl restart one"))
		must(t, w.do(t, set("a=a2", "b=b2")), api.StateUndone)
	}, forward()...)
}

// What cannot be finished after a crash is undone.
func TestCrashThenFailure(t *testing.T) {
	for name, options := range map[string]struct {
		option option
		fail   string
	}{
		"a template is broken now": {withTemplates(broken()), ""},
		"a service fails now":      {inBoot("boot"), "systemctl restart one"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			w := open(t, root)
			must(t, w.do(t, set("a=a1", "need=n1")), api.StateDone)
			id := w.abandon(t, set("a=a2", "need=n2"))

			w = start(t, root, options.option)
			if options.fail != "" {
				w.commands.set(failing(options.fail))
			}
			if err := w.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			c := must(t, w.wait(t, id), api.StateUndone)
			if w.setting("a") != "a1" || w.file("/etc/one") != "a=a1" || w.file("/etc/need") != "need=n1" {
				t.Errorf("a %s, one %s, need %s; %+v", w.setting("a"), w.file("/etc/one"), w.file("/etc/need"), c)
			}
		})
	}
}

// abandon stops the engine in the middle of the first change's commands, and
// returns the id of the last, which waits for its turn if it is another one.
func (w *world) abandon(t *testing.T, requests ...apply.Request) (last uint64) {
	t.Helper()
	w.commands.set(hanging(nil))
	for _, r := range requests {
		c, err := w.Submit(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		last = c.ID
	}
	w.cutShort(t)
	return last
}

// abandonUndo stops the engine while it takes back a change that has failed.
func (w *world) abandonUndo(t *testing.T, r apply.Request) uint64 {
	t.Helper()
	undoing := make(chan struct{})
	w.commands.set(func(ctx context.Context, c service.Command) (string, error) {
		if !c.Undo {
			return "", errors.New("no luck")
		}
		close(undoing)
		<-ctx.Done()
		return "", ctx.Err()
	})
	c, err := w.Submit(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	<-undoing
	w.cutShort(t)
	return c.ID
}

// abandonUndoOf stops the engine while it undoes a change that was made well.
func (w *world) abandonUndoOf(t *testing.T, r apply.Request) uint64 {
	t.Helper()
	made := must(t, w.do(t, r), api.StateDone)
	w.commands.set(hanging(nil))
	c, err := w.Undo(t.Context(), made.ID, api.Caller{})
	if err != nil {
		t.Fatal(err)
	}
	w.cutShort(t)
	return c.ID
}

// cutShort closes the world without waiting for what it is doing.
func (w *world) cutShort(t *testing.T) {
	t.Helper()
	ctx, cancel := contextUntilNow(t)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	w.close(t)
}

// After a reboot everything was started anew, with the files that there were.
func TestReboot(t *testing.T) {
	for name, tc := range map[string]struct {
		lose bool // /etc, as on a host where it is in memory
		want int  // commands
	}{
		"files are there":   {false, 0},
		"files are missing": {true, 4},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			w := open(t, root)
			must(t, w.do(t, set("a=a1")), api.StateDone)
			id := w.abandon(t, set("a=a2"))
			if tc.lose {
				if err := os.RemoveAll(w.root.Join("/etc")); err != nil {
					t.Fatal(err)
				}
			}
			w = open(t, root, inBoot("next"))
			must(t, w.wait(t, id), api.StateDone)
			if w.file("/etc/one") != "a=a2" || w.file("/etc/deep/er/two") != "b=b0" {
				t.Errorf("one %s, two %s", w.file("/etc/one"), w.file("/etc/deep/er/two"))
			}
			if got := w.commands.take(); len(got) != tc.want {
				t.Errorf("commands %q", got)
			}
		})
	}
}

func TestKeptChangeGoesOnAfterACrash(t *testing.T) {
	root := t.TempDir()
	w := open(t, root)
	r := set("a=a1")
	r.Keep = true
	id := w.abandon(t, r)
	w = start(t, root)
	w.commands.set(failing("systemctl restart one"))
	if err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, w.wait(t, id), api.StateFailed)
	if w.setting("a") != "a1" || w.file("/etc/one") != "a=a1" {
		t.Errorf("a %s, one %s", w.setting("a"), w.file("/etc/one"))
	}
}

// Each sync on the way is needed: without any one of them, some power loss
// after the change was reported done leaves files that do not say what the
// settings say.
func TestEverySyncIsNeeded(t *testing.T) {
	root := t.TempDir()
	open(t, root).close(t)
	seen := newWitness(t, root)
	w := open(t, root, onDisk(seen))
	must(t, w.do(t, set("a=a1", "b=b1")), api.StateDone)
	seen.look()
	want := contents(w)
	w.close(t)
	log, last := seen.Log(), strconv.Itoa(len(seen.stores)-1)
	noticed := func(log durabletest.Log) bool {
		err := log.Crashes(func(c durabletest.Crash) error {
			if len(c.Marks) == 0 || c.Marks[len(c.Marks)-1] != last {
				return nil
			}
			got, err := recovered(t, c, seen)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("got %q", got)
			}
			return nil
		})
		return err != nil
	}
	if noticed(log) {
		t.Error("a fault without a reason")
	}
	syncs := 0
	for i, op := range log.Ops {
		again := slices.ContainsFunc(log.Ops[i+1:], func(later durabletest.Op) bool {
			return later.Kind == op.Kind && later.Path == op.Path
		})
		if op.Syncs() && !again { // a folder that is synced again later makes up for it
			syncs++
			if !noticed(log.Without(i)) {
				t.Errorf("nobody notices when operation %d is left out: %s %s", i, op.Kind, op.Path)
			}
		}
	}
	t.Logf("%d syncs", syncs)
}

// What a change of one file costs until it is over: it is committed and the
// file is written, and nothing else is written or synced. Its end is stored later.
func TestCost(t *testing.T) {
	root := t.TempDir()
	w := open(t, root)
	must(t, w.do(t, set("need=n1")), api.StateDone)
	w.close(t)
	seen := newWitness(t, root)
	w = open(t, root, onDisk(seen))
	seen.look()
	must(t, w.do(t, set("need=n2")), api.StateDone)
	seen.look()
	var kinds []durabletest.Kind
	for _, op := range seen.Log().Ops {
		kinds = append(kinds, op.Kind)
	}
	want := []durabletest.Kind{
		durabletest.Mark, // as it was
		durabletest.Mark, // committed
		durabletest.Create, durabletest.Write, durabletest.Chmod, durabletest.Sync, durabletest.Rename, durabletest.SyncDir,
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("got %q, want %q", kinds, want)
	}
	if c := must(t, w.do(t, set("need=n3")), api.StateDone); planned(c, "need").Edited {
		t.Error("what the change before wrote is taken for an edit by hand")
	}
	w.close(t)
	w = open(t, root)
	if records, err := w.store.OpenChanges(); err != nil || len(records) > 0 {
		t.Errorf("%d changes are open, %v", len(records), err)
	}
	if c := must(t, w.do(t, set("need=n4")), api.StateDone); planned(c, "need").Edited {
		t.Error("what the change before wrote is taken for an edit by hand")
	}
}

// A change that was shown as done stays, even if it could not be made any more.
func TestPowerLossAfterQuietChange(t *testing.T) {
	root := t.TempDir()
	w := open(t, root)
	must(t, w.do(t, set("need=n1")), api.StateDone)
	c := must(t, w.do(t, set("need=n2")), api.StateDone)
	data, err := os.ReadFile(w.root.Datastore())
	if err != nil {
		t.Fatal(err)
	}
	w.close(t)
	if err := os.WriteFile(w.root.Datastore(), data, 0o600); err != nil {
		t.Fatal(err)
	}
	w = open(t, root, withTemplates(broken()))
	must(t, w.wait(t, c.ID), api.StateFailed)
	if w.setting("need") != "n2" || w.file("/etc/need") != "need=n2" {
		t.Errorf("need %s, file %s", w.setting("need"), w.file("/etc/need"))
	}
}

func TestPowerLossDuringQuietChange(t *testing.T) {
	crashes(t,
		func(w *world) { must(t, w.do(t, set("need=n1")), api.StateDone) },
		func(w *world) { must(t, w.do(t, set("need=n2", "none=x")), api.StateDone) })
}
