package migrate_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/durable/durabletest"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/internal/model"
)

func theModel(t *testing.T) *model.Model {
	t.Helper()
	m, err := model.Load(hostler.Assets, "metal-dev")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// host is one of version 1.0.0 that greets with "hi", and has got release 1.1.0
// with these migrations.
func host(t *testing.T, kinds ...string) *migratetest.World {
	t.Helper()
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", kinds...)
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	return w
}

// search changes a setting that no migration touches.
func search(w *migratetest.World) {
	w.Edit(func(tx *datastore.Tx) error {
		return tx.Edit(datastore.Edits{Layer: api.LayerUser, Set: []key.Pair{{Key: "settings.dns.search-list", Value: []byte(`["x"]`)}}})
	})
}

func options(t *testing.T, w *migratetest.World, to string) migrate.Options {
	return migrate.Options{Datastore: w.Root.Datastore(), Cache: w.Cache(), To: w.Version(to), Model: theModel(t)}
}

// run brings a world to a version, which must work.
func run(t *testing.T, w *migratetest.World, to string) *api.Migration {
	t.Helper()
	report, err := migrate.Run(t.Context(), options(t, w, to))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func expect(t *testing.T, w *migratetest.World, version, settings string) {
	t.Helper()
	gotVersion, got := w.Settings()
	if gotVersion != version || got != settings {
		t.Errorf("got %s %s, want %s %s", gotVersion, got, version, settings)
	}
}

func TestForwardAndBack(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "motd", "noop")
	w.Step("1.1.0", "1.2.0", "motd-again", "talk")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": "hi", "ntp.time-servers": []string{"a.example.com"}})

	report := run(t, w, "1.2.0")
	expect(t, w, "1.2.0", `{"motd":"hi++","ntp":{"time-servers":["a.example.com"]}}`)
	if !report.OK() || report.Way != api.WayForward || len(report.Steps) != 4 || !strings.Contains(report.Steps[3].Message, "hello") {
		t.Errorf("got %+v", report)
	}
	want := []api.Edit{{Key: "settings.motd", Layer: api.LayerUser, Before: []byte(`"hi"`), After: []byte(`"hi++"`)}}
	if diff := cmp.Diff(report.Diff, want); diff != "" {
		t.Error(diff)
	}
	// A change keeps the file of before from being enough.
	search(w)
	if report := run(t, w, "1.0.0"); report.Way != api.WayBackward {
		t.Errorf("went %s", report.Way)
	}
	expect(t, w, "1.0.0", `{"dns":{"search-list":["x"]},"motd":"hi","ntp":{"time-servers":["a.example.com"]}}`)
}

func TestSameVersion(t *testing.T) {
	w := migratetest.New(t)
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	// There is no cache, and no root of trust: nothing is looked at.
	if err := os.Remove(w.Root.TrustedRoot()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(w.Root.Datastore())
	if err != nil {
		t.Fatal(err)
	}
	if report := run(t, w, "1.0.0"); report != nil {
		t.Errorf("got %+v", report)
	}
	after, err := os.ReadFile(w.Root.Datastore())
	if err != nil || string(before) != string(after) {
		t.Errorf("the datastore was touched: %v", err)
	}
}

func TestNothingToMigrate(t *testing.T) {
	w := migratetest.New(t)
	if report := run(t, w, "1.1.0"); report != nil {
		t.Errorf("without a datastore: %+v", report)
	}
	w.Store("", map[string]any{"motd": "hi"})
	if report := run(t, w, "1.1.0"); report != nil {
		t.Errorf("without a version: %+v", report)
	}
}

// Versions without migrations between them only get the new name.
func TestEmptyChain(t *testing.T) {
	w := host(t)
	run(t, w, "1.1.0")
	expect(t, w, "1.1.0", `{"motd":"hi"}`)
}

func TestHistoryAndLayersAreCarriedOver(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "rename")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"dns.search-list": []string{"x"}})
	w.Edit(func(tx *datastore.Tx) error {
		pairs := []key.Pair{{Key: "settings.old", Value: []byte(`"low"`)}}
		return errors.Join(
			tx.Edit(datastore.Edits{Layer: api.LayerGenerated, Set: pairs}),
			tx.Edit(datastore.Edits{Layer: api.LayerUserData, Set: []key.Pair{{Key: "settings.old", Value: []byte(`"high"`)}}}),
			tx.SetPending("t", pairs))
	})
	run(t, w, "1.1.0")
	s := w.Open()
	defer s.Close()
	var got []string
	for _, layer := range []api.Layer{api.LayerGenerated, api.LayerUserData, api.LayerUser} {
		for _, k := range s.Snapshot().InLayer(layer, "") {
			value, _ := s.Snapshot().ValueIn(layer, k)
			got = append(got, fmt.Sprintf("%s %s %s", layer, k, value))
		}
	}
	want := []string{`generated settings.motd "low"`, `user-data settings.motd "high"`, `user settings.dns.search-list ["x"]`}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	entries, err := s.History("", 0, 10)
	if err != nil || len(entries) != 3 || entries[0].Reason != "migration from 1.0.0 to 1.1.0" {
		t.Errorf("history: %+v, %v", entries, err)
	}
	if origin, _ := s.Snapshot().Origin("settings.dns.search-list"); origin.Caller == nil || origin.Caller.Program != "test" {
		t.Errorf("origin: %+v", origin)
	}
	if names := s.PendingNames(); len(names) > 0 {
		t.Errorf("pending: %v", names)
	}
}

