package manifest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAddAndRemove(t *testing.T) {
	m := new(Manifest)
	add := func(variant, v, max string) {
		u := Update{Variant: variant, Arch: "x86_64", Version: version(t, v), Waves: Waves{{1, release}}}
		if max != "" {
			u.MaxVersion = version(t, max)
		}
		if err := m.Add(u); err != nil {
			t.Fatal(err)
		}
	}
	maxima := func() (list []string) {
		for _, u := range m.Updates {
			list = append(list, u.Variant+" "+u.Version.String()+" "+u.MaxVersion.String())
		}
		return list
	}
	check := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(maxima(), want); diff != "" {
			t.Errorf("-got +want:\n%s", diff)
		}
	}
	add("w", "9.0.0", "")
	add("v", "1.0.0", "")
	check("w 9.0.0 9.0.0", "v 1.0.0 1.0.0") // the reference would take 9.0.0 from the other variant
	add("v", "1.1.0", "")
	check("w 9.0.0 9.0.0", "v 1.0.0 1.1.0", "v 1.1.0 1.1.0")
	add("v", "1.0.1", "")
	check("w 9.0.0 9.0.0", "v 1.0.0 1.1.0", "v 1.1.0 1.1.0", "v 1.0.1 1.1.0")
	add("v", "1.2.0", "1.0.1")
	check("w 9.0.0 9.0.0", "v 1.0.0 1.0.1", "v 1.1.0 1.0.1", "v 1.0.1 1.0.1", "v 1.2.0 1.0.1")
	if len(m.Updates[1].Waves) != 0 {
		t.Error("a new release has waves")
	}
	if err := m.Add(m.Updates[1]); !errors.Is(err, ErrExists) {
		t.Errorf("added twice: %v", err)
	}
	if err := m.Remove("v", "x86_64", version(t, "1.1.0")); err != nil {
		t.Error(err)
	}
	if err := m.Remove("v", "x86_64", version(t, "1.1.0")); !errors.Is(err, ErrNoRelease) {
		t.Errorf("removed twice: %v", err)
	}
	if n := m.SetMaxVersion(version(t, "5.0.0"), "", ""); n != 4 || m.Updates[0].MaxVersion != version(t, "5.0.0") {
		t.Errorf("%d were changed: %v", n, maxima())
	}
	n, err := m.SetWaves("v", "x86_64", version(t, "1.0.0"), named(t, "default"))
	if err != nil || n != 1 || len(m.Updates[1].Waves) != 7 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := m.SetWaves("v", "aarch64", version(t, "1.0.0"), nil); !errors.Is(err, ErrNoRelease) {
		t.Errorf("waves of no release: %v", err)
	}
}

func TestParseRelease(t *testing.T) {
	r, err := ParseRelease([]byte("version = \"1.26.1\"\n[migrations]\n\"(1.25.0, 1.26.0)\" = []\n\"(1.24.1, 1.25.0)\" = [\"m.lz4\"]\n"))
	want := Release{version(t, "1.26.1"), []Migration{
		{version(t, "1.24.1"), version(t, "1.25.0"), []string{"m.lz4"}},
		{version(t, "1.25.0"), version(t, "1.26.0"), []string{}},
	}}
	if diff := cmp.Diff(r, want, equal); err != nil || diff != "" {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"version = \"x\"": "Invalid version string 'x'",
		"version = \"1.0.0\"\n[migrations]\nx = []":                                              "Could not parse OS versions: x",
		"version = \"1.0.0\"\n[migrations]\n\"(1.0.0, 1.1.0)\" = []\n\"(1.0.0,1.1.0)\" = [\"\"]": "Duplicate version key: (1.0.0, 1.1.0)",
		"version = 1": "parse release file",
	} {
		if _, err := ParseRelease([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseRelease(f *testing.F) {
	f.Add([]byte("version = \"1.26.1\"\n[migrations]\n\"(1.25.0, 1.26.0)\" = []\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseRelease(text)
		if err != nil {
			return
		}
		m := Manifest{Migrations: r.Migrations}
		if out, err := m.Format(); err == nil {
			if _, err := Parse(out); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		}
	})
}
