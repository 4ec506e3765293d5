// Package updatetest makes hosts for tests of updates: a root with an image of
// a disk, and a repository that offers it releases.
//
// Start with [New], then [Host.Offer]. [Host.Boot] does what the boot loader
// does. The repository serves itself; see package tufrepotest for how to spoil it.
package updatetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/pierrec/lz4/v4"

	"github.com/hostler-os/hostler/internal/migrate/migratetest"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// Variant is that of the hosts, and Arch their architecture.
const Variant = "metal-dev"

// Host is a host under test.
type Host struct {
	Root paths.Root
	Repo *tufrepotest.Repo

	Arch     string
	Manifest manifest.Manifest // of what is published; Publish after changing it

	t       testing.TB
	running manifest.Version
}

// New lays out a host that runs a version, and a repository without releases.
// A root that exists, such as a sandbox, gets what it lacks.
func New(t testing.TB, root paths.Root, version string) *Host {
	t.Helper()
	h := &Host{Root: root, Repo: tufrepotest.New(t), Arch: arch(), t: t}
	h.Configure("latest")
	h.Run(version)
	h.write(root.TrustedRoot(), string(h.Repo.Root()))
	disk := filepath.Join(t.TempDir(), "disk.img")
	if err := errors.Join(slot.CreateImage(disk, slot.MinSize, 512), slot.Assign(root, disk, slot.A)); err != nil {
		t.Fatal(err)
	}
	h.Publish()
	return h
}

// Configure writes the files that are rendered from settings.
func (h *Host) Configure(lock string) {
	h.t.Helper()
	h.write(h.Root.Updog(), fmt.Sprintf(
		"metadata_base_url = %q\ntargets_base_url = %q\nseed = 512\nversion_lock = %q\nignore_waves = false\n",
		h.Repo.URL+"/metadata", h.Repo.URL+"/targets", lock,
	))
	h.write(h.Root.UpdaterConfig(), fmt.Sprintf("version-lock = %q\n", lock))
}

// Run makes the host say that it runs a version.
func (h *Host) Run(version string) {
	h.t.Helper()
	var err error
	if h.running, err = manifest.ParseVersion(version); err != nil {
		h.t.Fatal(err)
	}
	h.write(h.Root.OSRelease(), fmt.Sprintf("VARIANT_ID=%s\nVERSION_ID=%s\nBUILD_ID=test\nPRETTY_NAME=\"A Host\"\n", Variant, version))
}

func (h *Host) write(path, text string) {
	h.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		h.t.Fatal(err)
	}
}

// Offer publishes a release whose images have this many bytes each, with waves.
func (h *Host) Offer(version string, size int, waves ...manifest.Wave) {
	h.t.Helper()
	v, err := manifest.ParseVersion(version)
	if err != nil {
		h.t.Fatal(err)
	}
	u := manifest.Update{Variant: Variant, Arch: h.Arch, Version: v, MaxVersion: v, Waves: waves}
	for i, name := range []*string{&u.Images.Root, &u.Images.Boot, &u.Images.Hash} {
		*name = fmt.Sprintf("%s-%d.lz4", version, i)
		h.Repo.AddTarget("targets", *name, h.pack(Image(version, i, size)))
	}
	h.migrate(v)
	h.Manifest.Updates = append(h.Manifest.Updates, u)
	for i := range h.Manifest.Updates {
		h.Manifest.Updates[i].MaxVersion = h.Manifest.Updates[len(h.Manifest.Updates)-1].Version
	}
	h.Publish()
}

// migrate lets data be carried between the version that runs and another, by one target.
func (h *Host) migrate(to manifest.Version) {
	h.t.Helper()
	from := h.running
	if to == from {
		return
	}
	if to.Compare(from) < 0 {
		from, to = to, from
	}
	name := fmt.Sprintf("migrate_v%s_noop.lz4", to)
	h.Repo.AddTarget("targets", name, migratetest.Guest(h.t))
	h.Manifest.Migrations = append(h.Manifest.Migrations, manifest.Migration{From: from, To: to, Targets: []string{name}})
}

