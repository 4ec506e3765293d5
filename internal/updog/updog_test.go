package updog

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/paths"
)

// repository was signed by the reference's tool.
const repository = "../tufrepo/testdata/reference"

// root lays out a host: its os-release, its root of trust and its configuration.
func root(t testing.TB, version string, config string) string {
	t.Helper()
	dir := t.TempDir()
	r := paths.Root(dir)
	trusted, err := os.ReadFile(repository + "/root.json")
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		r.OSRelease():   "VARIANT_ID=aws-k8s-1.30\nVERSION_ID=" + version + "\nBUILD_ID=abc\nPRETTY_NAME=\"A Host\"\n",
		r.TrustedRoot(): string(trusted),
		r.Updog():       config,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func config(t testing.TB, seed uint32, lock string, ignoreWaves bool) string {
	t.Helper()
	base, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("metadata_base_url = \"file://%s/metadata/\"\ntargets_base_url = \"file://%s/targets/\"\nseed = %d\nversion_lock = %q\nignore_waves = %v\n",
		base, base, seed, lock, ignoreWaves)
}

type result struct {
	Exit           int
	Stdout, Stderr string
}

func call(t testing.TB, now time.Time, args ...string) result {
	t.Helper()
	var out, err strings.Builder
	exit := run(t.Context(), append([]string{"updog"}, args...), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &err}, func() time.Time { return now })
	return result{exit, out.String(), err.String()}
}

type vector struct {
	Version     string     `json:"version"`
	Seed        uint32     `json:"seed"`
	Lock        string     `json:"version_lock"`
	IgnoreWaves bool       `json:"ignore_waves"`
	Args        []string   `json:"args"`
	Now         *time.Time `json:"now"`
	Exit        int        `json:"exit"`
	Stdout      string     `json:"stdout"`
	StderrFirst string     `json:"stderr_first"`
}

// Recorded answers of the reference. Those that its wave arithmetic delays
// ("wave-arithmetic" in docs/compatibility.md) may come earlier here, and no others.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/choice.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	agreed, earlier := 0, 0
	for i, v := range vectors {
		now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
		if v.Now != nil {
			now = *v.Now
		}
		got := call(t, now, append(v.Args, "--root="+root(t, v.Version, config(t, v.Seed, v.Lock, v.IgnoreWaves)))...)
		got.Stderr, _, _ = strings.Cut(got.Stderr, "\n")
		switch want := (result{v.Exit, v.Stdout, v.StderrFirst}); {
		case got == want:
			agreed++
		case v.Seed >= 103 && v.Seed <= 1024 && want == (result{1, "", "No update available"}) && got == (result{0, "aws-k8s-1.30 1.21.0\n", ""}):
			earlier++
		default:
			t.Errorf("vector %d, %+v (-got +want):\n%s", i, v, cmp.Diff(got, want))
		}
	}
	t.Logf("%d vectors: %d agree, %d are answered earlier", len(vectors), agreed, earlier)
}

func TestExplain(t *testing.T) {
	dir := root(t, "1.20.0", config(t, 512, "latest", false))
	got := call(t, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), "explain", "--root", dir)
	want := result{0, `This host is aws-k8s-1.30 on x86_64, runs 1.20.0, has seed 512 and follows the latest release.
It is offered nothing now.

1.21.0
  not offered: wave 2 of 3; this host, with seed 512, is due at 2030-01-02 21:20:42 UTC
  wave:        2 of 3, this host is due at 2030-01-02 21:20:42 UTC, in 1 d 21 h
  to fetch:    247.8 KiB
  migrations:  migrate_v1.21.0_example.lz4

1.20.0
  not offered: it is the version that runs
  to fetch:    247.8 KiB
`, ""}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	got = call(t, time.Date(2030, 1, 2, 21, 20, 42, 0, time.UTC), "explain", "--root", dir)
	if !strings.Contains(got.Stdout, "It is offered 1.21.0.\n\n1.21.0 (offered)\n  wave:        2 of 3, this host was due at 2030-01-02 21:20:42 UTC\n") {
		t.Errorf("when it is due: %+v", got)
	}
	got = call(t, time.Date(2030, 1, 2, 21, 20, 41, 0, time.UTC), "check-update", "--root", dir)
	if want := (result{1, "", "No update available\n1.21.0 waits: wave 2 of 3; this host, with seed 512, is due at 2030-01-02 21:20:42 UTC\n"}); got != want {
		t.Errorf("a second before: %+v", got)
	}
	got = call(t, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), "explain", "--root", dir, "--variant", "other")
	want = result{0, `This host is other on x86_64, runs 1.20.0, has seed 512 and follows the latest release.
The repository has no release for it.

The repository also has 2 for other variants or architectures; --all shows them.
`, ""}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}

