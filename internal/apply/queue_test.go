package apply_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/service"
)

// hanging is a command that hangs until it is released or ctx ends.
func hanging(release <-chan struct{}) func(context.Context, service.Command) (string, error) {
	return func(ctx context.Context, _ service.Command) (string, error) {
		select {
		case <-release:
			return "", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func TestChangesNeverInterleave(t *testing.T) {
	w := open(t, t.TempDir())
	w.commands.set(func(context.Context, service.Command) (string, error) {
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
		if rand.IntN(10) == 0 {
			return "", fmt.Errorf("no luck")
		}
		return "", nil
	})
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			for j := range 10 {
				r := set(fmt.Sprintf("a=%d-%d", i, j), fmt.Sprintf("b=%d-%d", i, j))
				r.Keep = j%3 == 0
				w.do(t, r)
			}
		})
	}
	all.Wait()
	if w.commands.most != 1 {
		t.Errorf("%d commands at the same time", w.commands.most)
	}
	a, b := w.setting("a"), w.setting("b")
	if a != b || w.file("/etc/shared") != "a="+a+" b="+b || w.file("/etc/one") != "a="+a {
		t.Errorf("a %s, b %s, shared %s, one %s", a, b, w.file("/etc/shared"), w.file("/etc/one"))
	}
}

// A restart command whose program changes settings itself must not wait for the change that it is part of.
func TestCommittedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		w := open(t, root)
		release := make(chan struct{})
		w.commands.set(hanging(release))
		first, err := w.Submit(t.Context(), set("a=a1"))
		if err != nil {
			t.Fatal(err)
		}
		r := set("b=b1")
		r.Keep = true
		second, err := w.Submit(t.Context(), r)
		if err != nil || second.State != api.StatePlanned || w.setting("b") != "b1" {
			t.Fatalf("got %+v, %v, b %s", second, err, w.setting("b"))
		}
		r = set("none=x")
		r.CommitOnly = true
		must(t, w.do(t, r), api.StateDone)
		synctest.Wait()
		if w.file("/etc/shared") != "a=a1 b=b0" {
			t.Errorf("shared %s", w.file("/etc/shared"))
		}
		close(release)
		must(t, w.wait(t, first.ID), api.StateDone)
		c := must(t, w.wait(t, second.ID), api.StateDone)
		if w.file("/etc/shared") != "a=a1 b=b1" || len(c.Plan.Edits) != 1 || planned(c, "shared").Diff == "" {
			t.Errorf("shared %s, %+v", w.file("/etc/shared"), c.Plan)
		}
		w.close(t)
	})
}

// The setting of a change committed meanwhile survives the undoing of the one before it.
func TestCommittedAheadOfAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, t.TempDir())
		must(t, w.do(t, set("a=a1")), api.StateDone)
		release := make(chan struct{})
		w.commands.set(func(ctx context.Context, c service.Command) (string, error) {
			<-release
			return failing("systemctl restart one")(ctx, c)
		})
		first, err := w.Submit(t.Context(), set("a=a2", "b=b2"))
		if err != nil {
			t.Fatal(err)
		}
		r := set("b=b3")
		r.Keep = true
		second, err := w.Submit(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		close(release)
		must(t, w.wait(t, first.ID), api.StateUndone)
		w.wait(t, second.ID)
		if w.setting("a") != "a1" || w.setting("b") != "b3" || w.file("/etc/shared") != "a=a1 b=b3" {
			t.Errorf("a %s, b %s, shared %s", w.setting("a"), w.setting("b"), w.file("/etc/shared"))
		}
		w.close(t)
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, t.TempDir())
		release := make(chan struct{})
		w.commands.set(hanging(release))
		if _, err := w.Submit(t.Context(), set("a=a1")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.Submit(ctx, set("a=a2")); code(err) != api.CodeUnavailable {
			t.Errorf("no patience: got %v", err)
		}
		refused := 0
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 100 {
			r := set(fmt.Sprintf("b=%d", i))
			r.Keep = i%2 == 0
			all.Go(func() {
				_, err := w.Submit(t.Context(), r)
				mu.Lock()
				defer mu.Unlock()
				if code(err) == api.CodeUnavailable {
					refused++
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if refused != 100-64 {
			t.Errorf("%d refused", refused)
		}
		close(release)
		all.Wait()
		w.close(t)
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		var log strings.Builder // written by Close only
		w := open(t, root, func(c *apply.Config) {
			c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: untimed}))
		})
		w.commands.set(hanging(nil))
		first, err := w.Submit(t.Context(), set("a=a1"))
		if err != nil {
			t.Fatal(err)
		}
		r := set("b=b1")
		r.Keep = true
		second, err := w.Submit(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if _, err := w.Submit(t.Context(), set("c=c1")); code(err) != api.CodeUnavailable {
				t.Errorf("waiting: got %v", err)
			}
		})
		events := w.Watch(t.Context())
		synctest.Wait()
		started := time.Now()
		w.close(t)
		waiting.Wait()
		if took := time.Since(started); took != 10*time.Second {
			t.Errorf("closing took %v", took)
		}
		for range events {
			continue // until it is closed
		}
		for _, err := range []error{
			failure(w.Submit(t.Context(), set("c=c1"))), failure(w.Undo(t.Context(), 1, api.Caller{})),
			failure(w.Confirm(t.Context(), 1, api.Caller{})),
		} {
			if code(err) != api.CodeUnavailable {
				t.Errorf("closed: got %v", err)
			}
		}
		wantLog := `level=INFO msg="waiting for a change; what is not over then goes on at the next start" ` +
			`change=1 state=applying task="reload systemd" at-most=10s`
		if got, _, _ := strings.Cut(log.String(), "\n"); got != wantLog {
			t.Errorf("log %s\nwant %s", got, wantLog)
		}
		// Both are in the journal, and the next start goes on.
		w = open(t, root)
		must(t, w.wait(t, first.ID), api.StateDone)
		must(t, w.wait(t, second.ID), api.StateDone)
		if w.file("/etc/shared") != "a=a1 b=b1" || w.setting("c") != "absent" {
			t.Errorf("shared %s, c %s", w.file("/etc/shared"), w.setting("c"))
		}
		if log := strings.Join(w.commands.take(), "\n"); !strings.Contains(log, "two: systemctl restart two [settings.demo.a]") {
			t.Errorf("commands: %s", log)
		}
		w.close(t)
	})
}

