package userdata_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	assets "github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/userdata"
)

func load(t testing.TB, variant string) *model.Model {
	t.Helper()
	m, err := model.Load(assets.Assets, variant)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func zip(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstdOf(t testing.TB, text string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll([]byte(text), nil)
}

func TestRead(t *testing.T) {
	text := "[settings]\nmotd = \"hi\"\n"
	for name, raw := range map[string][]byte{
		"plain": []byte(text), "byte order mark": []byte("\xef\xbb\xbf" + text),
		"gzip": zip(t, text), "zstd": zstdOf(t, text), "two gzip members": append(zip(t, text[:5]), zip(t, text[5:])...),
		"other tables": []byte("[other]\nx = 1\n" + text), "windows lines": []byte("[settings]\r\nmotd = \"hi\"\r\n"),
	} {
		d, err := userdata.Read(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(d.Settings, map[string]any{"motd": "hi"}); diff != "" {
			t.Errorf("%s differs (-got +want):\n%s", name, diff)
		}
	}
}

func TestReadNothing(t *testing.T) {
	for name, raw := range map[string][]byte{"no bytes": {}, "compressed nothing": zip(t, ""), "nil": nil} {
		if d, err := userdata.Read(raw); d != nil || err != nil {
			t.Errorf("%s: got %v, %v; want no document and no error", name, d, err)
		}
	}
}

func TestReadFaults(t *testing.T) {
	good := zip(t, "[settings]\nmotd = \"hi\"\n")
	for _, tc := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"only a comment", []byte("# nothing\n"), "TOML data did not contain 'settings' section"},
		{"settings is no table", []byte("# x\nsettings = 1\n"), "settings: it must be a table, such as [settings.ntp] at line 2 column 1"},
		{"given twice", []byte("[settings]\nmotd = \"a\"\nmotd = \"b\"\n"), "key motd is already defined at line 3 column 1"},
		{"table given twice", []byte("[settings.ntp]\n[settings.ntp]\n"), "table ntp already exists at line 2 column 2"},
		{"bad syntax after umlauts", []byte("settings = { motd = \"äöü\", x }\n"), "at line 1 column 30"},
		{"latin1", []byte("[settings]\nmotd = \"caf\xe9\"\n"), "stream did not contain valid UTF-8 at line 2 column 12"},
		{"truncated gzip", good[:len(good)-6], "decompress gzip: unexpected end of file"},
		{"gzip twice", zip(t, string(good)), "stream did not contain valid UTF-8"},
		{"damaged gzip", append([]byte{0x1f, 0x8b, 8, 0xff}, good[4:]...), "decompress gzip: "},
		{"damaged zstd", append(zstdOf(t, "x = 1")[:6], 0xff, 0xff), "decompress zstd: "},
		{"too many bytes", make([]byte, userdata.MaxRaw+1), "at most 1048576 are read"},
		{"gzip bomb", zip(t, strings.Repeat("#", 16<<20)), "once decompressed"},
		{"zstd bomb", zstdOf(t, strings.Repeat("#", 16<<20)), "once decompressed"},
		{"deep list", []byte("[settings]\nmotd = " + strings.Repeat("[", 100) + strings.Repeat("]", 100)), "nested more than 64 deep at line 2 column 1"},
		{"very deep list", []byte("[settings]\nmotd = " + strings.Repeat("[", 500_000)), "nested more than"},
		{"deep inline table", []byte("[settings]\nmotd = " + strings.Repeat("{a=", 100) + "1" + strings.Repeat("}", 100)), "nested more than"},
		{"many parts", []byte("settings." + strings.Repeat("a.", 400_000) + "b = 1"), "a key has at most"},
		{"huge key", []byte("[settings]\n" + strings.Repeat("k", 500_000) + " = 1"), "a key has at most"},
		{"many tables", []byte(manyTables(100_000)), "more than 8192 tables and values at line "},
		{"long list", []byte("[settings]\nmotd = [" + strings.Repeat(`"a",`, 250_000) + "]"), "more than 8192 tables and values"},
		{"long list below a long key", []byte("[settings." + strings.Repeat(strings.Repeat("k", 500)+".", 60) + "a]\nb = [" + strings.Repeat("1,", 8000) + "]"), "the keys of all its tables and values have more than 8388608 bytes"},
		{"json", []byte(`{"settings":{"motd":"json"}}`), "at line 1 column 1"},
	} {
		began := time.Now()
		_, err := userdata.Read(tc.raw)
		fault := new(userdata.Fault)
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %.200v, want %q in it", tc.name, err, tc.want)
		}
		if len(err.Error()) > 2000 {
			t.Errorf("%s: the message has %d bytes", tc.name, len(err.Error()))
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s took %v", tc.name, took)
		}
	}
}

func manyTables(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[a%d]\n", i)
	}
	return b.String()
}