func TestFailures(t *testing.T) {
	tests := []struct{ kind, want string }{
		{"fail", "Migration returned '1' - stderr: migrate_v1.1.0_fail.lz4: migrate live forward: it cannot be done"},
		{"hang", "run migration migrate_v1.1.0_hang.lz4: limit exceeded: migrate_v1.1.0_hang.lz4 ran longer than 300ms"},
		{"garbage", "migration migrate_v1.1.0_garbage.lz4 answered what is no document: read document:"},
		{"break", "after the migration, the model of 1.1.0 refuses 1 value; settings.ntp.time-servers: "},
	}
	for _, test := range tests {
		t.Run(test.kind, func(t *testing.T) {
			w := host(t, "motd", test.kind, "motd-2")
			o := options(t, w, "1.1.0")
			if test.kind == "hang" {
				o.Limits.Time = 300 * time.Millisecond
			}
			report, err := migrate.Run(t.Context(), o)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
			if report == nil || report.OK() || report.Error == nil || report.Error.Message != err.Error() {
				t.Errorf("report: %+v", report)
			}
			for _, step := range report.Steps {
				if (step.Error != "") != (strings.Contains(step.Name, test.kind) && test.kind != "break") {
					t.Errorf("the fault of %s: %s", step.Name, step.Error)
				}
			}
			expect(t, w, "1.0.0", `{"motd":"hi"}`)
		})
	}
}

// An answer that begins well is judged while the next migration works on it. If it
// is bad, that one ends at once, and what came of it is nobody's fault but the answer's.
func TestBadAnswerEndsTheNext(t *testing.T) {
	for kind, want := range map[string]string{
		"cut":    "migration migrate_v1.1.0_cut.lz4 answered what is no document: read document: it ends too early",
		"astray": "migration migrate_v1.1.0_astray.lz4 answered for the way from 1.0.0 to 9.9.9",
	} {
		w := host(t, "motd", kind, "hang")
		report, err := migrate.Run(t.Context(), options(t, w, "1.1.0"))
		if err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
		if len(report.Steps) != 2 || report.Steps[1].Error != want {
			t.Errorf("%s: %+v", kind, report.Steps)
		}
		expect(t, w, "1.0.0", `{"motd":"hi"}`)
	}
}