// Publish publishes the manifest as it is.
func (h *Host) Publish() {
	h.t.Helper()
	text, err := h.Manifest.Format()
	if err != nil {
		h.t.Fatal(err)
	}
	h.Repo.AddTarget("targets", manifest.Name, text)
	h.Repo.Publish("targets", "snapshot", "timestamp")
}

// Image is the content of an image of a release: 0 root, 1 boot, 2 hash.
func Image(version string, number, size int) []byte {
	seed := uint64(number)
	for _, c := range version {
		seed = seed*31 + uint64(c)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

func (h *Host) pack(data []byte) []byte {
	h.t.Helper()
	var out bytes.Buffer
	z := lz4.NewWriter(&out)
	_, err := z.Write(data)
	if err := errors.Join(err, z.Close()); err != nil {
		h.t.Fatal(err)
	}
	return out.Bytes()
}

// Disk is the host's disk.
func (h *Host) Disk() *slot.Disk {
	h.t.Helper()
	d, err := slot.Of(h.Root)
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

// Sets is what the disk's flags say.
func (h *Host) Sets() slot.Sets {
	h.t.Helper()
	s, err := h.Disk().Sets(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// Boot does what the boot loader does, and makes the host say that it runs a
// version if slot A was taken, or another if it was B.
func (h *Host) Boot(a, b string) slot.Name {
	h.t.Helper()
	booted := slot.A
	_, err := h.Disk().Change(context.Background(), func(s slot.State) (slot.State, error) {
		after, ok := s.Boot()
		if !ok {
			return s, errors.New("nothing boots")
		}
		booted, after.Active = after.Active, s.Active
		return after, nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := slot.Assign(h.Root, h.Disk().Path, booted); err != nil {
		h.t.Fatal(err)
	}
	h.Run(map[slot.Name]string{slot.A: a, slot.B: b}[booted])
	if err := os.RemoveAll(h.Root.Join("/run/cache")); err != nil {
		h.t.Fatal(err)
	}
	return booted
}

// Check compares the spare slot with a release whose images have this many bytes.
func (h *Host) Check(version string, size int) {
	h.t.Helper()
	s := h.Sets()
	for i, kind := range []slot.Kind{slot.RootPartition, slot.BootPartition, slot.HashPartition} {
		e := s.Extents[s.Active.Other()][kind]
		f, err := os.Open(e.Path)
		if err != nil {
			h.t.Fatal(err)
		}
		got := make([]byte, size)
		_, err = f.ReadAt(got, e.Offset)
		if f.Close(); err != nil || !bytes.Equal(got, Image(version, i, size)) {
			h.t.Errorf("image %d of %s is not in the spare slot: %v", i, version, err)
		}
	}
}

// Spoil changes a byte of the boot image in the spare slot, as a disk that forgets does.
func (h *Host) Spoil() {
	h.t.Helper()
	s := h.Sets()
	e := s.Extents[s.Active.Other()][slot.BootPartition]
	f, err := os.OpenFile(e.Path, os.O_RDWR, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	b := []byte{0}
	_, err = f.ReadAt(b, e.Offset)
	b[0]++
	_, wrote := f.WriteAt(b, e.Offset)
	if err := errors.Join(err, wrote, f.Close()); err != nil {
		h.t.Fatal(err)
	}
}

// arch is that of the release that this test's own system would be.
func arch() string {
	if runtime.GOARCH == "arm64" {
		return "aarch64"
	}
	return "x86_64"
}

// Lose makes the repository lose an image of a release: 0 root, 1 boot, 2 hash.
func (h *Host) Lose(version string, number, size int) {
	h.t.Helper()
	name := fmt.Sprintf("%s-%d.lz4", version, number)
	h.Repo.Put(tufrepotest.TargetFile(name, h.pack(Image(version, number, size))), nil)
}
