package apply_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/key"
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
	stored, err := w.Change(c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stored, c); diff != "" {
		t.Errorf("stored change (-got +want):\n%s", diff)
	}
}

func TestModes(t *testing.T) {
	w := open(t, t.TempDir())
	must(t, w.do(t, set("a=a1")), api.StateDone)
	name := w.root.Join("/etc/deep/er/two")
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	c := must(t, w.do(t, set("b=b0")), api.StateDone)
	if got := planned(c, "two"); got.Action != api.FileAttributes || got.Mode != "0600" || got.Edited || !got.ModeEdited {
		t.Errorf("got %+v", got)
	}
	want := []string{"the mode of /etc/deep/er/two was changed by hand to 0644 since it was last written; it becomes 0600"}
	if diff := cmp.Diff(c.Plan.Warnings, want); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(w.root.Edited()); err == nil {
		t.Error("a copy was kept of a text that nobody edited")
	}
}

func planned(c *api.Change, name string) api.FileChange {
	for _, f := range c.Plan.Files {
		if f.Name == name {
			return f
		}
	}
	return api.FileChange{}
}

// Only what differs is written, and only services that read it are restarted.
func TestWritesOnlyWhatDiffers(t *testing.T) {
	w := open(t, t.TempDir())
	must(t, w.do(t, set("a=a1")), api.StateDone)
	w.commands.take()
	before := tree(t, w.root.Join("/etc"))
	c := must(t, w.do(t, set("a=a1", "b=b0")), api.StateDone)
	if diff := cmp.Diff(tree(t, w.root.Join("/etc")), before); diff != "" {
		t.Errorf("files (-got +want):\n%s", diff)
	}
	if got := w.commands.take(); got != nil {
		t.Errorf("commands: %q", got)
	}
	for _, f := range c.Plan.Files {
		if f.Action != api.FileUnchanged || f.Diff != "" {
			t.Errorf("%+v", f)
		}
	}
	must(t, w.do(t, set("b=b1")), api.StateDone)
	if got := w.file("/etc/one"); got != "a=a1" {
		t.Errorf("got %q", got)
	}
}

func TestWhoRestarts(t *testing.T) {
	w := open(t, t.TempDir())
	must(t, w.do(t, apply.Request{ApplyAll: true}), api.StateDone)
	for _, tc := range []struct {
		name string
		r    apply.Request
		want []string
	}{
		{"a program runs although no file changed, and so does what comes with it", set("c=c1"), []string{
			"helper: /usr/bin/helper [settings.demo.c]", "helper: systemctl restart both [settings.demo.c]",
		}},
		{"a setting that no template can see", set("vault.name="), []string{
			"vault: /usr/bin/vault [settings.vault.name]", "one: systemctl restart one [settings.vault.name]",
		}},
		{"a setting of no service", set("none=x"), nil},
		{"keys to apply", apply.Request{Apply: []key.Key{"settings.demo.a"}}, nil},
		{"everything", apply.Request{ApplyAll: true}, []string{
			"helper: /usr/bin/helper", "helper: systemctl restart both", "vault: /usr/bin/vault",
		}},
		{"a line that two services share", set("b=b2", "c=c2"), []string{
			": daemon-reload",
			"helper: /usr/bin/helper [settings.demo.c]",
			"helper: systemctl restart both [settings.demo.b settings.demo.c]",
			"two: systemctl restart two [settings.demo.b]",
			"one: systemctl restart one [settings.demo.b settings.demo.c]",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.commands.take()
			must(t, w.do(t, tc.r), api.StateDone)
			if diff := cmp.Diff(w.commands.take(), tc.want); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
		})
	}
}

func TestPlanTouchesNothing(t *testing.T) {
	w := open(t, t.TempDir())
	must(t, w.do(t, set("a=a1")), api.StateDone)
	w.commands.take()
	before := tree(t, string(w.root))
	plan, err := w.Plan(t.Context(), set("a=a2"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree(t, string(w.root)), before); diff != "" {
		t.Errorf("root (-after +before):\n%s", diff)
	}
	if got := w.commands.take(); got != nil || w.setting("a") != "a1" {
		t.Errorf("commands %q, a %s", got, w.setting("a"))
	}
	want := &api.Plan{
		Edits: []api.Edit{{Key: "settings.demo.a", Layer: "user", Before: json.RawMessage(`"a1"`), After: json.RawMessage(`"a2"`)}},
		Files: []api.FileChange{
			{Name: "one", Path: "/etc/one", Action: "update", Mode: "0644", Diff: "--- a/etc/one\n+++ b/etc/one\n@@ -1 +1 @@\n-a=a1\n+a=a2\n"},
			{Name: "shared", Path: "/etc/shared", Action: "update", Mode: "0644", Diff: "--- a/etc/shared\n+++ b/etc/shared\n@@ -1 +1 @@\n-a=a1 b=b0\n+a=a2 b=b0\n"},
			{Name: "two", Path: "/etc/deep/er/two", Action: "unchanged", Mode: "0600"},
			{Name: "unit", Path: "/etc/systemd/system/two.service.d/x.conf", Action: "unchanged", Mode: "0644"},
		},
		Restarts: []api.Restart{
			{Service: "two", Commands: []string{"systemctl restart two", "systemctl restart both"}, Because: []string{"settings.demo.a"}},
			{Service: "one", Commands: []string{"systemctl restart one"}, Because: []string{"settings.demo.a"}},
		},
	}
	if diff := cmp.Diff(plan, want); diff != "" {
		t.Errorf("plan (-got +want):\n%s", diff)
	}
}

func code(err error) api.Code {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e.Code
	}
	return ""
}

