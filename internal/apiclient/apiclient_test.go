package apiclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hostler-os/hostler/internal/apiclient"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clitest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each script is one behaviour, with what the user sees in full. Its commands:
//
//	serve FILE                 answer requests below $WORK as FILE says, one JSON object a line;
//	                           again: answer otherwise from now on
//	apiclient CODE ARG…        run it against that server; it must exit with
//	                           CODE; a file stdin is its standard input
//	requests WANT              compare what was asked so far with the file WANT, and forget it
//
// A line of FILE: "on" is the request, "body" the JSON answer or "text" the
// plain one, "status" is 200 unless given, "headers" are more headers. Of
// several lines for one request each is the answer once, the last ever after. A
// request without a line gets 404.
func TestScripts(t *testing.T) {
	clitest.RunScripts(t, testscript.Params{
		Dir:                 "testdata/scripts",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			e.Values[fakeKey{}] = &fakeServer{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve":     serveCommand,
			"apiclient": apiclientCommand,
			"requests":  requestsCommand,
		},
	})
}

// A restart command does not wait for the change that it is a part of.
func TestSetWithinAChange(t *testing.T) {
	t.Setenv("CHANGED_SETTINGS", "settings.ntp.options")
	request := make(chan string, 1)
	socket := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		request <- r.RequestURI + " " + string(body)
		fmt.Fprint(w, `{"id": 7, "state": "planned", "plan": {}}`)
	})}
	go server.Serve(l)
	defer server.Close()

	code := apiclient.Run(t.Context(), []string{"apiclient", "-s", socket, "set", "motd=x"}, cli.Streams{Out: io.Discard, Err: io.Discard})
	got := strings.TrimSpace(<-request)
	if want := `/changes?wait=0s {"pairs":["motd=x"],"keep":true}`; code != cli.ExitOK || got != want {
		t.Errorf("exit code %d, asked %s, want %s", code, got, want)
	}
}

// Who waits in a pipe and is interrupted learns which change goes on.
func TestSetInterrupted(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodGet {
			interrupt() // while the change hangs
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, `{"id": 7, "state": "applying", "plan": {}}`)
	})}
	go server.Serve(l)
	defer server.Close()

	var out, errs bytes.Buffer
	code := apiclient.Run(ctx, []string{"apiclient", "-s", socket, "set", "motd=x"}, cli.Streams{Out: &out, Err: &errs})
	want := "Failed to change settings: interrupted while change 7 was being applied\n" +
		"hint: it goes on; see how it went with 'apiclient changes 7', or follow it with 'apiclient watch 7'\n"
	if code != cli.ExitFailed || out.String() != "" || errs.String() != want {
		t.Errorf("exit code %d, standard output %q, standard error %q, want %q", code, out.String(), errs.String(), want)
	}
}

func TestMain(m *testing.M) {
	os.Setenv("TZ", "UTC") // times are printed in the local zone
	os.Exit(m.Run())
}

type fakeKey struct{}

// fakeServer answers from a table and remembers what it was asked.
type fakeServer struct {
	mu      sync.Mutex
	answers map[string][]fakeAnswer
	asked   []string
	serving bool
}

type fakeAnswer struct {
	On      string            `json:"on"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
	Text    string            `json:"text"`
}

func (s *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	on := r.Method + " " + r.RequestURI
	if r.URL.Path != "/updates/events" { // when it is asked for again is a matter of chance
		s.asked = append(s.asked, strings.TrimSpace(on+" "+string(body)))
	}
	answers := s.answers[on]
	if len(answers) == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	a := answers[0]
	if len(answers) > 1 {
		s.answers[on] = answers[1:]
	}
	text := []byte(a.Text)
	if a.Body != nil {
		w.Header().Set("Content-Type", "application/json")
		text = a.Body
	}
	for name, value := range a.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.Status)
	w.Write(text)
}

func (s *fakeServer) load(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = map[string][]fakeAnswer{}
	s.asked = nil
	for line := range strings.Lines(text) {
		a := fakeAnswer{Status: http.StatusOK}
		if strings.TrimSpace(line) == "" {
			continue
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			return fmt.Errorf("%w in %s", err, line)
		}
		s.answers[a.On] = append(s.answers[a.On], a)
	}
	return nil
}

func serveCommand(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(fakeKey{}).(*fakeServer)
	ts.Check(s.load(ts.ReadFile(args[0])))
	if s.serving {
		return
	}
	s.serving = true
	socket := ts.MkAbs("run/api.sock")
	ts.Check(os.MkdirAll(filepath.Dir(socket), 0o755))
	l, err := net.Listen("unix", socket)
	ts.Check(err)
	server := &http.Server{Handler: s}
	go server.Serve(l)
	ts.Defer(func() { server.Close() })
}

func apiclientCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: apiclient CODE ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	stdin := ""
	if text, err := os.ReadFile(ts.MkAbs("stdin")); err == nil {
		stdin = string(text)
	}
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "$WORK", ts.MkAbs("."))
	}
	got, stdout, stderr := run(stdin, append([]string{"--root", ts.MkAbs(".")}, args[1:]...)...)
	io.WriteString(ts.Stdout(), stdout)
	io.WriteString(ts.Stderr(), strings.ReplaceAll(stderr, ts.MkAbs("."), "$WORK"))
	if got != want {
		ts.Fatalf("exit code %d, want %d\nstdout:\n%sstderr:\n%s", got, want, stdout, stderr)
	}
}

func requestsCommand(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(fakeKey{}).(*fakeServer)
	s.mu.Lock()
	defer s.mu.Unlock()
	got := strings.Join(s.asked, "\n") + "\n"
	if want := ts.ReadFile(args[0]); got != want {
		ts.Fatalf("requests:\n%swant:\n%s", got, want)
	}
	s.asked = nil
}

// run is one run of the program.
func run(stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = apiclient.Run(context.Background(), append([]string{"apiclient"}, args...),
		cli.Streams{In: strings.NewReader(stdin), Out: &out, Err: &errs})
	return code, out.String(), errs.String()
}

func TestArgumentsMustBeUTF8(t *testing.T) {
	code, stdout, stderr := run("", "set", "motd=\xff")
	first, _, _ := strings.Cut(stderr, "\n")
	if want := `Argument 2 is not valid UTF-8: "motd=\xff"`; code != 2 || stdout != "" || first != want {
		t.Errorf("got %d, %q, %q; want 2, nothing, %q", code, stdout, first, want)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestOutputThatCannotBeWritten(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "api.sock")
	s := &fakeServer{}
	if err := s.load(`{"on": "GET /?prefix=os", "body": {"os": {}}}`); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s}
	go server.Serve(l)
	defer server.Close()
	var errs bytes.Buffer
	code := apiclient.Run(t.Context(), []string{"apiclient", "-s", socket, "get", "os"}, cli.Streams{Out: brokenPipe{}, Err: &errs})
	if code != cli.ExitFailed || errs.String() != "broken pipe\n" {
		t.Errorf("got %d, %q", code, errs.String())
	}
}
