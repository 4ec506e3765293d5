//go:build integration

package kill_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
)

// generations are the settings that every change sets, all to the number of
// its generation, with the files that show it. So a mix of two changes shows.
var generations = []struct {
	key    key.Key
	format string // of the value, as JSON
	file   string
	shows  string
}{
	{"settings.motd", `"generation %d"`, "/etc/motd", "generation %d"},
	{"settings.ntp.time-servers", `["g%d.example.com"]`, "/etc/chrony.conf", "g%d.example.com"},
	{"settings.network.https-proxy", `"g%d.example.com:3128"`, "/etc/network/proxy.env", "g%d.example.com:3128"},
	{`settings.kernel.sysctl."kernel.g"`, `"%d"`, "/etc/corndog.toml", `"%d"`},
}

// victim opens what its former life left, looks at it, and makes changes until
// it is killed, saying what it does. The generation to begin with is read from in.
func victim(root string, in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	next, err := strconv.Atoi(string(text))
	if err != nil {
		return err
	}
	e, store, err := revive(paths.Root(root))
	if err != nil {
		return err
	}
	found, err := look(e, store, paths.Root(root))
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "found", found)
	for n := next; ; n++ {
		fmt.Fprintln(out, "trying", n)
		c, err := change(e, n)
		if err != nil {
			return err
		}
		if c.State == api.StateDone {
			fmt.Fprintln(out, "done", n)
		}
	}
}

// revive opens the store and lets the engine recover.
func revive(root paths.Root) (*apply.Engine, *datastore.Store, error) {
	m, err := model.Load(hostler.Assets, "metal-dev")
	if err != nil {
		return nil, nil, err
	}
	templates, err := fs.Sub(hostler.Assets, "templates")
	if err != nil {
		return nil, nil, err
	}
	store, err := datastore.Open(root.Datastore(), datastore.Options{Defaults: m.Defaults(), Secret: m.Secret, Valid: m.Check})
	if err != nil {
		return nil, nil, err
	}
	e := apply.New(apply.Config{
		Root: root, Store: store, Model: m, Templates: templates, Services: moody{},
		Log: slog.New(slog.DiscardHandler),
	})
	return e, store, e.Recover(context.Background())
}

// moody is a service manager whose commands fail now and then, so that changes
// are undone and killed while they are.
type moody struct{}

func (moody) Run(context.Context, service.Command) (string, error) {
	if rand.IntN(20) == 0 {
		return "", errors.New("in a bad mood")
	}
	return "", nil
}

func (moody) DaemonReload(context.Context) error { return nil }
func (moody) Close() error                       { return nil }

// look waits until every change is over and returns the generation that all
// settings and files are of.
func look(e *apply.Engine, store *datastore.Store, root paths.Root) (int, error) {
	changes, err := e.Changes(0, 20)
	if err != nil {
		return 0, err
	}
	for _, c := range changes {
		if c, err := e.Wait(context.Background(), c.ID); err != nil || !c.State.Final() {
			return 0, fmt.Errorf("change %d: %v, %w", c.ID, c.State, err)
		}
	}
	generation := 0
	if entry, ok := store.Snapshot().Get("settings.motd"); ok && entry.Layer == api.LayerUser {
		if _, err := fmt.Sscanf(string(entry.Value), `"generation %d"`, &generation); err != nil {
			return 0, err
		}
	}
	return generation, errors.Join(agree(e, store, root, generation), noLeftovers(root))
}

// noLeftovers looks for temporary files beside the rendered ones.
func noLeftovers(root paths.Root) error {
	etc := root.Join("/etc")
	return filepath.WalkDir(etc, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name == etc {
			return nil
		}
		if err == nil && strings.Contains(d.Name(), ".hostler-") {
			return fmt.Errorf("left over: %s", name)
		}
		return err
	})
}

// agree checks that every setting and file is of one generation, and that
// rendering all of them again would change nothing.
func agree(e *apply.Engine, store *datastore.Store, root paths.Root, generation int) error {
	if generation == 0 {
		return nil // nothing was ever set
	}
	for _, g := range generations {
		value, _ := store.Snapshot().ValueIn(api.LayerUser, g.key)
		if want := fmt.Sprintf(g.format, generation); string(value) != want {
			return fmt.Errorf("%s is %s, want %s", g.key, value, want)
		}
		data, err := os.ReadFile(root.Join(g.file))
		if err != nil {
			return err
		}
		if want := fmt.Sprintf(g.shows, generation); !strings.Contains(string(data), want) {
			return fmt.Errorf("%s does not show %s: %s", g.file, want, data)
		}
	}
	plan, err := e.Plan(context.Background(), request(generation))
	if err != nil {
		return err
	}
	for _, f := range plan.Files {
		if f.Action != api.FileUnchanged {
			return fmt.Errorf("%s is not what its settings say: %s", f.Path, f.Action)
		}
	}
	return nil
}

func request(generation int) apply.Request {
	r := apply.Request{Edits: datastore.Edits{Layer: api.LayerUser}, Caller: api.Caller{PID: int32(os.Getpid())}}
	for _, g := range generations {
		value := json.RawMessage(fmt.Sprintf(g.format, generation))
		r.Edits.Set = append(r.Edits.Set, key.Pair{Key: g.key, Value: value})
	}
	return r
}

func change(e *apply.Engine, generation int) (*api.Change, error) {
	c, err := e.Submit(context.Background(), request(generation))
	if err != nil {
		return nil, err
	}
	return e.Wait(context.Background(), c.ID)
}