func TestExplainJSON(t *testing.T) {
	dir := root(t, "1.19.0", config(t, 7, "v1.21.0", true))
	got := call(t, time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), "explain", "--root", dir, "-j")
	var e api.UpdateOffer
	if err := json.Unmarshal([]byte(got.Stdout), &e); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	if e.Chosen == nil || *e.Chosen != "1.21.0" || len(e.Releases) != 2 || e.Releases[0].Wave.Ready ||
		e.Releases[1].Reasons[0].Code != "locked" || e.Releases[0].NoWay != "Reached end of migration chain at 1.19.0 but target is 1.21.0" ||
		e.Releases[0].Images[0].Bytes != 205690 {
		t.Errorf("got %s", got.Stdout)
	}
}

func TestWrongUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "updog: missing sub-command\nhint: updog --help lists the sub-commands and their options\n"},
		{[]string{"nosuch"}, "updog: no sub-command 'nosuch'\nhint: updog --help lists"},
		{[]string{"check-updat", "--json"}, "updog: no sub-command 'check-updat'\nhint: did you mean 'updog check-update'?\n"},
		{[]string{"whats", "--jsn"}, "updog: unknown option '--jsn'\nhint: did you mean --json?\n"},
		{[]string{"whats", "prepare"}, "updog: unexpected argument 'prepare'\n"},
		{[]string{"whats", "-t", "1"}, "updog: unknown option '-t'\n"},
		{[]string{"whats", "-i"}, "updog: -i needs a value\n"},
		{[]string{"whats", "-i", "v1.2.3"}, "updog: -i: Invalid version string 'v1.2.3'\n"},
		{[]string{"whats", "--json=yes"}, "updog: --json takes no value\n"},
		{[]string{"whats", "--log-level", "loud"}, "updog: --log-level: "},
	} {
		got := call(t, time.Now(), test.args...)
		if got.Exit != 1 || got.Stdout != "" || !strings.HasPrefix(got.Stderr, "USAGE:\n  updog SUBCOMMAND [OPTION…]\n\n"+test.want) {
			t.Errorf("%v: %+v", test.args, got)
		}
	}
	if got, want := call(t, time.Now(), "slot", "statu"), "updog slot: no sub-command 'statu'\nhint: did you mean 'updog slot status'?\n"; got.Exit != 1 || !strings.HasSuffix(got.Stderr, want) {
		t.Errorf("got %+v, want %s", got, want)
	}
	for _, args := range [][]string{{"--help"}, {"help"}, {"explain", "--help"}, {"slot", "--help"}} {
		if got := call(t, time.Now(), args...); got.Exit != 0 || !strings.Contains(got.Stdout, "USAGE") && !strings.Contains(got.Stdout, "sage:") || got.Stderr != "" {
			t.Errorf("%v: %+v", args, got)
		}
	}
	if got := call(t, time.Now(), "--version"); got.Exit != 0 || !strings.HasPrefix(got.Stdout, "updog ") {
		t.Errorf("--version: %+v", got)
	}
}

