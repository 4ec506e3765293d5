package tufrepo

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

const vector = "testdata/reference"

// The repository in testdata was signed by the reference's tool.
func TestReferenceRepository(t *testing.T) {
	server := httptest.NewServer(http.FileServer(http.Dir(vector)))
	t.Cleanup(server.Close)
	over, err := Remote(server.URL+"/metadata", server.URL+"/targets", RemoteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile(vector + "/root.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]Source{"folder": Dir(vector+"/metadata", vector+"/targets"), "http": over} {
		t.Run(name, func(t *testing.T) {
			r, err := Open(context.Background(), source, Options{TrustedRoot: root, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := r.Versions(), (Versions{Root: 2, Timestamp: 9, Snapshot: 7, Targets: 5}); got != want {
				t.Errorf("versions %+v, want %+v", got, want)
			}
			if n := len(r.Targets()); n != 8 {
				t.Errorf("%d targets, want 8", n)
			}
			for _, name := range r.Targets() {
				readTarget(t, r, name)
			}
		})
	}
}

func readTarget(t *testing.T, r *Repository, name string) []byte {
	t.Helper()
	body, err := r.Open(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