// What an answer says of the image is dropped, wherever in the chain it comes.
func TestAnswersWithOS(t *testing.T) {
	w := host(t, "motd", "echo", "echo-2", "motd-3")
	o := options(t, w, "1.1.0")
	o.OS.VersionID = "1.1.0"
	if _, err := migrate.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	expect(t, w, "1.1.0", `{"motd":"hi++"}`)
}

func TestForeignKeysAreLeftOut(t *testing.T) {
	w := host(t, "foreign")
	run(t, w, "1.1.0")
	expect(t, w, "1.1.0", `{"motd":"hi"}`)
}

func TestEveryViolationIsListed(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "noop")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": 1, "gone": true, "ntp.time-servers": "x"})
	o := options(t, w, "1.1.0")
	report, err := migrate.Run(t.Context(), o)
	if err == nil || len(report.Violations) != 3 {
		t.Fatalf("got %v, %+v", err, report)
	}
	expect(t, w, "1.0.0", `{"gone":true,"motd":1,"ntp":{"time-servers":"x"}}`)

	// A rehearsal that somebody overruled lets them be.
	o.Accept = migrate.Accepts(report, true)
	if _, err := migrate.Run(t.Context(), o); err != nil {
		t.Error(err)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	w := migratetest.New(t)
	w.Step("1.0.0", "1.1.0", "rename")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"old": "hush"}) // nobody knows any more whether it was secret
	report := run(t, w, "1.1.0")
	if text := string(report.Diff[1].Before); report.Diff[1].Key != "settings.old" || strings.Contains(text, "hush") {
		t.Errorf("got %+v", report.Diff)
	}
	s := w.Open()
	defer s.Close()
	entries, err := s.History("settings.old", 0, 1)
	if err != nil || strings.Contains(string(entries[0].Edits[0].Before), "hush") {
		t.Errorf("got %+v, %v", entries, err)
	}
}

func TestGap(t *testing.T) {
	w := host(t, "motd")
	_, err := migrate.Run(t.Context(), options(t, w, "1.3.0"))
	const want = "Error finding migration: Reached end of migration chain at 1.1.0 but target is 1.3.0"
	if err == nil || err.Error() != want || !strings.Contains(api.AsError(err).Hint, "add a step from 1.1.0") {
		t.Errorf("got %v", err)
	}
}

func TestKeptFiles(t *testing.T) {
	w := migratetest.New(t)
	versions := []string{"1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"}
	for i := range len(versions) - 1 {
		w.Step(versions[i], versions[i+1], "oneway")
	}
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	for _, v := range versions[1:] {
		run(t, w, v)
	}
	expect(t, w, "1.4.0", `{"motd":"hi++++"}`)
	if diff := cmp.Diff(kept(t, w), []string{"1.2.0", "1.3.0"}); diff != "" {
		t.Error(diff)
	}
	// Nothing has changed: the file of before is as good as any way back.
	if report := run(t, w, "1.3.0"); report.Way != api.WayKept || len(report.Steps) > 0 {
		t.Errorf("got %+v", report)
	}
	expect(t, w, "1.3.0", `{"motd":"hi+++"}`)
	run(t, w, "1.4.0")
	expect(t, w, "1.4.0", `{"motd":"hi++++"}`)

	search(w)
	o := options(t, w, "1.3.0")
	_, err := migrate.Run(t.Context(), o)
	const hint = "migrator run --use-kept takes the settings that 1.3.0 had left; it loses 1 setting changed since: settings.dns.search-list"
	if err == nil || api.AsError(err).Hint != hint {
		t.Errorf("got %v, %+v", err, api.AsError(err))
	}
	o.UseKept = true
	report, err := migrate.Run(t.Context(), o)
	if err != nil || report.Way != api.WayKept || !slices.Contains(report.Warnings, "lost: 1 setting changed since: settings.dns.search-list") {
		t.Errorf("got %+v, %v", report, err)
	}
	expect(t, w, "1.3.0", `{"motd":"hi+++"}`)
}

// kept lists the versions whose datastores lie beside the present one.
func kept(t *testing.T, w *migratetest.World) []string {
	t.Helper()
	files, err := filepath.Glob(w.Root.Datastore() + ".v*")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = strings.TrimPrefix(files[i], w.Root.Datastore()+".v")
	}
	return files
}

