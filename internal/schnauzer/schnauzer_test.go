package schnauzer_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clitest"
	"github.com/hostler-os/hostler/internal/schnauzer"
)

func TestMain(m *testing.M) {
	run := func() { cli.Main(schnauzer.Run) }
	testscript.Main(m, map[string]func(){"schnauzer": run, "schnauzer-v2": run})
}

func TestScripts(t *testing.T) {
	clitest.RunScripts(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup:               serve,
	})
}

// serve answers from the script's files on the socket of the root $WORK: GET /
// from api/model.json, templates from api/templates.json if they are asked for
// with the key that api/key holds. Without model.json nobody listens.
func serve(env *testscript.Env) error {
	answers := filepath.Join(env.WorkDir, "api")
	if _, err := os.Stat(filepath.Join(answers, "model.json")); os.IsNotExist(err) {
		return nil
	}
	if err := os.Mkdir(filepath.Join(env.WorkDir, "run"), 0o755); err != nil {
		return err
	}
	listener, err := net.Listen("unix", filepath.Join(env.WorkDir, "run/api.sock"))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", answer(filepath.Join(answers, "model.json")))
	mux.HandleFunc("GET /metadata/templates", func(w http.ResponseWriter, r *http.Request) {
		key, err := os.ReadFile(filepath.Join(answers, "key"))
		if err != nil || r.URL.Query().Get("keys")+"\n" != string(key) {
			w.Write([]byte("{}"))
			return
		}
		answer(filepath.Join(answers, "templates.json"))(w, r)
	})
	server := httptest.NewUnstartedServer(mux)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	env.Defer(server.Close)
	return nil
}

// A server that dies drops whom it has not answered; its next life answers.
func TestServerDies(t *testing.T) {
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "api.sock"))
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			panic(http.ErrAbortHandler)
		}
		w.Write([]byte(`{"settings":{"motd":"hi"}}`))
	})}
	go server.Serve(listener)
	defer server.Close()
	var out, errs strings.Builder
	args := []string{"schnauzer", "--api-socket", listener.Addr().String(), "render", "--requires", "motd@v1", "--template", "{{ settings.motd }}"}
	if code := schnauzer.Run(t.Context(), args, cli.Streams{Out: &out, Err: &errs}); code != 0 || out.String() != "\"hi\"\n" {
		t.Errorf("exit code %d, %q, %s", code, out.String(), errs.String())
	}
}

func answer(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		body, err := os.ReadFile(path)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	}
}