func TestMerge(t *testing.T) {
	var documents []*userdata.Document
	for _, text := range []string{
		"[settings]\nmotd = \"one\"\n[settings.ntp]\ntime-servers = [\"a\", \"b\"]\noptions = [\"x\"]\n",
		"[settings.ntp]\ntime-servers = [\"c\"]\n[settings.kernel.sysctl]\n\"vm.swappiness\" = \"1\"\n",
		"settings.motd = \"three\"\n",
	} {
		d, err := userdata.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, d)
	}
	want := map[string]any{
		"motd":   "three",
		"ntp":    map[string]any{"time-servers": []any{"c"}, "options": []any{"x"}},
		"kernel": map[string]any{"sysctl": map[string]any{"vm.swappiness": "1"}},
	}
	if diff := cmp.Diff(userdata.Merge(documents...), want); diff != "" {
		t.Errorf("merged differs (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(documents[0].Settings["ntp"].(map[string]any)["time-servers"], []any{"a", "b"}); diff != "" {
		t.Errorf("merging changed a document (-got +want):\n%s", diff)
	}
}

const faulty = `# user data
[settings]
motd = 1
modt = "x"

[settings.ntp]
time-servers = [
  "192.0.2.1",
  "not a host!",
]
[settings.host-containers."ad min"]
enabled = true
[[settings.container-registry.mirrors]]
registry = "docker.io"
endpoint = ["https://a"]
[[settings.container-registry.mirrors]]
registry = 5
endpoint = []
[settings.updates]
seed = 2020-01-01
`

func TestLintPlaces(t *testing.T) {
	result := userdata.Lint([]byte(faulty), load(t, "aws-dev").ParseTree)
	var got []string
	for _, p := range result.Problems {
		got = append(got, fmt.Sprintf("%d:%d %s %s", p.Line, p.Column, p.Code, p.Key))
	}
	if diff := cmp.Diff(got, []string{
		"3:1 invalid-value settings.motd",
		"4:1 unknown-key settings.modt",
		"9:3 invalid-value settings.ntp.time-servers[1]",
		"11:27 invalid-value settings.host-containers.\"ad min\"",
		"17:1 invalid-value settings.container-registry.mirrors[1].registry",
		"20:1 invalid-value settings.updates.seed",
	}); diff != "" {
		t.Errorf("problems differ (-got +want):\n%s", diff)
	}
	if result.OK() {
		t.Error("a document with errors is OK")
	}
}

func TestSalvage(t *testing.T) {
	d, err := userdata.Parse([]byte(faulty))
	if err != nil {
		t.Fatal(err)
	}
	problems := d.Salvage(load(t, "aws-dev").ParseTree)
	if len(problems) != 6 {
		t.Errorf("got %d problems, want 6: %+v", len(problems), problems)
	}
	if _, err := load(t, "aws-dev").ParseTree(d.Settings); err != nil {
		t.Errorf("what is left is refused: %v", err)
	}
	for _, gone := range []string{"motd", "modt"} {
		if _, left := d.Settings[gone]; left {
			t.Errorf("%s is left", gone)
		}
	}
}

func TestLintEmpty(t *testing.T) {
	check := load(t, "metal-dev").ParseTree
	for text, want := range map[string]string{
		"":             "it is empty: a boot takes it for no user data",
		"[settings]\n": "it has no settings",
	} {
		r := userdata.Lint([]byte(text), check)
		if len(r.Problems) != 1 || r.Problems[0].Message != want || r.Problems[0].Severity != api.SeverityWarning {
			t.Errorf("%q: got %+v, want the warning %q", text, r.Problems, want)
		}
	}
}

func FuzzUserData(f *testing.F) {
	check := load(f, "aws-dev").ParseTree
	for _, seed := range []string{"", "[settings]\nmotd=\"a\"\n", faulty, "settings={a=[[1,{b=2}]]}", "[[settings.a]]\n[[settings.a.b]]\nx=1\n"} {
		f.Add([]byte(seed))
		f.Add(zip(f, seed))
		f.Add(zstdOf(f, seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		began := time.Now()
		result := userdata.Lint(raw, check)
		d, err := userdata.Read(raw)
		if err == nil && d != nil {
			_, problems := d.Lint(check)
			_ = userdata.Merge(d, d)
			d.Salvage(check)
			if _, err := check(d.Settings); err != nil {
				t.Errorf("what Salvage leaves is refused: %v", err)
			}
			for _, p := range problems {
				if p.Severity == api.SeverityError && p.Line == 0 {
					t.Errorf("problem without a line: %+v", p)
				}
			}
		}
		if (err != nil) && result.OK() {
			t.Errorf("a document that cannot be read is OK: %v", err)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// The variants that ship name providers that exist.
func TestShippedVariants(t *testing.T) {
	variants, err := model.Variants(assets.Assets)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variants {
		boot, err := model.ReadBoot(assets.Assets, v)
		if err != nil {
			t.Errorf("%s: %v", v, err)
		}
		if err := userdata.CheckNames(boot.Providers); err != nil {
			t.Errorf("%s: %v", v, err)
		}
	}
}