func broken() fstest.MapFS {
	files := maps.Clone(templates)
	files["need"] = text(front + "x={{settings.demo.c}}\n")
	return files
}

func TestRenderFailure(t *testing.T) {
	t.Run("refuses the change", func(t *testing.T) {
		w := open(t, t.TempDir(), withTemplates(broken()))
		before := tree(t, string(w.root))
		_, err := w.Submit(t.Context(), set("a=a1", "need=x"))
		var e *api.Error
		if !errors.As(err, &e) || e.Code != api.CodeRenderFailed || !strings.Contains(e.Message, "/usr/share/templates/need:4:") || e.Key != "settings.demo.c" {
			t.Errorf("got %#v", err)
		}
		if diff := cmp.Diff(tree(t, string(w.root)), before); diff != "" {
			t.Errorf("root (-after +before):\n%s", diff)
		}
		must(t, w.do(t, set("a=a1")), api.StateDone)
	})
	t.Run("fails a change that is kept, and writes nothing", func(t *testing.T) {
		w := open(t, t.TempDir(), withTemplates(broken()))
		r := set("a=a1", "need=x")
		r.Keep = true
		c := must(t, w.do(t, r), api.StateFailed)
		if c.Error.Code != api.CodeRenderFailed || w.setting("a") != "a1" || w.file("/etc/one") != "absent" {
			t.Errorf("error %+v, a %s, one %s", c.Error, w.setting("a"), w.file("/etc/one"))
		}
		if got := w.commands.take(); got != nil {
			t.Errorf("commands %q", got)
		}
	})
	t.Run("is left out when everything is applied", func(t *testing.T) {
		w := open(t, t.TempDir(), withTemplates(broken()))
		c := must(t, w.do(t, apply.Request{ApplyAll: true, Keep: true}), api.StateDone)
		if c.Tasks[0].Kind != "render" || c.Tasks[0].State != api.TaskFailed || len(c.Plan.Warnings) != 1 {
			t.Errorf("tasks %+v, warnings %q", c.Tasks, c.Plan.Warnings)
		}
		if w.file("/etc/one") != "a=a0" || w.file("/etc/need") != "absent" {
			t.Errorf("one %s, need %s", w.file("/etc/one"), w.file("/etc/need"))
		}
	})
}

