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
	{"github.com/theupdateframework/go-tuf", nil, "it judges in tests; linked, it brings 4 MiB of sigstore and protobuf"},
	{"github.com/coreos/go-systemd/v22/dbus", []string{"internal/service"}, "restarts go through one door"},
	{"github.com/godbus/dbus", []string{"internal/service"}, "restarts go through one door"},
	{"github.com/go-chi/chi", []string{"internal/api/server"}, "the route table is the server's"},
	{"github.com/santhosh-tekuri/jsonschema", nil, "it judges in tests; at every start of every program it costs 4 ms"},
	{"github.com/nlnwa/whatwg-url", []string{"internal/model", "internal/template"}, "a scalar type of the model and a template helper read URLs as the reference does"},
	{"github.com/klauspost/compress", []string{"internal/migrate", "internal/userdata", "internal/update/delta", "internal/update/image", "internal/update/pack"}, "what decompresses bytes from outside has its limits beside it"},
	{"github.com/pierrec/lz4", []string{"internal/migrate", "internal/migrate/migratetest", "internal/update/image", "internal/update/pack", "internal/update/updatetest"}, "what decompresses bytes from outside has its limits beside it"},
	{"github.com/tidwall/btree", []string{"internal/datastore"}, "how snapshots share memory is the store's affair"},
	{"github.com/aymanbagabas/go-udiff", []string{"internal/apply"}, "plans alone have diffs"},
	{"github.com/goccy/go-yaml", nil, "it judges in tests; what we print is a walk over tokens"},
}

// None of a program's packages, however deep, may be one of these.
var unlinked = []struct {
	program string
	never   []string
	because string
}{
	{
		"cmd/apiclient",
		[]string{
			"go.etcd.io/bbolt", "github.com/theupdateframework/go-tuf", "github.com/go-chi/chi", module + "/internal/schema",
			module + "/internal/apply", module + "/internal/datastore", module + "/internal/model", module + "/internal/tufrepo", module + "/internal/update",
		},
		"the client only speaks to the socket; containers carry it, and scripts start it often",
	},
	{
		"cmd/schnauzer",
		[]string{"go.etcd.io/bbolt", "github.com/theupdateframework/go-tuf", "github.com/coreos/go-systemd"},
		"a renderer needs neither the store nor systemd",
	},
	{
		"cmd/hostler",
		[]string{module + "/internal/pubsys", module + "/internal/tufrepo/publish", module + "/internal/tufrepo/signer", module + "/internal/update/pack"},
		"keys and publishing are no affair of hosts",
	},
	{
		"internal/api/client",
		[]string{"github.com/spf13/cobra", module + "/internal/api/server", module + "/internal/model"},
		"other programs use it as a library",
	},
}

