package apiclient_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/sandbox/sandboxtest"
)

// vector is one of test/vectors/cli.json: a run of the reference's apiclient.
// The runs follow one another against one server.
type vector struct {
	Args        []string          `json:"args"`
	Stdin       string            `json:"stdin"`
	Files       map[string]string `json:"files"` // in a folder that FILE/ in the arguments stands for
	Exit        int               `json:"exit"`
	Stdout      string            `json:"stdout"`
	StderrFirst string            `json:"stderr_first"` // its first line
	Compare     string            `json:"compare"`      // exact, exit, fault, or state-differs
}

// better is what a run does where the reference is unhelpful, under the name
// that docs/compatibility.md gives the difference.
type better struct {
	name   string
	exit   int
	stdout string // "*" is any text
}

var betters = map[string]better{
	"get motd":                               {"get-key", 0, settings(`{"motd": "hello world"}`)},
	`set ntp.time-servers=["192.0.2.1"]`:     {"typed-pairs", 0, ""},
	`set ntp.time-servers=192.0.2.1`:         {"typed-pairs", 0, ""},
	`set kernel.sysctl."vm.max_map_count"=1`: {"typed-pairs", 0, ""},
	`get settings.kernel.sysctl`:             {"typed-pairs", 0, settings(`{"kernel": {"sysctl": {"vm.max_map_count": "1"}}}`)},
	"--help":                                 {"help-exits-0", 0, "*"},
	"-h":                                     {"help-exits-0", 0, "*"},
	"get --help":                             {"help-exits-0", 0, "*"},
	"set --help":                             {"help-exits-0", 0, "*"},
}

// settings is what get prints for a settings document.
func settings(doc string) string {
	text, err := cli.IndentJSON([]byte(`{"settings": ` + doc + `}`))
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../../test/vectors/cli.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	socket := sandboxtest.Start(t, sandboxtest.New(t, "aws-dev")).Client.Socket
	counts, excused := map[string]int{}, map[string]int{}
	for i, v := range vectors {
		counts[v.Compare]++
		if b, ok := betters[strings.Join(v.Args, " ")]; ok {
			excused[b.name]++
			v.Exit, v.Stdout, v.StderrFirst = b.exit, b.stdout, ""
		} else if v.Compare == "fault" {
			t.Errorf("%v: nothing says what is better than the reference", v.Args)
		}
		t.Run(fmt.Sprintf("%d %s", i, strings.Join(v.Args, " ")), func(t *testing.T) { v.replay(t, socket) })
	}
	t.Logf("%d runs agree: %v; better on purpose: %v", len(vectors), counts, excused)
}

func (v vector) replay(t *testing.T, socket string) {
	dir := t.TempDir()
	for name, text := range v.Files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--socket-path", socket}
	for _, arg := range v.Args {
		if arg == "/run/api.sock" {
			arg = socket
		}
		args = append(args, strings.ReplaceAll(arg, "FILE/", dir+"/"))
	}
	code, stdout, stderr := run(v.Stdin, args...)
	stderr = strings.ReplaceAll(stderr, dir+"/", "FILE/")
	if code != v.Exit {
		t.Errorf("exit code %d, want %d; standard error:\n%s", code, v.Exit, stderr)
	}
	if diff := cmp.Diff(stdout, v.Stdout); diff != "" && v.Stdout != "*" && v.Compare != "exit" {
		t.Errorf("standard output (-got +want):\n%s", diff)
	}
	if words := firstWords(v.StderrFirst); !strings.HasPrefix(stderr, words) {
		t.Errorf("standard error begins with\n%.200s\nwant\n%s", stderr, words)
	}
	if v.Exit == 0 && v.StderrFirst == "" && stderr != "" {
		t.Errorf("standard error:\n%s", stderr)
	}
}

// firstWords are those that tell what happened; after them ours may say it better.
func firstWords(line string) string {
	for _, end := range []string{"Cause: ", "into model: ", "variant's model: ", "JSON input: ", "(TOML error: "} {
		if i := strings.Index(line, end); i >= 0 {
			return line[:i+len(end)]
		}
	}
	return line
}
