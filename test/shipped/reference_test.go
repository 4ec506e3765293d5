package shipped_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/model"
)

// What the recorded server, of another variant and an older version, answered
// for GET / and GET /metadata/setting-generators.
type recorded struct {
	Services           map[string]model.Service           `json:"services"`
	ConfigurationFiles map[string]model.ConfigurationFile `json:"configuration-files"`
	Settings           map[string]any                     `json:"settings"`
	generators         map[string]string
}

func readRecorded(t *testing.T) recorded {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "vectors", "http.json"))
	if err != nil {
		t.Fatal(err)
	}
	var scenarios []struct {
		Steps []struct{ Method, Path, Response string }
	}
	if err := json.Unmarshal(text, &scenarios); err != nil {
		t.Fatal(err)
	}
	var all recorded
	for _, scenario := range scenarios {
		for _, step := range scenario.Steps {
			switch {
			case step.Method == "GET" && step.Path == "/":
				err = json.Unmarshal([]byte(step.Response), &all)
			case step.Path == "/metadata/setting-generators?keys=settings.motd":
				err = json.Unmarshal([]byte(step.Response), &all.generators)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(all.Services) == 0 || len(all.generators) == 0 {
		t.Fatal("the recording has no services or generators")
	}
	return all
}

// Differences that are on purpose, by the names that docs/compatibility.md gives them.
var (
	secretModes = []string{ // secret-modes
		"aws-config", "aws-credentials", "bootstrap-containers-toml", "host-containers-toml", "host-ctr-toml", "proxy-env", "updog-toml",
		"kubelet-server-key",
	}
	laterModes   = map[string]string{"kubelet-exec-start-conf": "0644"} // the recorded release had 0600; nothing in it is secret
	ofTheVariant = []string{"containerd-config-toml"}                   // Kubernetes has another
)

func TestServicesAreTheReferences(t *testing.T) {
	want := readRecorded(t)
	for _, variant := range variants(t) {
		for name, service := range load(t, variant).Services() {
			if known, ok := want.Services[name]; ok {
				if diff := cmp.Diff(service, known); diff != "" {
					t.Errorf("%s: service %s:\n%s", variant, name, diff)
				}
			}
		}
	}
}

func TestConfigurationFilesAreTheReferences(t *testing.T) {
	want := readRecorded(t)
	for _, variant := range variants(t) {
		for name, file := range load(t, variant).ConfigurationFiles() {
			known, ok := want.ConfigurationFiles[name]
			if !ok || slices.Contains(ofTheVariant, name) {
				continue
			}
			if mode, later := laterModes[name]; later {
				known.Mode = mode
			}
			known.Private = slices.Contains(secretModes, name)
			if diff := cmp.Diff(file, known); diff != "" {
				t.Errorf("%s: configuration file %s:\n%s", variant, name, diff)
			}
		}
	}
}

// The versions of two container images are those of another release.
var imageVersion = regexp.MustCompile(`:v[0-9.]+`)

func TestGeneratorsAreTheReferences(t *testing.T) {
	want := readRecorded(t).generators
	for k, value := range load(t, "aws-dev").MetadataAll("setting-generator") {
		var command string
		if err := json.Unmarshal(value, &command); err != nil {
			t.Fatalf("%s: %v", k, err)
		}
		got, known := imageVersion.ReplaceAllString(command, ""), imageVersion.ReplaceAllString(want[k.String()], "")
		if got != known {
			t.Errorf("%s: got %s\nwant %s", k, got, known)
		}
	}
}

func TestDefaultsAreTheReferences(t *testing.T) {
	m := load(t, "aws-dev")
	got := settings(t, m, "defaults")
	want := readRecorded(t).Settings
	for _, group := range []string{"host-containers", "ntp", "updates", "aws"} {
		if diff := cmp.Diff(got[group], want[group]); diff != "" {
			t.Errorf("%s:\n%s", group, diff)
		}
	}
	if got["motd"] != "Welcome to Bottlerocket!" {
		t.Errorf("motd: %v", got["motd"])
	}
}
