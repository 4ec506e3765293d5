package migrator_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/internal/refstore"
	"github.com/hostler-os/hostler/internal/refstore/refstoretest"
)

// reference puts a datastore of the reference where a host has it, or elsewhere.
func reference(t *testing.T, dir string) {
	t.Helper()
	value := func(k key.Key, text string) key.Pair { return key.Pair{Key: k, Value: []byte(text)} }
	err := refstore.Write(durable.OS{}, dir, &refstore.Store{
		Version: "1.0.0",
		Live: refstore.Part{Data: []key.Pair{
			value("services.motd.restart-commands", "[]"), value("settings.motd", `"hi"`),
			value("settings.updates.ignore-waves", "false"), value("settings.updates.seed", "7"),
		}, Metadata: []refstore.Metadata{{Key: "settings.updates.seed", Name: "setting-generator", Value: []byte(`"bork seed"`)}}},
		Pending: map[string]refstore.Part{"t": {Data: []key.Pair{value("settings.motd", `"p"`)}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// check runs the program and compares all that it says. FROM stands for the folder.
func check(t *testing.T, w *migratetest.World, folder string, args []string, code int, stdout, stderr string) {
	t.Helper()
	gotCode, gotOut, gotErr := call(w, args...)
	fill := func(text string) string {
		return strings.NewReplacer("FROM", folder, "STORE", w.Root.Datastore()).Replace(text)
	}
	if gotCode != code {
		t.Errorf("%v exits %d", args, gotCode)
	}
	if diff := cmp.Diff(gotOut, fill(stdout)); diff != "" {
		t.Errorf("%v, standard output (-got +want):\n%s", args, diff)
	}
	if diff := cmp.Diff(gotErr, fill(stderr)); diff != "" {
		t.Errorf("%v, standard error (-got +want):\n%s", args, diff)
	}
}

func TestImportAndExport(t *testing.T) {
	w, from, to := host(t), filepath.Join(t.TempDir(), "datastore"), filepath.Join(t.TempDir(), "back")
	reference(t, from)
	check(t, w, from, []string{"import"}, 2, "", "migrator: --from is missing\nusage: migrator import --from DIR\n")
	check(t, w, to, []string{"import", "--from", to}, 1, "", `read datastore in FROM: there is no datastore
hint: --from names the folder that has the link current, such as /var/lib/bottlerocket/datastore
`)
	check(t, w, from, []string{"import", "--from", from, "--dry-run"}, 0, `user       settings.motd
generated  settings.updates.seed
default    settings.updates.ignore-waves
would import settings of version 1.0.0 from FROM: 1 as the user's, 1 as generated
  not stored, as they are the defaults             1
  not stored, as they are weak                     0
  services, files and others, which the image has  1
  pending transactions                             t
`, "")
	check(t, w, from, []string{"import", "--from", from}, 0, `imported settings of version 1.0.0 from FROM: 1 as the user's, 1 as generated
  not stored, as they are the defaults             1
  not stored, as they are weak                     0
  services, files and others, which the image has  1
  pending transactions                             t
`, "")
	check(t, w, from, []string{"import", "--from", from}, 1, "", `import datastore: there is one already: STORE
hint: stop apiserver and move it away first; nothing of it is merged
`)
	code, out, errs := call(w, "export", "--to", to)
	if code != 0 || errs != "" || !strings.HasPrefix(out, "exported ") || !strings.Contains(out, " values of version 1.0.0 to "+to) || !strings.HasSuffix(out, " and 1 pending transaction\n") {
		t.Errorf("export: %d %q %q", code, out, errs)
	}
	s, err := refstore.Read(to)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := s.Live.Value("settings.updates.seed"); string(v) != "7" || len(s.Pending["t"].Data) != 1 {
		t.Errorf("exported: seed %s, pending %v", v, s.Pending)
	}
}

// Every value that the model refuses is told, and one hint what to do.
func TestImportRefused(t *testing.T) {
	w, from := host(t), refstoretest.Unpack(t, "../..")
	code, out, errs := call(w, "import", "--from", filepath.Join(from, "current"))
	lines := strings.Split(strings.TrimSpace(errs), "\n")
	if code != 1 || out != "" || len(lines) < 20 || !strings.Contains(lines[len(lines)-2], "nothing was imported") || !strings.HasPrefix(lines[len(lines)-1], "hint: --lenient ") {
		t.Errorf("got %d %q %s", code, out, errs)
	}
	for _, line := range lines[:len(lines)-2] {
		if !strings.HasPrefix(line, "refused: settings.") && !strings.HasPrefix(line, "  settings.") {
			t.Errorf("line %q", line)
		}
	}
	if n := strings.Count(errs, "expected one of `motd`"); n != 1 {
		t.Errorf("what there is, is told %d times", n)
	}
	if _, err := os.Stat(w.Root.Datastore()); err == nil {
		t.Error("something was written")
	}
	refusals := errs
	code, out, errs = call(w, "import", "--lenient", "--as", "2.0.0", "--from", from)
	if code != 0 || errs != "" || strings.Count(out, "without effect: ") != strings.Count(refusals, "refused: ") || !strings.Contains(out, "imported settings of version 2.0.0") {
		t.Errorf("leniently: %d %s %q", code, out, errs)
	}
	if version, settings := w.Settings(); version != "2.0.0" || !strings.Contains(settings, `"motd":"imported & kept\nsecond line"`) {
		t.Errorf("the settings are %s of version %s", settings, version)
	}
}

// The first boot of a host that ran the reference takes its settings over, once,
// and migrates them if it must.
func TestFirstBootTakesOver(t *testing.T) {
	w := host(t)
	w.Step("1.0.0", "1.1.0", "motd")
	w.Prepare()
	w.Runs("1.1.0")
	reference(t, w.Root.ReferenceDatastore())
	code, out, errs := call(w)
	if code != 0 || out != "" || !strings.Contains(errs, "took over the settings of this host  ") {
		t.Fatalf("got %d %q %q", code, out, errs)
	}
	version, settings := w.Settings()
	if version != "1.1.0" || !strings.Contains(settings, `"motd":"hi+"`) || !strings.Contains(settings, `"seed":7`) {
		t.Errorf("version %s, settings %s", version, settings)
	}
	if code, _, errs := call(w); code != 0 || strings.Contains(errs, "took over") {
		t.Errorf("the second time: %d %q", code, errs)
	}
}

// A host that the reference has updated boots an image of ours: its settings
// are taken over and go through the reference's own migrations, from the caches
// that its updater has filled; a generated value is made from the new template.
func TestFirstBootAfterTheReference(t *testing.T) {
	w := host(t)
	w.Step("1.0.0", "1.1.0", "ref-remake1", "ref-noop")
	w.Step("1.1.0", "1.2.0", "ref-remake2")
	w.Prepare()
	if err := os.Remove(w.Root.CachedVersions()); err != nil { // a file of ours
		t.Fatal(err)
	}
	w.Runs("1.2.0")
	err := refstore.Write(durable.OS{}, w.Root.ReferenceDatastore(), &refstore.Store{
		Version: "1.0.0",
		Live: refstore.Part{
			Data:     []key.Pair{{Key: "settings.motd", Value: []byte(`"one"`)}, {Key: "settings.updates.seed", Value: []byte("7")}},
			Metadata: []refstore.Metadata{{Key: "settings.motd", Name: "setting-generator", Value: []byte(`"make one"`)}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := call(w); code != 0 {
		t.Fatalf("got %d %q", code, errs)
	}
	version, settings := w.Settings()
	if version != "1.2.0" || settings != `{"motd":"three","updates":{"seed":7}}` {
		t.Errorf("version %s, settings %s", version, settings)
	}
	_, out, _ := call(w, "status")
	for _, want := range []string{"migrate_v1.1.0_ref-remake1.lz4", "of the reference", `settings.motd (generated): "one" -> "three"`} {
		if !strings.Contains(out, want) {
			t.Errorf("status does not tell %q:\n%s", want, out)
		}
	}
}
