package repo_test

import (
	"slices"
	"strings"
	"testing"
)

// Only these packages may import these libraries. Tests and benchmarks may too:
// they are compared with the bare library.
var wrapped = []struct {
	library string
	by      []string
	because string
}{
	{"go.etcd.io/bbolt", []string{"internal/datastore"}, "what is durable and when is decided in one place"},
	{"github.com/theupdateframework/go-tuf", []string{"internal/tufrepo"}, "it is heavy, and its defaults need guarding"},
	{"github.com/coreos/go-systemd/v22/dbus", []string{"internal/service"}, "restarts go through one door"},
	{"github.com/godbus/dbus", []string{"internal/service"}, "restarts go through one door"},
	{"github.com/go-chi/chi", []string{"internal/api/server"}, "the route table is the server's"},
	{"github.com/santhosh-tekuri/jsonschema", []string{"internal/model"}, "only the model knows that schemas check it"},
	{"github.com/nlnwa/whatwg-url", []string{"internal/model", "internal/template"}, "a scalar type of the model and a template helper read URLs as the reference does"},
	{"github.com/klauspost/compress", []string{"internal/userdata"}, "what decompresses bytes from outside has its limits beside it"},
	{"github.com/tidwall/btree", []string{"internal/datastore"}, "how snapshots share memory is the store's affair"},
}

// None of a program's packages, however deep, may be one of these.
var unlinked = []struct {
	program string
	never   []string
	because string
}{
	{
		"cmd/apiclient",
		[]string{"go.etcd.io/bbolt", "github.com/theupdateframework/go-tuf", "github.com/go-chi/chi", module + "/internal/apply", module + "/internal/datastore"},
		"the client only speaks to the socket; containers carry it",
	},
	{
		"cmd/schnauzer",
		[]string{"go.etcd.io/bbolt", "github.com/theupdateframework/go-tuf", "github.com/coreos/go-systemd"},
		"a renderer needs neither the store nor systemd",
	},
	{
		"internal/api/client",
		[]string{"github.com/spf13/cobra", module + "/internal/api/server", module + "/internal/model"},
		"other programs use it as a library",
	},
}

// The leaves of the import graph import the standard library and what is named here.
var leaves = []struct {
	pkg  string
	also []string
}{
	{"internal/key", nil},
	{"internal/paths", nil},
	{"internal/durable", []string{"golang.org/x/sys/unix"}},
	{"internal/api", []string{module + "/internal/key"}},
}

// Adapters reach one technology each; what combines them is apply and the programs.
var adapters = []string{
	"internal/datastore", "internal/service", "internal/template", "internal/api/client",
	"internal/userdata", "internal/tufrepo", "internal/gpt", "internal/memexec",
}

// internal/model is next to the adapters: settings and templates know it, it knows none of them.
var below = map[string][]string{
	"internal/model":     append([]string{"internal/apply", "internal/api/server"}, adapters...),
	"internal/apply":     {"internal/api/server", "internal/api/client", "internal/cli"},
	"internal/datastore": {"internal/apply", "internal/api/server", "internal/model", "internal/cli"},
	"internal/template":  {"internal/apply", "internal/api/server", "internal/cli"},
	"internal/service":   {"internal/apply", "internal/api/server", "internal/model", "internal/cli"},
}

func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func isTest(p goPackage) bool { return within(p.short(), "test") }

func TestWrappedLibraries(t *testing.T) {
	packages := ours(t)
	for _, rule := range wrapped {
		for _, p := range packages {
			if isTest(p) || slices.Contains(rule.by, p.short()) {
				continue
			}
			for _, imported := range p.Imports {
				if within(imported, rule.library) {
					t.Errorf("%s imports %s, only %v may: %s", p.short(), imported, rule.by, rule.because)
				}
			}
		}
	}
}

func TestUnlinked(t *testing.T) {
	packages := ours(t)
	for _, rule := range unlinked {
		i := slices.IndexFunc(packages, func(p goPackage) bool { return p.short() == rule.program })
		if i < 0 {
			t.Errorf("no package %s: mend the rule", rule.program)
			continue
		}
		for _, dep := range packages[i].Deps {
			if slices.ContainsFunc(rule.never, func(never string) bool { return within(dep, never) }) {
				t.Errorf("%s links %s: %s", rule.program, dep, rule.because)
			}
		}
	}
}

func TestLeaves(t *testing.T) {
	packages := ours(t)
	for _, leaf := range leaves {
		for _, p := range packages {
			if p.short() != leaf.pkg {
				continue
			}
			for _, imported := range p.Imports {
				if strings.Contains(imported, ".") && !slices.Contains(leaf.also, imported) {
					t.Errorf("%s imports %s, but may import only the standard library and %v", leaf.pkg, imported, leaf.also)
				}
			}
		}
	}
}

func TestDirections(t *testing.T) {
	for _, p := range ours(t) {
		for _, imported := range p.Imports {
			short := strings.TrimPrefix(imported, module+"/")
			switch {
			case slices.Contains(adapters, p.short()) && slices.Contains(adapters, short):
				t.Errorf("%s imports %s: adapters do not import each other; apply and the programs combine them", p.short(), short)
			case slices.Contains(below[p.short()], short):
				t.Errorf("%s imports %s, which is above it: see docs/ARCHITECTURE.md", p.short(), short)
			case within(p.short(), "internal") && within(short, "cmd"):
				t.Errorf("%s imports %s: programs are not libraries", p.short(), short)
			case !isTest(p) && within(short, "test") && within(imported, module):
				t.Errorf("%s imports %s: only tests may", p.short(), short)
			}
		}
	}
}
