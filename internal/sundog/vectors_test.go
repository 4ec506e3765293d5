package sundog_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/sundog"
)

// vector is one recorded boot of the reference.
type vector struct {
	Name      string          `json:"name"`
	UserData  *string         `json:"user_data_base64"`
	Overrides *string         `json:"overrides_base64"`
	Exit      int             `json:"exit"`
	Settings  json.RawMessage `json:"settings"`
}

func vectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/userdata.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	decode(t, text, &all)
	return all
}

func (w *world) put(path string, encoded *string) {
	w.Helper()
	if err := os.RemoveAll(w.root.Join(path)); err != nil {
		w.Fatal(err)
	}
	if encoded == nil {
		return
	}
	raw, err := base64.StdEncoding.DecodeString(*encoded)
	if err != nil {
		w.Fatal(err)
	}
	w.write(path, string(raw))
}

// The phase alone, as early-boot-config: the exit code and what is staged.
func TestVectorsStaged(t *testing.T) {
	w := newWorld(t, "aws-dev")
	w.serve()
	for _, v := range vectors(t) {
		w.put(userDataFile, v.UserData)
		w.put("/local/user-data-overrides.toml", v.Overrides)
		if err := os.RemoveAll(w.root.UserDataLoaded()); err != nil {
			t.Fatal(err)
		}
		if err := w.client.Drop(t.Context(), "bottlerocket-launch"); err != nil {
			t.Fatal(err)
		}
		w.run(sundog.EarlyBootConfig, v.Exit, "early-boot-config")
		staged, err := w.client.Request(t.Context(), http.MethodGet, "/tx?tx=bottlerocket-launch", nil)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		decode(t, staged, &got)
		decode(t, v.Settings, &want)
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s: staged settings differ (-got +want):\n%s", v.Name, diff)
		}
		w.wantMark(v.Name, false) // unlike the reference's, it does not come before the commit
		w.run(sundog.SettingsCommitter, 0, "settings-committer")
		w.wantMark(v.Name, v.Exit == 0)
	}
}

// wantMark looks whether user data counts as loaded.
func (w *world) wantMark(when string, want bool) {
	w.Helper()
	if _, err := os.Stat(w.root.UserDataLoaded()); (err == nil) != want {
		w.Errorf("%s: the mark is there: %v, want %v", when, err == nil, want)
	}
}

// The whole chain: what the phase accepts is there afterwards, nothing else is.
func TestVectorsBooted(t *testing.T) {
	for _, v := range vectors(t) {
		w := newWorld(t, "aws-dev")
		w.put(userDataFile, v.UserData)
		w.put("/local/user-data-overrides.toml", v.Overrides)
		w.serve()
		w.boot(v.Exit)
		layer, err := w.client.InLayer(t.Context(), "user-data")
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		decode(t, v.Settings, &want)
		if v.Exit != 0 {
			want = nil
		}
		if (len(layer) > 0) != (len(want) > 0) {
			t.Errorf("%s: user data has %v, want %v", v.Name, layer, want)
		}
		w.wantFile("/etc/motd", "") // and the files are there, whatever user data says
		if w.read("/etc/chrony.conf") == "" {
			t.Errorf("%s: the host has no files", v.Name)
		}
		w.stop()
	}
}
