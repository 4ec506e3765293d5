package migrator_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/bootlog"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/internal/migrator"
	"github.com/hostler-os/hostler/internal/sandbox"
)

// host is a world with the model of an image.
func host(t *testing.T) *migratetest.World {
	t.Helper()
	w := migratetest.New(t)
	if err := os.CopyFS(w.Root.Share(), hostler.Assets); err != nil {
		t.Fatal(err)
	}
	w.Write(w.Root.Variant(), []byte("metal-dev\n"))
	return w
}

func call(w *migratetest.World, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	args = append([]string{"migrator", "--root", string(w.Root)}, args...)
	code = migrator.Run(w.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	return code, out.String(), errs.String()
}

func TestFirstBoot(t *testing.T) {
	w := host(t)
	code, out, errs := call(w)
	if want := "Data store does not exist at given path, exiting (" + w.Root.Datastore() + ")\n"; code != 0 || out != "" || errs != want {
		t.Errorf("got %d %q %q", code, out, errs)
	}
}

func TestSameVersion(t *testing.T) {
	w := host(t)
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	code, _, errs := call(w)
	if want := "Requested version 1.0.0 matches version of given datastore at '" + w.Root.Datastore() + "'; nothing to do"; code != 0 || !strings.Contains(errs, want) {
		t.Errorf("got %d %q", code, errs)
	}
}

// The reference's flags, with the link that its units name.
func TestReferenceFlags(t *testing.T) {
	w := host(t)
	w.Step("1.0.0", "1.1.0", "motd")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	code, _, errs := call(w,
		"--datastore-path", filepath.Join(filepath.Dir(w.Root.Datastore()), "current"),
		"--migration-directory", w.Root.Migrations(), "--metadata-directory", w.Root.CachedMetadata(),
		"--root-path", w.Root.TrustedRoot(), "--migrate-to-version", "1.1.0", "--log-level", "info")
	if code != 0 {
		t.Fatalf("got %d %q", code, errs)
	}
	if version, settings := w.Settings(); version != "1.1.0" || settings != `{"motd":"hi+"}` {
		t.Errorf("got %s %s", version, settings)
	}
}

func TestUsage(t *testing.T) {
	w := host(t)
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	for _, args := range [][]string{{"--no-color"}, {"--nonsense"}, {"nonsense"}, {"--log-level", "loud"}} {
		if code, _, errs := call(w, args...); code != cli.ExitUsage || errs == "" {
			t.Errorf("%v: got %d %q", args, code, errs)
		}
	}
}

// A typing error names what was meant, and help looks as that of the other programs.
func TestHelp(t *testing.T) {
	w := host(t)
	for _, args := range [][]string{{"staus"}, {"staus", "--form", "x"}} {
		if code, _, errs := call(w, args...); code != cli.ExitUsage || errs != "migrator: no command 'staus'\nhint: did you mean 'migrator status'?\n" {
			t.Errorf("%v: got %d %q", args, code, errs)
		}
	}
	if code, help, _ := call(w, "--help"); code != 0 || !strings.Contains(help, "\nCommands:\n") || !strings.Contains(help, "\nOptions:\n") {
		t.Errorf("got %d %q", code, help)
	}
}

// A boot that fails leaves the settings, and a report for the version that the
// host goes back to.
func TestFailedBoot(t *testing.T) {
	w := host(t)
	w.Step("1.0.0", "1.1.0", "motd", "fail")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	w.Runs("1.1.0")
	code, _, errs := call(w)
	if code != cli.ExitFailed || !strings.Contains(errs, "\nMigration returned '1' - stderr: migrate_v1.1.0_fail.lz4: migrate live forward: it cannot be done\n") {
		t.Errorf("got %d %s", code, errs)
	}
	if strings.Contains(errs, "settings migrated") || !strings.Contains(errs, "settings not migrated  state=failed") {
		t.Errorf("the log says that it went well: %s", errs)
	}
	if version, settings := w.Settings(); version != "1.0.0" || settings != `{"motd":"hi"}` {
		t.Errorf("got %s %s", version, settings)
	}
	w.Runs("1.0.0")
	if code, _, errs := call(w); code != 0 {
		t.Errorf("after the fallback: %d %s", code, errs)
	}
	reports, err := bootlog.Migrations(w.Root)
	if err != nil || len(reports) != 1 || reports[0].State != api.MigrationFailed || reports[0].To != "1.1.0" {
		t.Errorf("got %+v, %v", reports, err)
	}
	_, out, _ := call(w, "status")
	for _, want := range []string{"settings of  1.0.0", "migration from 1.0.0 to 1.1.0: failed", "it cannot be done"} {
		if !strings.Contains(out, want) {
			t.Errorf("status does not tell %q:\n%s", want, out)
		}
	}
}

func TestStatusOfKeptFiles(t *testing.T) {
	w := host(t)
	w.Step("1.0.0", "1.1.0", "motd")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	w.Runs("1.1.0")
	if code, _, errs := call(w); code != 0 {
		t.Fatal(errs)
	}
	_, out, _ := call(w, "status")
	for _, want := range []string{"settings of  1.1.0", "kept         1.0.0, as of ", `settings.motd (user): "hi" -> "hi+"`} {
		if !strings.Contains(out, want) {
			t.Errorf("status does not tell %q:\n%s", want, out)
		}
	}
}

func TestRehearse(t *testing.T) {
	w := host(t)
	w.Step("1.0.0", "1.1.0", "motd")
	w.Step("1.1.0", "1.2.0", "fail")
	w.Prepare()
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	running := w.Open() // as apiserver has it
	defer running.Close()
	code, out, errs := call(w, "rehearse", "--migrate-to-version", "1.1.0")
	if code != 0 || !strings.Contains(out, `settings.motd (user): "hi" -> "hi+"`) || !strings.Contains(out, "the release brings no model") {
		t.Errorf("got %d %s %s", code, out, errs)
	}
	code, out, errs = call(w, "rehearse", "--migrate-to-version", "1.2.0", "-o", "json")
	if code != cli.ExitFailed || !strings.Contains(out, `"state": "failed"`) || !strings.Contains(errs, "it cannot be done") {
		t.Errorf("got %d %s %s", code, out, errs)
	}
	if running.Release().Version != "1.0.0" {
		t.Error("the datastore was touched")
	}
}

// A host that has no settings yet has no folder for them either.
func TestStatusOfANewHost(t *testing.T) {
	w := host(t)
	if err := os.RemoveAll(filepath.Dir(w.Root.Datastore())); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := call(w, "status"); code != 0 || !strings.Contains(out, "settings of  not told yet") {
		t.Errorf("got %d %q %q", code, out, errs)
	}
}

// The migrator is the first in a boot that opens the datastore. What it finds
// damaged looks sound to apiserver, which must tell of it all the same; and what
// user data had set must come back.
func TestDamagedDatastore(t *testing.T) {
	w := host(t)
	w.Store("1.0.0", map[string]any{"motd": "hi"})
	w.Write(w.Root.UserDataLoaded(), nil)
	w.Write(w.Root.Sandbox(), nil)
	if err := os.Truncate(w.Root.Datastore(), 3*4096); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := call(w, "status"); code != 1 || !strings.Contains(errs, "hint: a damaged datastore is set aside and restored") {
		t.Errorf("status: got %d %q", code, errs)
	}
	if code, _, errs := call(w); code != 0 || !strings.Contains(errs, "datastore was damaged") {
		t.Errorf("got %d %q", code, errs)
	}
	if _, err := os.Stat(w.Root.UserDataLoaded()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("user data is not loaded again: %v", err)
	}
	r, err := datastore.ReadRecovery(w.Root.Recovered())
	if err != nil || r.Source != datastore.SourceNone || r.SetAside == "" || r.Time.IsZero() {
		t.Errorf("apiserver will tell %+v, %v", r, err)
	}
	server, err := sandbox.Serve(t.Context(), w.Root, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	h, err := (&client.Client{Socket: w.Root.Socket()}).Health(t.Context())
	if err != nil || !strings.Contains(strings.Join(h.Problems, "\n"), "all settings but the defaults are lost") {
		t.Errorf("status: %+v, %v", h, err)
	}
}
