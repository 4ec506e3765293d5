package migrator_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/datastore/boltfile"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/internal/sandbox"
)

// damages are what a disk does to a page.
var damages = []struct {
	name string
	do   func(file []byte, at int) []byte
}{
	{"zeroed", func(file []byte, at int) []byte { clear(file[at : at+boltfile.PageSize]); return file }},
	{"header", func(file []byte, at int) []byte { file[at+8] ^= 0x10; return file }},
	{"body", func(file []byte, at int) []byte { file[at+boltfile.PageSize-1] ^= 1; file[at+40] ^= 1; return file }},
	{"cut", func(file []byte, at int) []byte { return file[:at] }},
}

// Whatever page is damaged, a boot goes on: with all settings, or with the
// damage told and the damaged file kept. Each page is damaged in one of the ways.
func TestEveryPageDamaged(t *testing.T) {
	w := host(t)
	templates, err := fs.Sub(hostler.Assets, "templates")
	if err == nil {
		err = os.CopyFS(w.Root.Templates(), templates)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Write(w.Root.Sandbox(), nil)
	parameters := map[string]any{}
	for i := range 300 {
		parameters[fmt.Sprintf("net.number-%d", i)] = fmt.Sprint(i)
	}
	w.Store("1.0.0", map[string]any{"motd": "hi", "kernel": map[string]any{"sysctl": parameters}})
	sound, err := os.ReadFile(w.Root.Datastore())
	if err != nil {
		t.Fatal(err)
	}
	for page := range min(24, len(sound)/boltfile.PageSize) {
		for i, d := range damages {
			if page > 1 && i != page%len(damages) { // all of them to the two that tell which pages there are
				continue
			}
			t.Run(fmt.Sprint(page, " ", d.name), func(t *testing.T) {
				bootDamaged(t, w, d.do(bytes.Clone(sound), page*boltfile.PageSize))
			})
		}
	}
}

func bootDamaged(t *testing.T, w *migratetest.World, damaged []byte) {
	for _, dir := range []string{filepath.Dir(w.Root.Datastore()), w.Root.Run()} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	w.Write(w.Root.Datastore(), damaged)
	call(w, "status") // which says what it sees, and must only not die of it
	if code, _, errs := call(w); code != 0 {
		t.Fatalf("migrator: %d %s", code, errs)
	}
	server, err := sandbox.Serve(t.Context(), w.Root, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	c := &client.Client{Socket: w.Root.Socket()}
	h, healthErr := c.Health(t.Context())
	settings, settingsErr := c.Settings(t.Context())
	_, setErr := c.Submit(t.Context(), api.ChangeRequest{Unset: []string{"settings.motd"}}, 0)
	for _, err := range []error{healthErr, settingsErr, setErr, server.Stop()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	told := strings.Contains(strings.Join(h.Problems, "\n"), "the datastore was found damaged")
	if !told && !strings.Contains(fmt.Sprint(settings), "hi") {
		t.Errorf("settings are lost, and nobody says so: %v, %+v", settings, h)
	}
	if told && !kept(t, w, damaged) {
		t.Error("the damaged file was not kept")
	}
}

func kept(t *testing.T, w *migratetest.World, damaged []byte) bool {
	files, err := filepath.Glob(w.Root.Datastore() + ".corrupt-*")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(name string) bool {
		data, err := os.ReadFile(name)
		return err == nil && bytes.Equal(data, damaged)
	})
}
