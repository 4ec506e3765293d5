package update

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pierrec/lz4/v4"

	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// world is a host with a disk image, and a repository that offers it 1.1.0.
type world struct {
	t      testing.TB
	repo   *tufrepotest.Repo
	host   Host
	path   string // of the disk
	images map[string][]byte
	active slot.Name
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, repo: tufrepotest.New(t), images: map[string][]byte{}, path: filepath.Join(t.TempDir(), "disk")}
	if err := slot.CreateImage(w.path, slot.MinSize, 512); err != nil {
		t.Fatal(err)
	}
	root := paths.Root(t.TempDir())
	w.host = Host{
		Root:    root,
		Config:  Config{w.repo.URL + "/metadata", w.repo.URL + "/targets", 7, "latest", false, "", nil},
		Release: osrelease.Release{VariantID: "v", VersionID: "1.0.0", Arch: "x86_64"},
		Now:     time.Now, Log: slog.New(slog.DiscardHandler),
	}
	if err := os.MkdirAll(filepath.Dir(root.TrustedRoot()), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root.TrustedRoot(), w.repo.Root(), 0o644); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"root", "boot", "hash"} {
		w.images[name] = noise(uint64(i), 700_000)
		w.repo.AddTarget("targets", name+".lz4", packed(t, w.images[name]))
	}
	w.repo.AddTarget("targets", "migrate_v1.1.0_x.lz4", packed(t, []byte("a migration")))
	w.offer("1.1.0")
	return w
}

// offer publishes a manifest with a release, changed.
func (w *world) offer(version string, changes ...func(*manifest.Manifest)) {
	w.t.Helper()
	v, err := manifest.ParseVersion(version)
	if err != nil {
		w.t.Fatal(err)
	}
	from, err := manifest.ParseVersion("1.0.0")
	if err != nil {
		w.t.Fatal(err)
	}
	m := manifest.Manifest{
		Updates: []manifest.Update{{
			Variant: "v", Arch: "x86_64", Version: v, MaxVersion: v,
			Images: manifest.Images{Boot: "boot.lz4", Root: "root.lz4", Hash: "hash.lz4"},
		}},
		Migrations: []manifest.Migration{{From: from, To: v, Targets: []string{"migrate_v1.1.0_x.lz4"}}},
	}
	for _, change := range changes {
		change(&m)
	}
	text, err := m.Format()
	if err != nil {
		w.t.Fatal(err)
	}
	w.repo.AddTarget("targets", "manifest.json", text)
	w.repo.Publish("targets", "snapshot", "timestamp")
}

func noise(seed uint64, size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(data) // it never fails
	return data
}

func packed(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := lz4.NewWriter(&out)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (w *world) disk() *slot.Disk {
	w.t.Helper()
	d, err := slot.At(w.path, w.active)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) sets() slot.Sets {
	w.t.Helper()
	s, err := w.disk().Sets(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) journal() *journal.Journal { return journal.Load(w.host.Root, w.host.Log) }

// install is one run of a process that installs what is offered.
func (w *world) install(before func(string) error) error {
	w.t.Helper()
	c, err := Open(context.Background(), w.host)
	if err != nil {
		return err
	}
	choice, err := c.Choose(Wish{})
	if err != nil {
		return err
	}
	u, ok := choice.Chosen()
	if !ok {
		return fmt.Errorf("nothing is offered")
	}
	i := &Installation{Catalog: c, Update: u, Disk: w.disk(), Journal: w.journal(), before: before}
	return i.Run(context.Background())
}

// boot is what the boot loader does.
func (w *world) boot() {
	w.t.Helper()
	next := w.active
	_, err := w.disk().Change(context.Background(), func(s slot.State) (slot.State, error) {
		after, ok := s.Boot()
		if !ok {
			return s, fmt.Errorf("nothing boots")
		}
		next, after.Active = after.Active, s.Active
		return after, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.active = next
}

// check compares the spare slot with the release.
func (w *world) check() {
	w.t.Helper()
	s := w.sets()
	for kind, name := range map[slot.Kind]string{slot.RootPartition: "root", slot.BootPartition: "boot", slot.HashPartition: "hash"} {
		e := s.Extents[w.active.Other()][kind]
		f, err := os.Open(e.Path)
		if err != nil {
			w.t.Fatal(err)
		}
		got := make([]byte, len(w.images[name]))
		_, err = f.ReadAt(got, e.Offset)
		if err != nil || !bytes.Equal(got, w.images[name]) {
			w.t.Errorf("the %s partition is not the image: %v", name, err)
		}
		f.Close()
	}
}

// words are priority, tries and success of A and B.
func (w *world) words() string {
	var text strings.Builder
	for _, word := range w.sets().State.Sets {
		text.WriteString(fmt.Sprintf("%d/%d/%v ", word.Priority(), word.Tries(), word.Successful()))
	}
	return text.String()
}
