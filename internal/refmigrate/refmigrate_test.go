package refmigrate_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pierrec/lz4/v4"

	"github.com/hostler-os/hostler/internal/memexec"
	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/internal/refmigrate"
	"github.com/hostler-os/hostler/internal/refstore"
	"github.com/hostler-os/hostler/internal/refstore/refstoretest"
	"github.com/hostler-os/hostler/migration"
)

// load loads a compressed executable; the name says what it does.
func load(t *testing.T, name string, packed []byte) *memexec.Program {
	t.Helper()
	p, err := memexec.Load(name, lz4.NewReader(bytes.NewReader(packed)), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func parse(t *testing.T, text string) *migration.Document {
	t.Helper()
	doc, err := migration.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	doc.OS = migration.OS{PrettyName: `Test "1"`, VariantID: "metal-dev", VersionID: "1.1.0", BuildID: "abc", Arch: "x86_64"}
	return doc
}

func text(t *testing.T, doc *migration.Document) string {
	t.Helper()
	out, err := doc.Append(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// run lets one of the test's migrations migrate a document.
func run(t *testing.T, kind string, d migration.Direction, doc *migration.Document) (refmigrate.Outcome, error) {
	t.Helper()
	m := refmigrate.Migration{
		Program: load(t, "migrate_v1.1.0_ref-"+kind+".lz4", migratetest.Reference(t)), Direction: d,
		Sandbox: memexec.Sandbox{Limits: memexec.Limits{Time: 30 * time.Second, Memory: 256 << 20}},
	}
	return refmigrate.Run(t.Context(), m, doc)
}

func TestIs(t *testing.T) {
	for want, packed := range map[bool][]byte{true: migratetest.Reference(t), false: migratetest.Guest(t)} {
		if got, err := refmigrate.Is(load(t, "program", packed)); got != want || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	empty, err := memexec.Load("empty", strings.NewReader(""), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if got, err := refmigrate.Is(empty); got || err != nil {
		t.Errorf("an empty one: %v, %v", got, err)
	}
}

func TestDocuments(t *testing.T) {
	const forward, backward = migration.Forward, migration.Backward
	tests := []struct {
		name, kind   string
		direction    migration.Direction
		before, want string
	}{
		{
			"what nobody names stays as it is written", "noop", forward,
			`{"version":1,"from":"1","to":"2","live":{"data":{"services.a.b":[ 1.0e2 , "<\u00fc>" ],"settings.\"x.y\".a/b":{"b":1,"a":2},"settings.n":12345678901234567},` +
				`"layers":{"services.a.b":"user","settings.\"x.y\".a/b":"generated","settings.n":"user-data"},"metadata":{"settings":{"m":[1, 2]}},"more":1},"member":{"x": 1}}`, "",
		},
		{
			"every part is migrated, and layers stay", "motd", forward,
			`{"version":1,"from":"1","to":"2","live":{"data":{"settings.motd":"a"},"layers":{"settings.motd":"user-data"}},` +
				`"shadowed":{"generated":{"data":{"settings.motd":"b"}}},"pending":{"shadowed-generated":{"data":{"settings.motd":"c"}},"t x":{"data":{"settings.motd":"d"}},"void":{"data":{}}}}`,
			`{"version":1,"from":"1","to":"2","live":{"data":{"settings.motd":"a+"},"layers":{"settings.motd":"user-data"}},` +
				`"shadowed":{"generated":{"data":{"settings.motd":"b+"}}},"pending":{"shadowed-generated":{"data":{"settings.motd":"c+"}},"t x":{"data":{"settings.motd":"d+"}},"void":{"data":{}}}}`,
		},
		{
			"a new key is the user's", "rename", forward,
			`{"version":1,"from":"1","to":"2","live":{"data":{"settings.old":"a"},"layers":{"settings.old":"generated"}}}`,
			`{"version":1,"from":"1","to":"2","live":{"data":{"settings.motd":"a"},"layers":{"settings.motd":"user"}}}`,
		},
		{
			"removed", "remove", forward,
			`{"version":1,"from":"1","to":"2","live":{"data":{"settings.dns.search-list":["x"],"settings.dnsx":1},"layers":{"settings.dns.search-list":"user","settings.dnsx":"user"}}}`,
			`{"version":1,"from":"1","to":"2","live":{"data":{"settings.dnsx":1},"layers":{"settings.dnsx":"user"}}}`,
		},
		{
			"added, and gone on the way back", "add", backward,
			`{"version":1,"from":"2","to":"1","live":{"data":{"settings.dns.search-list":["x"]},"layers":{"settings.dns.search-list":"user"}}}`,
			`{"version":1,"from":"2","to":"1","live":{"data":{}}}`,
		},
		{
			"weak ones go with their strength", "weak", forward,
			`{"version":1,"from":"1","to":"2","live":{"data":{"settings.a":1,"settings.b":2},"layers":{"settings.a":"user","settings.b":"user"},"metadata":{"settings.a":{"other":1,"strength":"weak"},"settings.b":{"strength":"strong"}}}}`,
			`{"version":1,"from":"1","to":"2","live":{"data":{"settings.b":2},"layers":{"settings.b":"user"},"metadata":{"settings.a":{"other":1},"settings.b":{"strength":"strong"}}}}`,
		},
		{
			"metadata of a key that has no value", "metadata", forward,
			`{"version":1,"from":"1","to":"2","live":{"data":{}}}`,
			`{"version":1,"from":"1","to":"2","live":{"data":{},"metadata":{"settings.motd":{"setting-generator":"new"}}}}`,
		},
		{
			"metadata on the way back", "metadata", backward,
			`{"version":1,"from":"2","to":"1","live":{"data":{},"metadata":{"settings.motd":{"setting-generator":"new"}}}}`,
			`{"version":1,"from":"2","to":"1","live":{"data":{}}}`,
		},
		{
			"what is told of the image is no setting", "noop", forward,
			`{"version":1,"from":"1","to":"2","live":{"data":{"os.arch":"mine"},"layers":{"os.arch":"user"}}}`, "",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			doc := parse(t, test.before)
			if _, err := run(t, test.kind, test.direction, doc); err != nil {
				t.Fatal(err)
			}
			want := test.want
			if want == "" {
				want = text(t, parse(t, test.before))
			}
			if diff := cmp.Diff(text(t, doc), want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The recorded host's datastore comes back as it was, whatever the program
// makes of its texts on the way.
func TestRecordedDatastore(t *testing.T) {
	s, err := refstore.Read(refstoretest.Unpack(t, "../.."))
	if err != nil {
		t.Fatal(err)
	}
	doc := migration.NewDocument("1.0.0", "1.1.0")
	fill := func(into *migration.Store, part refstore.Part) {
		for _, d := range part.Data {
			err = errors.Join(err, into.SetRaw(string(d.Key), d.Value))
		}
		for _, m := range part.Metadata {
			err = errors.Join(err, into.SetMetadata(string(m.Key), m.Name, m.Value))
		}
	}
	fill(doc.Live, s.Live)
	for name, part := range s.Pending {
		doc.Pending[name] = migration.NewStore()
		fill(doc.Pending[name], part)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := text(t, doc)
	doc = parse(t, before)
	if doc.Live.Len() < 50 || len(doc.Live.MetadataKeys()) < 10 {
		t.Fatalf("there are only %d settings", doc.Live.Len())
	}
	if _, err := run(t, "noop", migration.Forward, doc); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text(t, doc), before); diff != "" {
		t.Error(diff)
	}
}

func TestWhatItSays(t *testing.T) {
	doc := parse(t, `{"version":1,"from":"1","to":"2","live":{"data":{"settings.motd":"secret"},"layers":{"settings.motd":"user"}}}`)
	out, err := run(t, "say", migration.Forward, doc)
	if err != nil || out.Message != "on Test \"1 1.1.0\n" || len(out.Output) > 0 {
		t.Errorf("got %q, %q, %v", out.Message, out.Output, err)
	}
}

// Files whose names are no keys are passed over, as the reference does.
func TestIgnored(t *testing.T) {
	for kind, file := range map[string]string{"junk": "live/settings/%zz", "twice": "live/settings/mot%64"} {
		doc := parse(t, `{"version":1,"from":"1","to":"2","live":{"data":{"settings.motd":"a"},"layers":{"settings.motd":"user"}}}`)
		before := text(t, doc)
		out, err := run(t, kind, migration.Forward, doc)
		if err != nil || len(out.Ignored) != 1 || out.Ignored[0] != file || text(t, doc) != before {
			t.Errorf("%s: got %q, %v, %s", kind, out.Ignored, err, text(t, doc))
		}
	}
}

func TestBadAnswers(t *testing.T) {
	tests := []struct{ kind, want string }{
		{"nothing", "it has written no datastore"},
		{"nolive", "its folder live is missing"},
		{"text", "live/settings/motd: the value is not JSON"},
		{"latin", "value of settings.motd is not JSON"},
		{"large", "live/settings/motd: it has more than 4194304 bytes"},
		{"begin", `it wrote a transaction "mine", which nobody has begun`},
	}
	for _, test := range tests {
		doc := parse(t, `{"version":1,"from":"1","to":"2","live":{"data":{"settings.motd":"a"},"layers":{"settings.motd":"user"}}}`)
		if _, err := run(t, test.kind, migration.Forward, doc); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v", test.kind, err)
		}
	}
}

// What a program can try, and what stops it.
func TestForbidden(t *testing.T) {
	tests := []struct{ kind, want string }{
		{"outside", "denied"},
		{"source", "denied"},
		{"up", "no such file"},
		{"symlink", "not permitted"},
		{"fifo", "not permitted"},
		{"device", "not permitted"},
		{"hardlink", "not permitted"},
		{"execute", "no such file"},
		{"network", "not permitted"},
		{"mount", "not permitted"},
		{"chroot", "not permitted"},
		{"huge", "no space left"},
		{"fill", "no space left"},
		{"eat", "out of memory"},
	}
	for _, test := range tests {
		doc := parse(t, `{"version":1,"from":"1","to":"2","live":{"data":{"settings.motd":"a"},"layers":{"settings.motd":"user"}}}`)
		_, err := run(t, test.kind, migration.Forward, doc)
		exit, failed := errors.AsType[*memexec.ExitError](err)
		if !failed || !strings.Contains(exit.Message, test.want) {
			t.Errorf("%s: got %v, %+v", test.kind, err, exit)
		}
	}
	if _, err := os.Stat("/escaped"); err == nil {
		t.Error("a file was written outside")
	}
}

func TestUnwritable(t *testing.T) {
	tests := []struct{ document, want string }{
		{`{"version":1,"live":{"data":{"settings.a":1,"settings.a.b":2}}}`, "settings/a has a value, and so has"},
		{`{"version":1,"live":{"data":{}},"pending":{"":{"data":{}}}}`, "a transaction has no name"},
	}
	for _, test := range tests {
		if _, err := run(t, "noop", migration.Forward, parse(t, test.document)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v", test.document, err)
		}
	}
}

// Programs keep room for what they write, however much there is.
func TestManySettings(t *testing.T) {
	doc := migration.NewDocument("1", "2")
	doc.OS = parse(t, `{"version":1,"live":{"data":{}}}`).OS
	for i := range 10_000 {
		if err := doc.Live.Set(fmt.Sprintf("settings.group%d.key%d", i%100, i), i); err != nil {
			t.Fatal(err)
		}
	}
	before := text(t, doc)
	doc = parse(t, before)
	out, err := run(t, "noop", migration.Forward, doc)
	if err != nil || text(t, doc) != before {
		t.Errorf("got %v\n%s", err, out.Message)
	}
}
