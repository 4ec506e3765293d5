package apiclient_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/sandbox/sandboxtest"
)

// What is fetched over HTTP is judged before the API is asked anything, so no
// API is needed to see the refusals.
func TestApplyOverHTTP(t *testing.T) {
	t.Setenv("NO_PROXY", "127.0.0.1")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			fmt.Fprint(w, "[settings]\nmotd = \"from the web\"\n")
		case "/moved":
			http.Redirect(w, r, "/good", http.StatusFound)
		case "/large":
			w.Write(make([]byte, 2<<20+1))
		case "/half":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "[settings]")
		default:
			http.NotFound(w, r)
		}
	}))
	defer web.Close()
	socket := sandboxtest.Start(t, sandboxtest.New(t, "aws-dev")).Client.Socket
	tests := []struct {
		path string
		code int
		want string // the first line of standard error
	}{
		{"/good", 0, ""},
		{"/moved", 0, ""},
		{"/missing", 1, "Failed to apply settings: Failed GET request to 'URL': HTTP status 404 Not Found"},
		{"/large", 1, "Failed to apply settings: Failed GET request to 'URL': larger than allowed (limit: 2097152 bytes)"},
		{"/half", 1, "Failed to apply settings: Failed GET request to 'URL': unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			url := web.URL + tt.path
			code, stdout, stderr := run("", "-s", socket, "apply", url)
			first, _, _ := strings.Cut(strings.ReplaceAll(stderr, url, "URL"), "\n")
			if code != tt.code || stdout != "" || first != tt.want {
				t.Errorf("got %d, %q, %q; want %d, nothing, %q", code, stdout, first, tt.code, tt.want)
			}
		})
	}
	_, stdout, _ := run("", "-s", socket, "get", "-o", "table", "motd")
	if want := "KEY            VALUE\nsettings.motd  \"from the web\"\n"; stdout != want {
		t.Errorf("got %q, want %q", stdout, want)
	}
}

func TestApplyOfARelativePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("my settings.toml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, stderr := run("", "apply", "my settings.toml")
	if want := "hint: a file is written with its whole path: file://" + dir + "/my%20settings.toml\n"; !strings.HasSuffix(stderr, want) {
		t.Errorf("got %q, want %q at its end", stderr, want)
	}
}
