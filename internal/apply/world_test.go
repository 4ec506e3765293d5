package apply_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
)

// A small model: demo has plain settings, vault has a secret.
var share = fstest.MapFS{
	"models/types.json": text(`{"$defs": {"Text": {"type": "string", "description": "any text"}}}`),
	"models/demo/schema.json": text(`{"type": "object", "description": "d", "additionalProperties": false, "properties": {
		"a": {"$ref": "../types.json#/$defs/Text", "description": "a"},
		"b": {"$ref": "../types.json#/$defs/Text", "description": "b"},
		"c": {"$ref": "../types.json#/$defs/Text", "description": "c"},
		"need": {"$ref": "../types.json#/$defs/Text", "description": "without it the file need cannot be rendered"},
		"none": {"$ref": "../types.json#/$defs/Text", "description": "concerns no service"}}}`),
	"models/vault/schema.json": text(`{"type": "object", "description": "v", "additionalProperties": false, "properties": {
		"password": {"$ref": "../types.json#/$defs/Text", "description": "p", "x-secret": true},
		"name": {"$ref": "../types.json#/$defs/Text", "description": "n"}}}`),
	"models/demo/defaults.toml":  text(``),
	"models/vault/defaults.toml": text(``),
	"variants/test.toml": text(`
groups = ["demo", "vault"]
[settings.demo]
a = "a0"
b = "b0"
need = "n0"
[metadata.settings.demo]
affected-services = ["two", "one"]
[metadata.settings.demo.c]
affected-services = ["helper", "one"]
[metadata.settings.demo.need]
affected-services = ["need"]
[metadata.settings.demo.none]
affected-services = []
[metadata.settings.vault]
affected-services = ["vault", "one"]
[services.one]
configuration-files = ["one", "shared"]
restart-commands = ["systemctl restart one"]
[services.two]
configuration-files = ["two", "shared", "unit"]
restart-commands = ["systemctl restart two", "systemctl restart both"]
[services.helper]
configuration-files = ["helper"]
restart-commands = ["/usr/bin/helper", "systemctl restart both"]
[services.need]
configuration-files = ["need"]
restart-commands = []
[services.vault]
configuration-files = ["vault"]
restart-commands = ["/usr/bin/vault"]
[configuration-files.one]
path = "/etc/one"
template-path = "/usr/share/templates/one"
[configuration-files.two]
path = "/etc/deep/er/two"
template-path = "/usr/share/templates/two"
mode = "0600"
[configuration-files.shared]
path = "/etc/shared"
template-path = "/usr/share/templates/shared"
[configuration-files.unit]
path = "/etc/systemd/system/two.service.d/x.conf"
template-path = "/usr/share/templates/two"
[configuration-files.helper]
path = "/etc/helper"
template-path = "/usr/share/templates/helper"
[configuration-files.need]
path = "/etc/need"
template-path = "/usr/share/templates/need"
[configuration-files.vault]
path = "/etc/vault"
template-path = "/usr/share/templates/vault"
mode = "600"
`),
}

const front = "[required-extensions]\ndemo = \"v1\"\n+++\n"

var templates = fstest.MapFS{
	"one":    text(front + "a={{settings.demo.a}}\n"),
	"two":    text(front + "b={{settings.demo.b}}\n"),
	"shared": text(front + "a={{settings.demo.a}} b={{settings.demo.b}}\n"),
	"helper": text(front + "static\n"),
	"need":   text(front + "need={{settings.demo.need}}\n"),
	"vault":  text("[required-extensions]\nvault = \"v1\"\n+++\n{{#if settings.vault.password}}p={{settings.vault.password}}{{/if}} n={{#if settings.vault.name}}{{settings.vault.name}}{{/if}}\n"),
}

