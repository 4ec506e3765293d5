package apiclient_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/apiclient"
	"github.com/hostler-os/hostler/internal/cli"
)

// terminal returns the two ends of a pseudo terminal: the user's and the program's.
func terminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(program.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: 40}); err != nil {
		t.Fatal(err)
	}
	return user, program
}

// On a terminal the steps of a change are shown on one line that is gone at the end.
func TestProgressOnATerminal(t *testing.T) {
	const change = `{"id": 7, "state": "%s", "caller": {"uid": 0, "gid": 0}, "created": "2026-01-02T03:04:05Z", "keys": [], "plan": {}, "tasks": [` +
		`{"kind": "write", "summary": "write /etc/motd", "state": "%s"}, {"kind": "restart", "summary": "restart a service of a very long name", "state": "%s"}]}`
	answers := map[string]string{
		"POST /changes?wait=200ms": fmt.Sprintf(change, "applying", "pending", "pending"),
		"GET /changes/7?wait=30s":  fmt.Sprintf(change, "done", "done", "done"),
		"GET /events?change=7":     "data: {\"change\": " + fmt.Sprintf(change, "applying", "doing", "pending") + "}\n\ndata: {\"change\": " + fmt.Sprintf(change, "applying", "done", "doing") + ", \"task\": 1}\n\ndata: {\"change\": " + fmt.Sprintf(change, "done", "done", "done") + "}\n\n",
	}
	socket := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.Method+" "+r.RequestURI]
		if !ok {
			t.Errorf("asked %s %s", r.Method, r.RequestURI)
		}
		fmt.Fprint(w, answer)
	})}
	go server.Serve(l)
	defer server.Close()

	user, program := terminal(t)
	var out strings.Builder
	code := apiclient.Run(t.Context(), []string{"apiclient", "-s", socket, "set", "motd=x"}, cli.Streams{Out: &out, Err: program})
	if code != cli.ExitOK || out.String() != "" {
		t.Errorf("exit code %d, standard output %q", code, out.String())
	}
	program.Close()
	shown, err := io.ReadAll(user)
	if !errors.Is(err, unix.EIO) { // what a terminal says once its program has left
		t.Fatal(err)
	}
	want := "\r\x1b[Kchange 7: applying" +
		"\r\x1b[Kchange 7: [1/2] write /etc/motd" +
		"\r\x1b[Kchange 7: [2/2] restart a service of a…" +
		"\r\x1b[K"
	if got := string(shown); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// What others have set, or a server says, neither moves the cursor of whoever
// looks at it nor colours anything; where it is not looked at it stays as it is.
func TestTerminalsAreSafe(t *testing.T) {
	user, program := terminal(t)
	table := func(w io.Writer) { fmt.Fprint(w, "a\tb\n+\x1b]0;title\a\x1b[31mred\r\n") }
	for _, w := range []io.Writer{program, io.Discard} {
		if err := cli.FormatTable.Print(w, nil, table); err != nil {
			t.Fatal(err)
		}
		cli.Report(w, "", errors.New("500 \x1b[2Jgone\nmore"))
	}
	program.Close()
	shown, err := io.ReadAll(user)
	if !errors.Is(err, unix.EIO) {
		t.Fatal(err)
	}
	want := "a\tb\r\n+ ]0;title  [31mred\r\n500  [2Jgone\r\nmore\r\n" // the terminal itself breaks lines with \r
	if got := string(shown); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	var piped strings.Builder
	if err := cli.FormatTable.Print(&piped, nil, table); err != nil || !strings.Contains(piped.String(), "\x1b]0;title") {
		t.Errorf("piped: %q, %v", piped.String(), err)
	}
}