func TestRefused(t *testing.T) {
	w := open(t, t.TempDir())
	try := func(r apply.Request) apply.Request { r.Try = time.Minute; return r }
	keep := try(set("a=1"))
	keep.Keep = true
	only := set("a=1")
	only.CommitOnly, only.ApplyAll = true, true
	for name, tc := range map[string]struct {
		r    apply.Request
		want api.Code
	}{
		"empty":                       {apply.Request{}, api.CodeInvalid},
		"nothing pending":             {apply.Request{Transaction: "x"}, api.CodeNothingPending},
		"nothing pending, all":        {apply.Request{Transaction: "x", ApplyAll: true}, api.CodeNothingPending},
		"nothing to commit":           {apply.Request{CommitOnly: true}, api.CodeNothingPending},
		"commit only, and apply":      {only, api.CodeInvalid},
		"try and keep":                {keep, api.CodeInvalid},
		"try for too long":            {apply.Request{Try: 24 * 365 * time.Hour}, api.CodeInvalid},
		"try for less than no time":   {apply.Request{Try: -1}, api.CodeInvalid},
		"a layer that is not written": {func() apply.Request { r := set("a=1"); r.Edits.Layer = "default"; return r }(), api.CodeInvalid},
	} {
		if _, err := w.Submit(t.Context(), tc.r); code(err) != tc.want {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
	for _, err := range []error{
		failure(w.Change(77)), failure(w.Wait(t.Context(), 77)), failure(w.Undo(t.Context(), 77, api.Caller{})), failure(w.Confirm(t.Context(), 77, api.Caller{})),
	} {
		if code(err) != api.CodeNotFound {
			t.Errorf("got %v", err)
		}
	}
}

func failure[T any](_ T, err error) error { return err }

func TestCommitOnly(t *testing.T) {
	w := open(t, t.TempDir())
	r := set("a=a1")
	r.CommitOnly = true
	c := must(t, w.do(t, r), api.StateDone)
	if w.setting("a") != "a1" || w.file("/etc/one") != "absent" || len(c.Plan.Edits) != 1 {
		t.Errorf("a %s, one %s, %+v", w.setting("a"), w.file("/etc/one"), c.Plan)
	}
	must(t, w.do(t, apply.Request{Apply: []key.Key{"settings.demo.a"}}), api.StateDone)
	if w.file("/etc/one") != "a=a1" {
		t.Errorf("one %s", w.file("/etc/one"))
	}
}

// What an image brings is there again after each boot, and nobody edited that.
func TestBroughtByTheImage(t *testing.T) {
	w := open(t, t.TempDir())
	image := func(text string) {
		if err := os.WriteFile(w.root.Join("/etc/one"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(w.root.Join("/etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	image("of the image\n")
	must(t, w.do(t, set("a=a1")), api.StateDone)
	for i, tt := range []struct {
		text   string
		edited bool
	}{
		{"of the image\n", false},
		{"of the next image\n", true}, // who knows
		{"of the next image\n", false},
	} {
		image(tt.text)
		c := must(t, w.do(t, apply.Request{ApplyAll: true}), api.StateDone)
		if f := planned(c, "one"); f.Edited != tt.edited || f.Action != api.FileUpdate {
			t.Errorf("boot %d: %+v", i, f)
		}
	}
}

func TestEditedByHand(t *testing.T) {
	w := open(t, t.TempDir())
	must(t, w.do(t, set("a=a1")), api.StateDone)
	if err := os.WriteFile(w.root.Join("/etc/one"), []byte("by hand\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := must(t, w.do(t, set("a=a2")), api.StateDone)
	if f := planned(c, "one"); !f.Edited || f.Action != api.FileUpdate {
		t.Errorf("got %+v", f)
	}
	if f := planned(c, "shared"); f.Edited {
		t.Errorf("got %+v", f)
	}
	want := []string{"/etc/one was edited by hand since it was last written; a copy of it goes to /var/lib/hostler/edited"}
	if diff := cmp.Diff(c.Plan.Warnings, want); diff != "" {
		t.Error(diff)
	}
	data, err := os.ReadFile(filepath.Join(w.root.Edited(), strconv.FormatUint(c.ID, 10), "etc/one"))
	if err != nil || string(data) != "by hand\n" {
		t.Errorf("got %q, %v", data, err)
	}
	if c := must(t, w.do(t, set("a=a3")), api.StateDone); planned(c, "one").Edited {
		t.Error("still edited")
	}
	w.wantFewCopies(t)
	if err := os.Remove(w.root.Join("/etc/one")); err != nil {
		t.Fatal(err)
	}
	if c := must(t, w.do(t, set("a=a4")), api.StateDone); planned(c, "one").Edited || planned(c, "one").Action != api.FileCreate {
		t.Errorf("got %+v", planned(c, "one"))
	}
}

func TestLinksStay(t *testing.T) {
	w := open(t, t.TempDir())
	etc := w.root.Join("/etc")
	if err := os.MkdirAll(w.root.Join("/run/real"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink("/run/real/one", filepath.Join(etc, "one")), os.Symlink("shared", filepath.Join(etc, "shared.link"))); err != nil {
		t.Fatal(err)
	}
	must(t, w.do(t, set("a=a1")), api.StateDone)
	if got := w.file("/run/real/one"); got != "a=a1" {
		t.Errorf("got %q", got)
	}
	if target, err := os.Readlink(filepath.Join(etc, "one")); err != nil || target != "/run/real/one" {
		t.Errorf("got %q, %v", target, err)
	}
	if err := os.Remove(filepath.Join(etc, "shared")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("shared", filepath.Join(etc, "shared")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Submit(t.Context(), set("a=a2")); code(err) != api.CodeApplyFailed || !strings.Contains(err.Error(), "symbolic links") {
		t.Errorf("got %v", err)
	}
}

func TestNotAFile(t *testing.T) {
	w := open(t, t.TempDir())
	if err := os.MkdirAll(w.root.Join("/etc/one"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Submit(t.Context(), set("a=a1")); code(err) != api.CodeApplyFailed || !strings.Contains(err.Error(), "/etc/one is not a regular file") {
		t.Errorf("got %v", err)
	}
}

func TestHugeFormerFile(t *testing.T) {
	w := open(t, t.TempDir())
	if err := os.MkdirAll(w.root.Join("/etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.root.Join("/etc/one"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int64]api.Code{5 << 20: "", 9 << 20: api.CodeTooLarge} {
		if err := os.Truncate(w.root.Join("/etc/one"), size); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Plan(t.Context(), set("a=a1")); code(err) != want {
			t.Errorf("%d bytes: got %v, want %q", size, err, want)
		}
	}
}

// A new template is used without a restart of the server.
func TestTemplateChanges(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "usr/share/templates/need")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	w := open(t, dir, withTemplates(nil))
	for _, word := range []string{"first", "other"} {
		if err := os.WriteFile(name, []byte(front+word+"={{settings.demo.need}}"), 0o644); err != nil {
			t.Fatal(err)
		}
		must(t, w.do(t, set("need=x")), api.StateDone)
		if got := w.file("/etc/need"); got != word+"=x" {
			t.Errorf("got %q", got)
		}
		time.Sleep(20 * time.Millisecond) // so that the template's time differs
	}
}

// What lies in the way of one file keeps no other from being written when
// everything is applied, as it is at boot.
func TestOneObstacle(t *testing.T) {
	w := open(t, t.TempDir())
	if err := os.MkdirAll(w.root.Join("/etc/one"), 0o755); err != nil {
		t.Fatal(err)
	}
	all := set("a=a1")
	all.ApplyAll, all.Keep = true, true
	c := must(t, w.do(t, all), api.StateDone)
	if w.file("/etc/shared") != "a=a1 b=b0" || !strings.Contains(strings.Join(c.Plan.Warnings, "\n"), "/etc/one is not a regular file") {
		t.Errorf("shared %s, warnings %q", w.file("/etc/shared"), c.Plan.Warnings)
	}
	kept := set("a=a2")
	kept.Keep = true
	c = must(t, w.do(t, kept), api.StateFailed)
	if w.setting("a") != "a2" || !strings.Contains(c.Error.Message, "/etc/one is not a regular file") {
		t.Errorf("a %s, %+v", w.setting("a"), c.Error)
	}
}

// A trial ends in its time, whatever lies in the way of its file.
func TestTryExpiresDespiteAnObstacle(t *testing.T) {
	w := open(t, t.TempDir())
	r := set("a=a1")
	r.Try = 50 * time.Millisecond
	c := must(t, w.do(t, r), api.StateTrying)
	if err := os.Remove(w.root.Join("/etc/one")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(w.root.Join("/etc/one"), 0o755); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); w.state(t, c.ID) != api.StateUndone; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is still being tried")
		}
	}
	if w.setting("a") != "a0" || w.file("/etc/shared") != "a=a0 b=b0" {
		t.Errorf("a %s, shared %s", w.setting("a"), w.file("/etc/shared"))
	}
}

// A template that is a pipe, in which nobody writes, does not hold everybody up.
func TestTemplateIsAPipe(t *testing.T) {
	folder := t.TempDir()
	if err := os.CopyFS(folder, templates); err != nil {
		t.Fatal(err)
	}
	w := open(t, t.TempDir(), withTemplates(os.DirFS(folder)))
	if err := os.Remove(filepath.Join(folder, "one")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Submit(t.Context(), set("a=a1")); code(err) != api.CodeRenderFailed || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("got %v", err)
	}
}

// No configuration file takes the place of the datastore, whatever links say.
func TestOwnFolderIsSafe(t *testing.T) {
	w := open(t, t.TempDir())
	if err := os.MkdirAll(w.root.Join("/etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/var/lib/hostler/datastore.db", w.root.Join("/etc/one")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Submit(t.Context(), set("a=a1")); code(err) != api.CodeApplyFailed || !strings.Contains(err.Error(), "own folder") {
		t.Errorf("got %v", err)
	}
}

// wantFewCopies leaves many copies of older changes and expects the next one to make room.
func (w *world) wantFewCopies(t *testing.T) {
	t.Helper()
	for id := 1000; id < 1200; id++ {
		if err := os.MkdirAll(filepath.Join(w.root.Edited(), strconv.Itoa(id), "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(w.root.Join("/etc/one"), []byte("by hand again\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, w.do(t, set("a=a5")), api.StateDone)
	entries, err := os.ReadDir(w.root.Edited())
	if err != nil || len(entries) > 100 {
		t.Errorf("%d folders of copies are kept, %v", len(entries), err)
	}
}