// rooms says which packages below internal each of them may import: whoever wants more
// asks first whether the thing is in the right room. They stand from the ground
// up, so that a room imports only what stands above it in this list. Programs
// are at the end; they wire the rooms together.
//
// embedded stands for the module's own root, which holds what the image brings.
var rooms = []struct {
	name string
	may  []string
}{
	{"key", nil},
	{"paths", nil},
	{"shellwords", nil},
	{"excerpt", nil},
	{"durable", nil},
	{"durable/durabletest", []string{"durable"}},
	{"nearest", nil},
	{"api", nil}, // plain data: no technology, no rules
	{"cli", []string{"api"}},
	{"cli/clihelp", []string{"api", "cli", "nearest"}},
	{"cli/clitest", nil},
	{"cli/clidoc", nil},
	{"osrelease", []string{"durable", "paths"}},
	{"memexec", nil},

	// Adapters reach one technology each and do not know each other.
	{"schema", nil},
	{"calendar", nil},
	{"model", []string{"api", "calendar", "key", "nearest", "schema"}},
	{"datastore/boltfile", nil},
	{"datastore", []string{"api", "datastore/boltfile", "durable", "key"}},
	{"template", nil},
	{"template/hostfacts", []string{"paths", "template"}},
	{"service", []string{"durable", "excerpt"}},
	{"gpt", []string{"durable"}},
	{"gpt/gpttest", []string{"durable/durabletest"}},
	{"slot", []string{"api", "durable", "gpt", "paths"}},
	{"verity", nil},
	{"tufrepo", []string{"api", "durable"}},
	{"tufrepo/tufrepotest", nil},
	{"tufrepo/signer", []string{"durable", "excerpt", "tufrepo"}},
	{"tufrepo/publish", []string{"durable", "tufrepo", "tufrepo/signer"}},
	{"refstore", []string{"durable", "key"}},
	{"refstore/refstoretest", nil},
	{"update/manifest", []string{"api"}},
	{"update/image", nil},
	{"update/delta", nil},
	{"update/pack", nil},
	{"bootlog", []string{"api", "durable", "paths"}},
	{"userdata", []string{"api", "durable", "excerpt", "key", "model", "paths"}},
	{"generate", []string{"api", "cli", "excerpt", "key", "shellwords"}},
	{"api/client", []string{"api", "key", "paths"}},

	{"apply", []string{"api", "datastore", "durable", "key", "model", "paths", "service", "template"}},
	{"api/server", []string{"api", "apply", "datastore", "durable", "key", "model", "osrelease"}},

	{"update/journal", []string{"api", "durable", "paths", "slot"}},
	{"update", []string{"api", "durable", "osrelease", "paths", "slot", "tufrepo", "update/delta", "update/image", "update/journal", "update/manifest"}},
	{"health", []string{"api", "api/client", "bootlog", "durable", "paths", "service", "slot"}},
	{"reboot", []string{"api", "service"}},
	{"updater", []string{"api", "calendar", "durable", "osrelease", "paths", "slot", "update/journal"}},
	{"apiclient", []string{"api", "api/client", "cli", "cli/clidoc", "cli/clihelp", "key", "nearest", "paths"}},
	{"apiserver", []string{
		"api", "api/server", "apply", "bootlog", "calendar", "cli", "datastore", "durable", "key", "model", "nearest", "osrelease", "paths", "reboot", "service",
		"template/hostfacts", "update/journal", "updater", "userdata",
	}},
	{"schnauzer", []string{"api", "api/client", "cli", "cli/clihelp", "osrelease", "paths", "template", "template/hostfacts"}},
	{"lint", []string{embedded, "api", "cli", "cli/clihelp", "model", "paths", "userdata"}},
	{"sundog", []string{
		"api", "api/client", "bootlog", "cli", "cli/clihelp", "durable", "generate", "key", "lint", "model", "paths", "schnauzer", "userdata",
	}},
	{"signpost", []string{"api", "cli", "cli/clihelp", "nearest", "paths", "slot"}},
	{"refmigrate", []string{"durable", "key", "memexec", "migration", "refstore"}},
	{"migrate", []string{
		"api", "apply", "datastore", "durable", "key", "memexec", "migration", "model", "osrelease", "paths", "refmigrate", "tufrepo", "update/manifest",
	}},
	{"migrate/migratetest", []string{"api", "datastore", "durable", "key", "migrate", "paths", "tufrepo", "tufrepo/tufrepotest", "update/manifest"}},
	{"bootstage", []string{"cli", "durable", "slot", "verity"}},
	{"healthcheck", []string{"cli", "cli/clihelp", "health", "osrelease", "paths", "service", "slot", "update/journal"}},
	{"update/updatetest", []string{"migrate/migratetest", "paths", "slot", "tufrepo/tufrepotest", "update/manifest"}},
	{"tharbeupdates", []string{"api", "api/client", "cli", "durable", "migrate", "nearest", "osrelease", "paths", "service", "slot", "tufrepo", "update", "update/journal", "update/manifest", "updater"}},
	{"takeover", []string{"api", "datastore", "durable", "key", "model", "paths", "refstore"}},
	{"migrator", []string{
		"api", "bootlog", "calendar", "cli", "cli/clihelp", "datastore", "durable", "key", "migrate", "model", "osrelease", "paths", "refstore", "takeover",
		"update/journal", "update/manifest",
	}},
	{"sandbox", []string{ // it boots
		"api", "api/client", "apiserver", "cli", "cli/clihelp", "durable", "migrator", "model", "osrelease", "paths", "service", "slot", "sundog", "update/journal",
		"update/manifest",
	}},
	{"sandbox/sandboxtest", []string{embedded, "api/client", "cli/clitest", "paths", "sandbox"}},
	{"updog", []string{"api", "api/client", "cli", "cli/clihelp", "migrate", "nearest", "osrelease", "paths", "reboot", "signpost", "slot", "tufrepo", "update", "update/image", "update/journal", "update/manifest"}},
	{"updata", []string{"cli", "cli/clihelp", "durable", "update/manifest"}},
	{"pubsys", []string{
		"api", "cli", "cli/clidoc", "cli/clihelp", "durable", "model", "tufrepo", "tufrepo/publish", "tufrepo/signer", "update", "update/delta",
		"update/manifest", "update/pack",
	}},
	{"hostler", []string{embedded, "apiclient", "apiserver", "cli", "cli/clihelp", "healthcheck", "lint", "migrator", "nearest", "paths", "sandbox", "schnauzer", "signpost", "sundog", "tharbeupdates", "updog"}},
}

