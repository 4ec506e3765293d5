package model

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadBoot(t *testing.T) {
	text := `groups = ["motd"]
userdata.lenient = true
userdata.providers = ["local-user-data"]
userdata.imds-timeout = "30s"
[generators]
timeout = "5s"
parallel = 2
[boot]
phases = ["generators"]
`
	got, err := ReadBoot(fstest.MapFS{"variants/v.toml": {Data: []byte(text)}}, "v")
	if err != nil {
		t.Fatal(err)
	}
	want := Boot{
		Providers: []string{"local-user-data"}, Lenient: true, IMDSTimeout: 30 * time.Second,
		Deadline: 5 * time.Second, Parallel: 2, Phases: []string{"generators"},
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("boot differs (-got +want):\n%s", d)
	}
}

func TestReadBootRefuses(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"userdata = 1", "variants/v.toml:1: userdata: it must be a table"},
		{"[userdata]\nlenient = 1", "variants/v.toml:2: userdata.lenient: it must be true or false"},
		{"[userdata]\nproviders = \"x\"", "it must be a list of names of providers"},
		{"[userdata]\nlazy = true", "the table [userdata] has no such member"},
		{"[generators]\ntimeout = \"2h\"", "generators.timeout: it must be a duration"},
		{"[generators]\nparallel = 0", "it must be a number from 1 to 256"},
		{"[boot]\nphases = 1", "it must be a list of names of phases"},
	} {
		_, err := ReadBoot(fstest.MapFS{"variants/v.toml": {Data: []byte(tc.text)}}, "v")
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: got %v, want %q in it", tc.text, err, tc.want)
		}
	}
	if _, err := ReadBoot(fstest.MapFS{}, "../v"); err == nil {
		t.Error("a path as the name of a variant was taken")
	}
}