func TestFaults(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	good := config(t, 7, "latest", false)
	tests := []struct {
		name, version, config string
		now                   time.Time
		spoil                 func(paths.Root) string // file to remove
		want                  string
	}{
		{"no configuration", "1.20.0", good, now, paths.Root.Updog, "Failed to read config file ROOT/etc/updog.toml: open"},
		{"no TOML", "1.20.0", "=", now, nil, "Failed to parse config file ROOT/etc/updog.toml: "},
		{"no seed", "1.20.0", strings.Replace(good, "seed", "seet", 1), now, nil, "Failed to parse config file ROOT/etc/updog.toml: missing field `seed`\nhint: a setting has no value: apiclient set updates.seed=VALUE; a boot makes a seed\n"},
		{"a seed too large", "1.20.0", strings.Replace(good, "seed = 7", "seed = 4294967296", 1), now, nil, "Failed to parse config file"},
		{"no os-release", "1.20.0", good, now, paths.Root.OSRelease, "Unable to get OS version: read os-release: open"},
		{"no version", "twelve", good, now, nil, "Unable to get OS version: Invalid version string 'twelve'\n"},
		{"no root of trust", "1.20.0", good, now, paths.Root.TrustedRoot, "Failed to open trusted root metadata file ROOT/usr/share/updog/root.json: open"},
		{"no repository", "1.20.0", strings.Replace(good, "/metadata/", "/nothing/", 1), now, nil, "Metadata error: "},
		{"no address", "1.20.0", strings.Replace(good, "file:", "http://[", 1), now, nil, "Unable to parse 'http://["},
		{"no URL", "1.20.0", strings.Replace(good, "file://", "ftp://", 1), now, nil, "Metadata error: "},
		{"expired", "1.20.0", good, now.AddDate(100, 0, 0), nil, "Metadata error: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := root(t, test.version, test.config)
			if test.spoil != nil {
				if err := os.Remove(test.spoil(paths.Root(dir))); err != nil {
					t.Fatal(err)
				}
			}
			got := call(t, test.now, "check-update", "--root", dir)
			want := strings.ReplaceAll(test.want, "ROOT", dir)
			if got.Exit != 1 || got.Stdout != "" || !strings.HasPrefix(got.Stderr, want) {
				t.Errorf("got %+v, want %s", got, want)
			}
		})
	}
}

// What a new host lacks is told together with where it comes from.
func TestHintsOfANewHost(t *testing.T) {
	for _, test := range []struct {
		lacks func(paths.Root) string
		hint  string
	}{
		{paths.Root.Updog, "\nhint: it is rendered from settings: apiclient set updates.metadata-base-url="},
		{paths.Root.TrustedRoot, "\nhint: the image brings it"},
	} {
		dir := root(t, "1.20.0", config(t, 7, "latest", false))
		if err := os.Remove(test.lacks(paths.Root(dir))); err != nil {
			t.Fatal(err)
		}
		if got := call(t, time.Now(), "check-update", "--root", dir); !strings.Contains(got.Stderr, test.hint) {
			t.Errorf("got %+v, want %s", got, test.hint)
		}
	}
}

// What was believed once is kept: a repository that goes back is not believed.
func TestBeliefsAreKept(t *testing.T) {
	dir := root(t, "1.20.0", config(t, 7, "latest", false))
	if got := call(t, time.Now(), "prepare", "--root", dir); got != (result{}) {
		t.Fatalf("got %+v", got)
	}
	kept, err := os.ReadDir(paths.Root(dir).TrustedMetadata())
	if err != nil || len(kept) == 0 {
		t.Errorf("nothing was kept: %v", err)
	}
	list := call(t, time.Now(), "whats", "--all", "--root", dir, "--config", paths.Root(dir).Updog())
	if want := (result{0, "", "aws-k8s-1.30 1.20.0\n"}); list != want {
		t.Errorf("got %+v, want %+v", list, want)
	}
}
