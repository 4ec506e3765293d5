package shipped_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
)

// parse reads the text as whoever reads the file does: nothing that a setting
// holds may make it anything else than a file of its format.
func parse(t *testing.T, file string, text []byte) map[string]any {
	t.Helper()
	parsed, err := parserOf(file)(string(text))
	if err != nil {
		t.Errorf("%s is not valid: %v\n%s", file, err, text)
	}
	return parsed
}

func parserOf(file string) func(string) (map[string]any, error) {
	switch {
	case strings.HasSuffix(file, ".toml"):
		return parseTOML
	case strings.HasSuffix(file, ".json"):
		return parseJSON
	case strings.HasSuffix(file, ".env"):
		return parseEnv
	case path.Base(file) == "hosts":
		return parseHosts
	case strings.HasPrefix(file, "/etc/systemd/system/"):
		return parseUnit
	case strings.HasSuffix(file, ".conf"):
		return parseLines
	}
	return func(string) (map[string]any, error) { return nil, nil } // free text
}

func parseTOML(text string) (tree map[string]any, err error) {
	return tree, toml.Unmarshal([]byte(text), &tree)
}

func parseJSON(text string) (tree map[string]any, err error) {
	return tree, json.Unmarshal([]byte(text), &tree)
}

// parseEnv reads what systemd's EnvironmentFile= takes: comments, and names
// with bare or double-quoted values, in which a backslash guards " \ ` $.
func parseEnv(text string) (map[string]any, error) {
	tree := map[string]any{}
	for text != "" {
		if line, rest, _ := strings.Cut(text, "\n"); line == "" || line[0] == '#' {
			text = rest
			continue
		}
		m := envAssignment.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("no assignment: %.60q", text)
		}
		tree[m[1]] = m[2] + envEscape.ReplaceAllString(m[3], "$1")
		text = text[len(m[0]):]
	}
	return tree, nil
}

var (
	envAssignment = regexp.MustCompile(`^([A-Za-z_]+)=(?:([0-9A-Za-z.-]*)|"((?:[^"\\` + "`" + `$]|\\["\\` + "`" + `$])*)")\n`)
	envEscape     = regexp.MustCompile(`\\(["\\` + "`" + `$])`)
)

// parseUnit reads the assignments of Environment= in a unit file, quoted as a whole.
func parseUnit(text string) (map[string]any, error) {
	tree := map[string]any{}
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
		m := unitLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("unknown line: %q", line)
		}
		if m[1] != "" {
			tree[m[1]] = unitEscape.ReplaceAllStringFunc(m[2], func(s string) string { return unitEscapes.Replace(s) })
		}
	}
	return tree, nil
}

var (
	unitLine    = regexp.MustCompile(`^(?:#.*|\[(?:Service|Timer)\]|(?:ExecStart|OnCalendar)=.*|Environment="([A-Z_]+)=((?:[^"\\%]|\\["\\nt]|%%)*)")\n$`)
	unitEscape  = regexp.MustCompile(`\\.|%%`)
	unitEscapes = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n", `\t`, "\t", "%%", "%")
)