func untimed(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		quick, slow := w.Watch(ctx), w.Watch(ctx)
		var seen []string
		go func() {
			for e := range quick {
				what := string(e.Change.State)
				if e.Task != nil {
					what = e.Change.Tasks[*e.Task].Summary + " " + string(e.Change.Tasks[*e.Task].State)
				}
				seen = append(seen, what)
			}
		}()
		w.commands.set(func(context.Context, service.Command) (string, error) {
			synctest.Wait() // lets the watcher see everything
			return "", nil
		})
		for i := range 50 {
			must(t, w.do(t, set(fmt.Sprintf("b=%d", i))), api.StateDone)
		}
		synctest.Wait()
		text := strings.Join(seen, "\n")
		for _, want := range []string{"applying", "restart two: systemctl restart two doing", "done"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q was not seen", want)
			}
		}
		last := map[uint64]api.State{}
		for range 50 {
			e := <-slow
			last[e.Change.ID] = e.Change.State
		}
		for id := range uint64(49) {
			if last[id+1] != api.StateDone && last[id+2] != api.StateDone {
				t.Errorf("change %d: the slow one last heard %s", id+1, last[id+1])
			}
		}
		cancel()
		synctest.Wait()
		if _, open := <-quick; open {
			t.Error("still open")
		}
		w.close(t)
	})
}

const secretText = "hunter2-is-secret"

// Nothing that leaves the engine holds a secret.
func TestSecrets(t *testing.T) {
	root := t.TempDir()
	w := open(t, root)
	w.commands.set(func(_ context.Context, c service.Command) (string, error) {
		if strings.HasPrefix(c.Line, "/usr/bin/vault") {
			return "I read " + secretText, fmt.Errorf("run it: bad password %s", secretText)
		}
		return "", nil
	})
	events := w.Watch(t.Context())
	var out strings.Builder
	encode := json.NewEncoder(&out)
	say := func(v any, err error) {
		if err := encode.Encode(v); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			out.WriteString(err.Error())
		}
	}
	say(w.Plan(t.Context(), set("vault.password="+secretText)))
	undone := w.do(t, set("vault.password="+secretText))
	say(must(t, undone, api.StateUndone), nil)
	kept := set("vault.password=" + secretText)
	kept.Keep = true
	say(must(t, w.do(t, kept), api.StateFailed), nil)
	say(w.Plan(t.Context(), set("vault.password=another-secret", "vault.name=n")))
	say(must(t, w.do(t, func() apply.Request { r := set("vault.name=x"); r.Keep = true; return r }()), api.StateFailed), nil)
	c, err := w.Plan(t.Context(), func() apply.Request {
		r := set()
		r.Edits.Unset = kept.Edits.Keys()
		return r
	}())
	say(c, err)
	say(w.Changes(0, 100))
	say(w.store.History("", 0, 100))
	for range 3 {
		say(<-events, nil)
	}
	if strings.Contains(out.String(), secretText) || strings.Contains(out.String(), "another-secret") {
		t.Error(out.String())
	}
	if !strings.Contains(out.String(), "I read (secret)") {
		t.Error("the output is missing")
	}
	if w.file("/etc/vault") != "p="+secretText+" n=x" {
		t.Errorf("vault %s", w.file("/etc/vault"))
	}
}

// Those that wait for their turn are journalled, whatever their size.
func TestLargeChangesDoNotWaitInNumbers(t *testing.T) {
	w := open(t, t.TempDir())
	release := make(chan struct{})
	w.commands.set(hanging(release))
	if _, err := w.Submit(t.Context(), set("a=first")); err != nil {
		t.Fatal(err)
	}
	var err error
	waiting := 0
	for ; err == nil && waiting < 64; waiting++ {
		r := set(fmt.Sprintf("b=%s%d", strings.Repeat("x", 2<<20), waiting))
		r.Keep = true
		_, err = w.Submit(t.Context(), r)
	}
	if code(err) != api.CodeUnavailable || !strings.Contains(err.Error(), "too large for one more") || waiting < 3 {
		t.Errorf("%d changes wait, then %v", waiting, err)
	}
	close(release)
	w.close(t)
}
