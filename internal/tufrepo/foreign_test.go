package tufrepo_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/tufrepo"
)

// goTUF is the folder of go-tuf, which carries repositories that others have made.
func goTUF(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/theupdateframework/go-tuf/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func openForeign(t *testing.T, root, metadata, targets string) (*tufrepo.Repository, error) {
	t.Helper()
	trusted, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }
	return tufrepo.Open(t.Context(), tufrepo.Dir(metadata, targets), tufrepo.Options{TrustedRoot: trusted, Now: now})
}

// A repository that python-tuf has signed: it is believed as it is, with targets
// in folders, and not with a bit of any of its files changed.
func TestForeignRepository(t *testing.T) {
	at := filepath.Join(goTUF(t), "examples/multirepo")
	metadata, targets := filepath.Join(at, "repository/metadata"), filepath.Join(at, "repository/targets")
	r, err := openForeign(t, filepath.Join(at, "client/root.json"), metadata, targets)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"map.json", "staging/root.json", "sigstore-tuf-root/root.json"} {
		want, err := os.ReadFile(filepath.Join(targets, name))
		if err != nil {
			t.Fatal(err)
		}
		body, err := r.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	for _, name := range []string{"timestamp.json", "1.snapshot.json", "1.targets.json"} {
		altered := t.TempDir()
		if err := os.CopyFS(altered, os.DirFS(metadata)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(altered, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Replace(text, []byte("2034"), []byte("2035"), 1)
		if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, changed, 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := openForeign(t, filepath.Join(at, "client/root.json"), altered, targets); !errors.Is(err, tufrepo.ErrThreshold) && !errors.Is(err, tufrepo.ErrHash) {
			t.Errorf("%s altered: %v", name, err)
		}
	}
}

// A repository whose root nobody has signed: its signature is half of one.
func TestForeignRepositoryThatIsNotSigned(t *testing.T) {
	at := filepath.Join(goTUF(t), "internal/testutils/repository_data/repository")
	_, err := openForeign(t, filepath.Join(at, "metadata/1.root.json"), filepath.Join(at, "metadata"), filepath.Join(at, "targets"))
	if !errors.Is(err, tufrepo.ErrThreshold) {
		t.Errorf("got %v", err)
	}
}