// The agent is handed JSON within an assignment; whatever a password holds, it arrives.
func TestHostileCredentialsReachTheAgent(t *testing.T) {
	m := load(t, "aws-ecs-2")
	file := m.ConfigurationFiles()["ecs-config"]
	environment := parse(t, file.Path, render(t, file.TemplatePath, settings(t, m, "hostile")))
	got := decode(t, []byte(environment["ECS_ENGINE_AUTH_DATA"].(string)))
	want := map[string]any{`r"\x`: map[string]any{"email": ".", "username": `u"u`, "password": "p'\\\"&<w> =\t日"}}
	if diff := cmp.Diff(got, any(want)); diff != "" {
		t.Errorf("credentials (-got +want):\n%s", diff)
	}
	if got, want := decode(t, []byte(environment["ECS_AVAILABLE_LOGGING_DRIVERS"].(string))), any([]any{`a"b`, `\`, "c%d"}); !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func parseHosts(text string) (map[string]any, error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := netip.ParseAddr(fields[0]); err != nil || len(fields) < 2 {
			return nil, fmt.Errorf("no entry: %q", line)
		}
	}
	return nil, nil
}

// parseLines knows the first words of chrony.conf and modprobe.d; modules-load.d has a name a line.
func parseLines(text string) (map[string]any, error) {
	for line := range strings.Lines(text) {
		if strings.Trim(line, "\n") != "" && !confLine.MatchString(line) {
			return nil, fmt.Errorf("unknown line: %q", line)
		}
	}
	return nil, nil
}

var confLine = regexp.MustCompile(`^(#.*|pool \S+.*|driftfile \S+|makestep .*|rtcsync|leapsectz .*|install \S+ /bin/true|\[Timer\]|OnCalendar=.*|[A-Za-z0-9_-]+)\n$`)

// What the hostile settings say must arrive, and nothing beside it.
func TestHostileValuesArrive(t *testing.T) {
	const variant = "aws-dev"
	m := load(t, variant)
	settings := settings(t, m, "hostile")
	at := func(keys ...string) any { return lookup(t, settings, keys...) }
	tests := []struct {
		file string
		keys []string
		want any
	}{
		{"corndog-toml", []string{"sysctl"}, at("kernel", "sysctl")},
		{"corndog-toml", []string{"evil"}, nil},
		{"updog-toml", []string{"metadata_base_url"}, at("updates", "metadata-base-url")},
		{"updog-toml", []string{"targets_base_url"}, at("updates", "targets-base-url")},
		{"updog-toml", []string{"https_proxy"}, at("network", "https-proxy")},
		{"updog-toml", []string{"no_proxy"}, at("network", "no-proxy")},
		{"updog-toml", []string{"seed"}, nil},
		{"host-containers-toml", []string{"host-containers", "evil"}, map[string]any{"source": at("host-containers", "evil", "source")}},
		{"bootstrap-containers-toml", []string{"evil"}, map[string]any{"source": at("bootstrap-containers", "evil", "source"), "mode": "off"}},
		{"host-ctr-toml", []string{"creds", `r"\x`, "password"}, "p'\\\"&<w> =\t日"},
		{"host-ctr-toml", []string{"mirrors", "docker.io", "endpoints"}, []any{"https://example.com/\",\"x\":\"\n", `https://example.com/\`}},
		{"host-ctr-toml", []string{"mirrors", `a"]\[b & ü`, "endpoints"}, []any{}},
		{"docker-daemon-config", []string{"registry-mirrors"}, []any{"https://example.com/\",\"x\":\"\n", `https://example.com/\`}},
		{"metricdog-toml", []string{"service_checks"}, at("metrics", "service-checks")},
		{"metricdog-toml", []string{"region"}, at("aws", "region")},
		{"prairiedog-toml", []string{"kernel", "k"}, at("boot", "kernel", "k")},
		{"proxy-env", []string{"HTTPS_PROXY"}, at("network", "https-proxy")},
		{"proxy-env", []string{"NO_PROXY"}, "a\"b,$HOME,`id`,c\\,tom & jerry,#x,a=b,localhost,127.0.0.1"},
		{"proxy-env", []string{"LD_PRELOAD"}, nil},
	}
	for _, test := range tests {
		file := m.ConfigurationFiles()[test.file]
		got := lookup(t, parse(t, file.Path, render(t, file.TemplatePath, settings)), test.keys...)
		if diff := cmp.Diff(got, test.want); diff != "" {
			t.Errorf("%s %v:\n%s", test.file, test.keys, diff)
		}
	}
	if got, want := string(render(t, "motd", settings)), at("motd").(string)+"\n"; got != want {
		t.Errorf("motd: %q, want %q", got, want)
	}
}

func lookup(t *testing.T, tree any, keys ...string) any {
	t.Helper()
	for _, key := range keys {
		object, ok := tree.(map[string]any)
		if !ok {
			t.Fatalf("%v: no object above %s", keys, key)
		}
		tree = object[key]
	}
	return tree
}