func text(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func testModel(t testing.TB) *model.Model {
	t.Helper()
	m, err := model.Load(share, "test")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// commands is a service.Manager that notes what it is told and does as told.
type commands struct {
	mu   sync.Mutex
	log  []string
	do   func(ctx context.Context, c service.Command) (string, error) // nil: succeed
	busy int
	most int // commands at the same time
}

func (s *commands) Run(ctx context.Context, c service.Command) (string, error) {
	line := c.Service + ": " + c.Line
	if c.Changed != nil {
		line += " [" + strings.Join(c.Changed, " ") + "]"
	}
	s.mu.Lock()
	s.log = append(s.log, line)
	s.busy++
	s.most = max(s.most, s.busy)
	do := s.do
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.busy--
		s.mu.Unlock()
	}()
	if do == nil {
		return "", nil
	}
	return do(ctx, c)
}

func (s *commands) DaemonReload(ctx context.Context) error {
	_, err := s.Run(ctx, service.Command{Line: "daemon-reload"})
	return err
}

func (s *commands) Close() error { return nil }

func (s *commands) set(do func(context.Context, service.Command) (string, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.do = do
}

// failing fails the commands with this line.
func failing(line string) func(context.Context, service.Command) (string, error) {
	return func(_ context.Context, c service.Command) (string, error) {
		if c.Line == line {
			return "words of " + line, errors.New("run '" + line + "': exited with status 1")
		}
		return "", nil
	}
}

func (s *commands) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return log
}

// world is an engine with everything around it.
type world struct {
	*apply.Engine
	root     paths.Root
	store    *datastore.Store
	model    *model.Model
	commands *commands
}

type option func(*apply.Config)

func onDisk(fsys durable.FS) option { return func(c *apply.Config) { c.Disk = fsys } }
func inBoot(id string) option       { return func(c *apply.Config) { c.BootID = id } }

func withTemplates(files fs.FS) option {
	return func(c *apply.Config) { c.Templates = files }
}

// open opens the world below root and recovers it.
func open(t testing.TB, root string, options ...option) *world {
	t.Helper()
	w := start(t, root, options...)
	if err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func start(t testing.TB, root string, options ...option) *world {
	t.Helper()
	w := &world{root: paths.Root(root), model: testModel(t), commands: &commands{}}
	store, err := datastore.Open(w.root.Datastore(), datastore.Options{
		Defaults: w.model.Defaults(), Secret: w.model.Secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := apply.Config{
		Root: w.root, Store: store, Model: w.model, Templates: templates, Services: w.commands,
		BootID: "boot", Log: slog.New(slog.DiscardHandler),
	}
	for _, o := range options {
		o(&c)
	}
	w.store, w.Engine = store, apply.New(c)
	t.Cleanup(func() { w.close(t) })
	return w
}

// close ends the world in an orderly way; once is enough.
func (w *world) close(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := w.store.Close(); err != nil {
		t.Errorf("close store: %v", err)
	}
}

// set is a request that sets settings given as KEY=VALUE without "settings.demo.".
func set(pairs ...string) apply.Request {
	var r apply.Request
	r.Edits.Layer = api.LayerUser
	r.Caller = api.Caller{UID: 1000, PID: 7}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		if !strings.Contains(name, ".") {
			name = "demo." + name
		}
		encoded, _ := json.Marshal(value)
		r.Edits.Set = append(r.Edits.Set, key.Pair{Key: key.MustParse("settings." + name), Value: encoded})
	}
	return r
}

func unset(names ...string) apply.Request {
	r := set()
	for _, name := range names {
		r.Edits.Unset = append(r.Edits.Unset, key.MustParse("settings.demo."+name))
	}
	return r
}

// do submits a change and waits for it.
func (w *world) do(t testing.TB, r apply.Request) *api.Change {
	t.Helper()
	c, err := w.Submit(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return w.wait(t, c.ID)
}

func (w *world) wait(t testing.TB, id uint64) *api.Change {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := w.Wait(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// must fails the test unless a change ended in the state.
func must(t testing.TB, c *api.Change, want api.State) *api.Change {
	t.Helper()
	if c.State != want {
		t.Fatalf("change %d is %s, want %s; error %v; tasks %+v", c.ID, c.State, want, c.Error, c.Tasks)
	}
	return c
}

// file is the content of a file below the root, or "absent".
func (w *world) file(name string) string {
	data, err := os.ReadFile(w.root.Join(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "absent"
	}
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data))
}

// setting is the effective value of settings.demo.NAME, or "absent".
func (w *world) setting(name string) string {
	entry, ok := w.store.Snapshot().Get(key.MustParse("settings.demo." + name))
	if !ok {
		return "absent"
	}
	return strings.Trim(string(entry.Value), `"`)
}

// tree is everything below a folder: path, mode, modification time and content.
func tree(t testing.TB, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := name + " " + info.Mode().String() + " " + info.ModTime().String()
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += " " + string(data)
		}
		all = append(all, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func summaries(c *api.Change) []string {
	list := []string{}
	for _, task := range c.Tasks {
		list = append(list, task.Kind+" "+task.Summary+" "+string(task.State))
	}
	return list
}

// pend puts settings into a pending transaction.
func (w *world) pend(t testing.TB, name string, pairs ...key.Pair) {
	t.Helper()
	err := w.store.Update(t.Context(), datastore.Author{}, func(tx *datastore.Tx) error { return tx.SetPending(name, pairs) })
	if err != nil {
		t.Fatal(err)
	}
}

// contextUntilNow is a context whose time is up.
func contextUntilNow(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithDeadline(t.Context(), time.Now())
}
