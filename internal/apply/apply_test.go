package apply_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
)

func TestSet(t *testing.T) {
	w := open(t, t.TempDir())
	c := must(t, w.do(t, set("a=a1")), api.StateDone)
	if diff := cmp.Diff(c.Keys, []string{"settings.demo.a"}); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"/etc/one": "a=a1", "/etc/shared": "a=a1 b=b0", "/etc/deep/er/two": "b=b0", "/etc/helper": "absent",
	} {
		if got := w.file(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	want := []string{
		": daemon-reload",
		"two: systemctl restart two [settings.demo.a]",
		"two: systemctl restart both [settings.demo.a]",
		"one: systemctl restart one [settings.demo.a]",
	}
	if diff := cmp.Diff(w.commands.take(), want); diff != "" {
		t.Errorf("commands (-got +want):\n%s", diff)
	}
	if again, err := w.Change(c.ID); err != nil || again.State != api.StateDone {
		t.Errorf("got %v, %v", again, err)
	}
}

func TestRestartFailureIsUndone(t *testing.T) {
	w := open(t, t.TempDir())
	must(t, w.do(t, set("a=a1")), api.StateDone)
	w.commands.take()
	w.commands.set(failing("systemctl restart one"))
	c := must(t, w.do(t, set("a=a2")), api.StateUndone)
	if c.Error == nil || c.Error.Code != api.CodeApplyFailed {
		t.Errorf("got error %+v", c.Error)
	}
	if w.setting("a") != "a1" || w.file("/etc/one") != "a=a1" || w.file("/etc/shared") != "a=a1 b=b0" {
		t.Errorf("a is %s, files %s, %s", w.setting("a"), w.file("/etc/one"), w.file("/etc/shared"))
	}
	t.Logf("%+v\n%q\n%q", c.Error, summaries(c), w.commands.take())
}

func TestRenderFailureIsRefused(t *testing.T) {
	w := open(t, t.TempDir())
	must(t, w.do(t, set("need=n1")), api.StateDone)
	_, err := w.Submit(t.Context(), unset("need"))
	must(t, w.do(t, unset("need")), api.StateDone) // the default shows again
	_ = err
	var e *api.Error
	if errors.As(err, &e) {
		t.Log(e)
	}
}
