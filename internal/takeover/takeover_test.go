package takeover_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/durable/durabletest"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/refstore"
	"github.com/hostler-os/hostler/internal/refstore/refstoretest"
	"github.com/hostler-os/hostler/internal/takeover"
)

func awsDev(t testing.TB) *model.Model {
	t.Helper()
	m, err := model.Load(hostler.Assets, "aws-dev")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// small is a datastore of the reference that the model takes whole.
func small(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	value := func(k key.Key, text string) key.Pair { return key.Pair{Key: k, Value: []byte(text)} }
	err := refstore.Write(durable.OS{}, dir, &refstore.Store{
		Version: "1.26.1",
		Live: refstore.Part{
			Data: []key.Pair{
				value("os.arch", `"x86_64"`), value("services.ntp.restart-commands", `[]`),
				value("settings.motd", `"hi & <you>"`), value("settings.network.hostname", `"ip-1"`),
				value("settings.updates.ignore-waves", "false"), value("settings.updates.seed", "42"),
				value("settings.metrics.send-metrics", "true"),
			},
			Metadata: []refstore.Metadata{
				{Key: "settings.network.hostname", Name: "setting-generator", Value: []byte(`"netdog generate-hostname"`)},
				{Key: "settings.metrics.send-metrics", Name: "strength", Value: []byte(`"weak"`)},
			},
		},
		Pending: map[string]refstore.Part{"t": {Data: []key.Pair{value("settings.motd", `"later"`)}}, "none": {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func options(t testing.TB) takeover.Options { return takeover.Options{Model: awsDev(t)} }

func open(t testing.TB, path string, m *model.Model) *datastore.Store {
	t.Helper()
	s, err := datastore.Open(path, datastore.Options{Defaults: m.Defaults(), Valid: m.Check, CopyAfter: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestImport(t *testing.T) {
	o := options(t)
	path := filepath.Join(t.TempDir(), "state", "datastore.db")
	report, err := takeover.Import(t.Context(), small(t), path, o)
	if err != nil {
		t.Fatal(err)
	}
	want := &takeover.Report{
		Version: "1.26.1", User: []key.Key{"settings.motd", "settings.updates.seed"},
		Generated: []key.Key{"settings.network.hostname"}, Weak: []key.Key{"settings.metrics.send-metrics"},
		Defaults: []key.Key{"settings.updates.ignore-waves"}, Dropped: []string{"none", "t"}, Left: 2,
	}
	if diff := cmp.Diff(report, want); diff != "" {
		t.Errorf("report (-got +want):\n%s", diff)
	}
	s := open(t, path, o.Model)
	if v, _ := s.Snapshot().Get("settings.motd"); string(v.Value) != `"hi & <you>"` || v.Layer != api.LayerUser {
		t.Errorf("motd: %+v", v)
	}
	origin, _ := s.Snapshot().Origin("settings.network.hostname")
	if origin.Layer != api.LayerGenerated || origin.Transaction != "import" || origin.Caller.Program != "migrator" || origin.Time.IsZero() {
		t.Errorf("origin of hostname: %+v", origin)
	}
	if v, _ := s.Snapshot().Get("settings.updates.ignore-waves"); v.Layer != api.LayerDefault {
		t.Errorf("ignore-waves is of layer %s", v.Layer)
	}
	if g := s.Release().Generators; len(g) != 1 || string(g["settings.network.hostname"]) != `"netdog generate-hostname"` {
		t.Errorf("generators: %s", g)
	}
	if v := s.Release().Version; v != "1.26.1" {
		t.Errorf("the settings are of version %q", v)
	}
	history, err := s.History("settings.motd", 0, 9)
	if err != nil || len(history) != 1 || history[0].Reason != "import of the datastore of version 1.26.1" {
		t.Errorf("history: %+v, %v", history, err)
	}
	if len(s.PendingNames()) != 0 {
		t.Errorf("pending: %q", s.PendingNames())
	}
}

func TestImportOfPending(t *testing.T) {
	o := options(t)
	o.BootID, o.Version = "boot", "2.0.0"
	path := filepath.Join(t.TempDir(), "datastore.db")
	report, err := takeover.Import(t.Context(), small(t), path, o)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, path, o.Model)
	if p := s.Pending("t"); len(p) != 1 || string(p[0].Value) != `"later"` || s.Release().Version != "2.0.0" || !slices.Equal(report.Pending, []string{"t"}) {
		t.Errorf("pending %v, version %s, report %+v", p, s.Release().Version, report)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	o := options(t)
	o.DryRun = true
	dir := t.TempDir()
	if report, err := takeover.Import(t.Context(), small(t), filepath.Join(dir, "datastore.db"), o); err != nil || len(report.User) != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	if left, err := os.ReadDir(dir); len(left) != 0 || err != nil {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "datastore.db")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := takeover.Import(t.Context(), small(t), path, options(t))
	if e := api.AsError(err); e.Code != api.CodeConflict {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "mine" || err != nil {
		t.Errorf("now it is %q, %v", text, err)
	}
}

// The recorded host has settings that aws-dev does not know. Strictly nothing
// is imported and all of them are named; leniently they are kept, without
// effect, and are there again when the host goes back.
func TestRecordedHost(t *testing.T) {
	from, o := refstoretest.Unpack(t, "../.."), options(t)
	path := filepath.Join(t.TempDir(), "datastore.db")
	_, err := takeover.Import(t.Context(), from, path, o)
	refused, ok := errors.AsType[*takeover.RefusedError](err)
	if !ok || len(refused.Refused) < 20 {
		t.Fatalf("strictly: %v", err)
	}
	for _, r := range refused.Refused {
		if !strings.Contains(err.Error(), r.Message) || strings.Contains(r.Message, " line ") || !unknownHere(r.Key) {
			t.Errorf("refused: %+v", r)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("strictly something was written: %v", err)
	}

	o.Lenient = true
	if _, err := takeover.Import(t.Context(), from, path, o); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, o.Model)
	if got := len(s.Unfit()); got != len(refused.Refused) {
		t.Errorf("%d values have no effect, want %d", got, len(refused.Refused))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkBack(t, from, path, o)
}

// A setting that must not be without others is taken over beside them: each has
// a key of its own.
func TestRecordedHostOfItsVariant(t *testing.T) {
	o := options(t)
	m, err := model.Load(hostler.Assets, "aws-k8s")
	if err != nil {
		t.Fatal(err)
	}
	o.Model = m
	path := filepath.Join(t.TempDir(), "datastore.db")
	if _, err := takeover.Import(t.Context(), refstoretest.Unpack(t, "../.."), path, o); err != nil {
		t.Fatal(err)
	}
	if unfit := open(t, path, m).Unfit(); len(unfit) > 0 {
		t.Errorf("without effect: %+v", unfit)
	}
}

func unknownHere(k string) bool {
	return slices.ContainsFunc([]string{"kubernetes", "oci-defaults", "oci-hooks", "cloudformation", "autoscaling"}, func(group string) bool {
		return strings.HasPrefix(k, "settings."+group+".")
	})
}

// checkBack exports and expects every setting to be what it was.
func checkBack(t *testing.T, from, path string, o takeover.Options) {
	t.Helper()
	to := t.TempDir()
	if _, err := takeover.Export(t.Context(), path, to, o); err != nil {
		t.Fatal(err)
	}
	before, err := refstore.Read(from)
	if err != nil {
		t.Fatal(err)
	}
	after, err := refstore.Read(to)
	if err != nil {
		t.Fatal(err)
	}
	if after.Version != before.Version {
		t.Errorf("version %s, was %s", after.Version, before.Version)
	}
	for _, p := range before.Live.Data {
		if !p.Key.Within("settings") {
			continue
		}
		now, _ := after.Live.Value(p.Key)
		if !sameJSON(t, now, p.Value) {
			t.Errorf("%s is %s, was %s", p.Key, now, p.Value)
		}
	}
}

func sameJSON(t *testing.T, a, b json.RawMessage) bool {
	t.Helper()
	var x, y any
	if a == nil || json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return cmp.Equal(x, y)
}

// What the reference wants to find beside settings.
func TestExport(t *testing.T) {
	o := options(t)
	path := filepath.Join(t.TempDir(), "datastore.db")
	if _, err := takeover.Import(t.Context(), small(t), path, o); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "datastore")
	o.DryRun = true
	if _, err := takeover.Export(t.Context(), path, to, o); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the dry run wrote: %v", err)
	}
	o.DryRun = false
	if _, err := takeover.Export(t.Context(), path, to, o); err != nil {
		t.Fatal(err)
	}
	s, err := refstore.Read(filepath.Join(to, "current"))
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[key.Key]string{
		"settings.motd":                        `"hi & <you>"`,
		"settings.updates.ignore-waves":        `false`,
		"services.motd.configuration-files":    `["motd"]`,
		"configuration-files.motd.path":        `"/etc/motd"`,
		"configuration-files.updog-toml.owner": ``,
	} {
		if got, _ := s.Live.Value(k); string(got) != want {
			t.Errorf("%s is %s, want %s", k, got, want)
		}
	}
	found := map[string]string{}
	for _, m := range s.Live.Metadata {
		found[string(m.Key)+" "+m.Name] = string(m.Value)
	}
	if found["settings.motd affected-services"] != `["motd"]` || !strings.HasPrefix(found["settings.network.hostname setting-generator"], `"`) {
		t.Errorf("metadata: %v", found)
	}
}

// First does its work once, and only where there was nothing of ours before.
func TestFirst(t *testing.T) {
	m := func() (*model.Model, error) { return awsDev(t), nil }
	root := paths.Root(t.TempDir())
	if report, err := takeover.First(t.Context(), root, m, takeover.Options{}); report != nil || err != nil {
		t.Errorf("without the reference: %+v, %v", report, err)
	}
	if err := os.CopyFS(root.ReferenceDatastore(), os.DirFS(small(t))); err != nil {
		t.Fatal(err)
	}
	report, err := takeover.First(t.Context(), root, m, takeover.Options{})
	if err != nil || report == nil || len(report.User) != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	if report, err := takeover.First(t.Context(), root, m, takeover.Options{}); report != nil || err != nil {
		t.Errorf("a second time: %+v, %v", report, err)
	}
	if err := os.Rename(root.Datastore(), root.Datastore()+".copy"); err != nil {
		t.Fatal(err)
	}
	if report, err := takeover.First(t.Context(), root, m, takeover.Options{}); report != nil || err != nil {
		t.Errorf("after ours was lost: %+v, %v", report, err)
	}
}

// Whatever the power's end leaves, it is nothing, or all.
func TestCrashes(t *testing.T) {
	from, o := small(t), options(t)
	dir := t.TempDir()
	recorder, err := durabletest.NewRecorder(durable.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	o.FS = recorder
	if _, err := takeover.Import(t.Context(), from, filepath.Join(dir, "datastore.db"), o); err != nil {
		t.Fatal(err)
	}
	recorder.Mark("imported")
	err = recorder.Log().Crashes(func(c durabletest.Crash) error {
		at := t.TempDir()
		if err := c.Tree.Write(at); err != nil {
			return err
		}
		path := filepath.Join(at, "datastore.db")
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && len(c.Marks) == 0 {
			return nil
		}
		d, err := datastore.ReadDraft(context.Background(), path, datastore.Options{})
		if err != nil {
			return err
		}
		defer d.Close()
		if d.Release().Version != "1.26.1" || d.Snapshot().Len() != 3 {
			t.Errorf("%s: %d settings of version %q", c, d.Snapshot().Len(), d.Release().Version)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
