package update

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const wholeConfig = `metadata_base_url = "https://example.com/2020-07-07/"
targets_base_url = "https://example.com/targets/"
seed = 1234
version_lock = "latest"
ignore_waves = true
https_proxy = "http://proxy:3128"
no_proxy = ["localhost", ".internal"]
unknown = 1
`

func TestParseConfig(t *testing.T) {
	got, err := ParseConfig([]byte(wholeConfig))
	want := Config{
		"https://example.com/2020-07-07/", "https://example.com/targets/", 1234, "latest", true,
		"http://proxy:3128",
		[]string{"localhost", ".internal"},
	}
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
	if p := got.proxy(); p == nil || p.URL != "http://proxy:3128" || len(p.No) != 2 {
		t.Errorf("proxy %+v", p)
	}
	for _, key := range []string{"metadata_base_url", "targets_base_url", "seed", "version_lock", "ignore_waves"} {
		_, err := ParseConfig([]byte(strings.Replace(wholeConfig, key, "x_"+key, 1)))
		if err == nil || err.Error() != "missing field `"+key+"`" {
			t.Errorf("without %s: %v", key, err)
		}
	}
	for _, bad := range []string{"seed = -1", "seed = 4294967296", "seed = \"1\"", "seed = 1.5"} {
		if _, err := ParseConfig([]byte(strings.Replace(wholeConfig, "seed = 1234", bad, 1))); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	if c, err := ParseConfig([]byte(strings.Replace(wholeConfig, "http://proxy:3128", "", 1))); err != nil || c.proxy() != nil {
		t.Errorf("an empty proxy: %v, %v", c.proxy(), err)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(wholeConfig))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := ParseConfig(text); err == nil && c.HTTPSProxy == "" && c.proxy() != nil {
			t.Error("a proxy out of nothing")
		}
	})
}
