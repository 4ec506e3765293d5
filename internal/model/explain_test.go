package model_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

func TestExplain(t *testing.T) {
	m := load(t, "metal-dev")
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	for _, want := range []api.Explanation{
		{
			Key: "settings.kernel.lockdown", Type: "Lockdown", Rule: "none, integrity or confidentiality.",
			Values:   []json.RawMessage{raw(`"none"`), raw(`"integrity"`), raw(`"confidentiality"`)},
			Examples: []json.RawMessage{raw(`"integrity"`)}, Default: raw(`"integrity"`),
			Services: []string{"lockdown"}, Files: []string{"/etc/corndog.toml"},
		},
		{
			Key: "settings.ntp", Type: "object", Children: []string{"time-servers", "options"},
			Default:  raw(`{"options":["iburst"],"time-servers":["2.amazon.pool.ntp.org"]}`),
			Services: []string{"ntp"}, Files: []string{"/etc/chrony.conf"},
		},
		{
			Key: "settings.kernel", Type: "object", Children: []string{"lockdown", "modules", "sysctl"},
			Default:  raw(`{"lockdown":"integrity"}`),
			Services: []string{"lockdown", "kernel-modules", "sysctl"},
			Files:    []string{"/etc/corndog.toml", "/etc/modprobe.d/modprobe.conf", "/etc/modules-load.d/modules-load.conf"},
		},
		{
			Key: "settings.pki", Type: "map of object", Rule: "Each name: 1 to 76 ASCII letters, digits and hyphens.",
			Examples: []json.RawMessage{raw(`{"my-ca":{"trusted":true}}`)}, Children: []string{"<NAME>"},
			Services: []string{"pki", "docker"}, Files: []string{"/etc/certdog.toml", "/etc/docker/daemon.json", "/etc/network/proxy.env"},
		},
		{
			Key: "settings.updates.seed", Type: "u32", Rule: "A whole number from 0 to 4294967295.",
			Examples: []json.RawMessage{raw(`512`)}, Generator: raw(`"bork seed"`),
			Services: []string{"updog", "thar-be-updates"}, Files: []string{"/etc/thar-be-updates.toml", "/etc/updog.toml"},
		},
		{
			Key: "settings.boot.kernel.console", Type: "array of BootConfigValue",
			Rule: "Each element: Printable ASCII that does not hold both kinds of quotes.", Services: []string{"bootconfig"}, Files: []string{"/etc/prairiedog.toml"},
		},
	} {
		got, err := m.Explain(key.Key(want.Key))
		if err != nil || got.Description == "" {
			t.Errorf("%s: description %q, %v", want.Key, got.Description, err)
			continue
		}
		if names := memberNames(got.Members); !slices.Equal(names, want.Children) {
			t.Errorf("%s: members %q", want.Key, names)
		}
		got.Description, got.Members = "", nil
		if diff := cmp.Diff(got, &want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", want.Key, diff)
		}
	}
	if e, err := m.Explain("settings.ntp"); err != nil || e.Members[1].Summary != "Options of chrony that are given to every server." {
		t.Errorf("members: %+v, %v", e.Members, err)
	}
	if e, err := m.Explain("settings.updates.ignore-waves"); err != nil || len(e.Values) != 2 || string(e.Values[0]) != "true" {
		t.Errorf("values of a boolean: %+v, %v", e, err)
	}
	if e, err := m.Explain("settings.boot.kernel-parameters.x"); err != nil || e.Key != "settings.boot.kernel.x" {
		t.Errorf("alias: %+v, %v", e, err)
	}
	if _, err := m.Explain("settings.mtod"); err == nil || hints(t, err) != "did you mean settings.motd?" {
		t.Errorf("unknown key: %v", err)
	}
}

func memberNames(members []api.Member) []string {
	var names []string
	for _, m := range members {
		names = append(names, m.Name)
	}
	return names
}