func TestHeld(t *testing.T) {
	w := migratetest.New(t)
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	s := w.Open()
	defer s.Close()
	if _, err := migrate.Run(t.Context(), options(t, w, "1.1.0")); !errors.Is(err, datastore.ErrHeld) {
		t.Errorf("got %v", err)
	}
}

// Whenever the power goes, the datastore is that of the one version or that of
// the other, whole; and the next boot goes on from there, to either.
func TestPowerLoss(t *testing.T) {
	w := host(t, "motd")
	folder := filepath.Dir(w.Root.Datastore())
	recorder, err := durabletest.NewRecorder(durable.OS{}, folder)
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, w, "1.1.0")
	o.FS = recorder
	if _, err := migrate.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	recorder.Mark("done")
	seen := map[string]int{}
	log := recorder.Log()
	check := func(c durabletest.Crash) error { return afterCrash(w, c, seen) }
	if err := log.Crashes(check); err != nil || len(seen) != 2 {
		t.Errorf("%v; saw %v", err, seen)
	}
	t.Logf("states after crashes: %v", seen)
	// Names in one folder reach the disk in their order, as file systems with a
	// journal do it: of the syncs of the folder only the last can be missed.
	last := -1
	for i, op := range log.Ops {
		if op.Kind == durabletest.SyncDir {
			last = i
		}
	}
	for i, op := range log.Ops {
		if !op.Syncs() || op.Kind == durabletest.SyncDir && i != last {
			continue
		}
		if err := log.Without(i).Crashes(check); err == nil {
			t.Errorf("nobody noticed that %s of %s (operation %d) was missing", op.Kind, op.Path, i)
		}
	}
}

// afterCrash lays out what a crash left and looks whether it is one of the two
// versions, and the newer one only with the older one beside it.
func afterCrash(w *migratetest.World, c durabletest.Crash, seen map[string]int) error {
	const before, after = `1.0.0 {"motd":"hi"}`, `1.1.0 {"motd":"hi+"}`
	folder := filepath.Dir(w.Root.Datastore())
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(folder, 0o700), c.Tree.Write(folder)); err != nil {
		return err
	}
	s, err := datastore.Open(w.Root.Datastore(), datastore.Options{CopyAfter: -1})
	if err != nil {
		return err
	}
	got := s.Release().Version + " " + string(s.Snapshot().JSON())
	recovered := s.Recovered()
	if err := s.Close(); err != nil {
		return err
	}
	seen[got]++
	if got != before && got != after || recovered != nil {
		return fmt.Errorf("%v: got %s, %+v", c, got, recovered)
	}
	if len(c.Marks) > 0 && got != after {
		return fmt.Errorf("%v: reported done, but %s", c, got)
	}
	if _, err := os.Stat(w.Root.Datastore() + ".v1.0.0"); got == after && err != nil {
		return fmt.Errorf("%v: the older version is not kept: %w", c, err)
	}
	return nil
}

// An operation that fails leaves the datastore, and the next try succeeds.
func TestFaults(t *testing.T) {
	for at := int64(1); ; at++ {
		w := host(t, "motd")
		faults := &durabletest.Faults{FS: durable.OS{}, At: at, Err: errors.New("broken")}
		o := options(t, w, "1.1.0")
		o.FS = faults
		_, err := migrate.Run(t.Context(), o)
		if !faults.Reached() {
			if at < 8 {
				t.Errorf("only %d operations", at)
			}
			return
		}
		version, settings := w.Settings()
		if err != nil && (version != "1.0.0" || settings != `{"motd":"hi"}`) && (version != "1.1.0" || settings != `{"motd":"hi+"}`) {
			t.Errorf("operation %d: %v, then %s %s", at, err, version, settings)
		}
		run(t, w, "1.1.0")
		expect(t, w, "1.1.0", `{"motd":"hi+"}`)
	}
}