const embedded = ""

// public packages are imported by other modules. Of ours they may use what is
// named here, and their exported names must not show it.
var public = map[string][]string{
	"migration":               {"internal/cli", "internal/key"},
	"migration/migrationtest": {"migration"},
	"migration/render":        {"internal/key", "internal/shellwords", "internal/template", "migration"},

	"examples/migrations/v1.3.0/ntp-servers": {"migration"},
	"demo/migration":                         {"migration"},
}

// plain rooms link no library but the standard one and what is named here.
var plain = map[string][]string{
	"internal/key":     nil,
	"internal/paths":   nil,
	"internal/api":     nil,
	"internal/durable": {"golang.org/x/sys/unix"},
	"migration":        {"github.com/go-json-experiment/json/jsontext"},
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

func TestPlainRooms(t *testing.T) {
	for _, p := range ours(t) {
		also, ok := plain[p.short()]
		for _, imported := range p.Imports {
			if ok && strings.Contains(imported, ".") && !within(imported, module) && !slices.Contains(also, imported) {
				t.Errorf("%s imports %s, but may import only the standard library and %v", p.short(), imported, also)
			}
		}
	}
}

func TestRooms(t *testing.T) {
	may := map[string][]string{}
	architecture := read(t, "docs/ARCHITECTURE.md")
	for _, room := range rooms {
		if !strings.Contains(architecture, "`internal/"+room.name+"`") {
			t.Errorf("docs/ARCHITECTURE.md does not say what internal/%s is for", room.name)
		}
		for _, other := range room.may {
			_, known := may[other]
			_, isPublic := public[other]
			if !known && !isPublic && other != embedded {
				t.Errorf("the table lets %s import %s, which stands below it or nowhere", room.name, other)
			}
		}
		may[room.name] = room.may
	}
	for _, p := range ours(t) {
		name, ok := strings.CutPrefix(p.short(), "internal/")
		if !ok {
			continue
		}
		allowed, known := may[name]
		if !known {
			t.Errorf("%s is not in the table of rooms: add it, and to docs/ARCHITECTURE.md", p.short())
			continue
		}
		for _, imported := range p.Imports {
			short, is := shortName(imported)
			if is && !slices.Contains(allowed, strings.TrimPrefix(short, "internal/")) {
				t.Errorf("%s imports %s, which the table of rooms does not let it", p.short(), short)
			}
		}
	}
}

func TestPublicPackages(t *testing.T) {
	for _, p := range ours(t) {
		if within(p.short(), "internal") || within(p.short(), "cmd") || isTest(p) || p.short() == embedded {
			continue
		}
		allowed, known := public[p.short()]
		if !known {
			t.Errorf("%s can be imported by other modules, but is not in the table of public packages", p.short())
		}
		for _, imported := range p.Imports {
			if short, is := shortName(imported); is && !slices.Contains(allowed, short) {
				t.Errorf("%s imports %s, which the table of public packages does not let it", p.short(), short)
			}
		}
		checkExported(t, p)
	}
}

// Programs are not libraries, and only tests may import what is for tests.
func TestNobodyImports(t *testing.T) {
	for _, p := range ours(t) {
		for _, imported := range p.Imports {
			short, is := shortName(imported)
			if is && (within(short, "cmd") || within(short, "test") && !isTest(p)) {
				t.Errorf("%s imports %s", p.short(), short)
			}
		}
	}
}

// shortName is an import path below the module; false for one of somebody else.
func shortName(imported string) (string, bool) {
	return goPackage{ImportPath: imported}.short(), within(imported, module)
}
