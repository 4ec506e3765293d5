//go:build integration

package powerloss

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/durable/durabletest"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
	"github.com/hostler-os/hostler/internal/update/delta"
	"github.com/hostler-os/hostler/internal/updog"
)

// updateAll is the program: it prepares an update and makes it boot next.
func updateAll(dir string) error {
	for _, command := range []string{"update-image", "update-apply"} {
		announce("begin %s", command)
		if err := updogOn(dir, command); err != nil {
			return err
		}
		announce("done %s", command)
	}
	return nil
}

// updogOn runs a command of updog on the host in a folder, which runs from slot A.
func updogOn(dir, command string) error {
	var stderr strings.Builder
	args := []string{"updog", command, "--root", dir, "--disk", filepath.Join(dir, "disk"), "--active", "A"}
	if updog.Run(context.Background(), args, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: &stderr}) != cli.ExitOK {
		return fmt.Errorf("%s: %s", command, &stderr)
	}
	return nil
}

// host is a host below a folder, with a disk whose both slots boot, and a
// repository that offers it a release.
type host struct {
	t       *testing.T
	dir     string
	base    durabletest.Tree // its files, without the disk
	regions []region         // all of the disk that an update may touch
	root    []byte           // of trust
}

// region is a part of the disk.
type region struct {
	name   string
	offset int64
	before []byte // what is there at first
	after  []byte // what the release has there; nil: that is not for it to say
}

const (
	tableSize = 64 << 10 // more than a copy of the partition table takes
	padding   = 64 << 10 // what an update writes at least
	migration = "migrate_v1.1.0_x.lz4"
)

// newHost makes a host; the release is published in parts, too, or only whole.
func newHost(t *testing.T, inParts bool) *host {
	t.Helper()
	h := &host{t: t, dir: filepath.Join(scratch(t), "host")}
	images := map[slot.Kind][]byte{
		slot.RootPartition: noise(1, 700_000), slot.BootPartition: noise(2, 100_000), slot.HashPartition: noise(3, 70_000),
	}
	h.layFiles(h.publish(images, inParts))
	h.layDisk(images)
	return h
}

func noise(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// publish makes a repository in a folder beside the host.
func (h *host) publish(images map[slot.Kind][]byte, inParts bool) (dir string) {
	h.t.Helper()
	repo := tufrepotest.New(h.t)
	for kind, name := range map[slot.Kind]string{slot.RootPartition: "root", slot.BootPartition: "boot", slot.HashPartition: "hash"} {
		repo.AddTarget("targets", name+".lz4", h.pack(images[kind]))
		if inParts {
			var index, blocks bytes.Buffer
			h.must(delta.Build(h.t.Context(), bytes.NewReader(images[kind]), &index, &blocks))
			repo.AddTarget("targets", delta.IndexName(name+".lz4"), index.Bytes())
			repo.AddTarget("targets", delta.BlocksName(name+".lz4"), blocks.Bytes())
		}
	}
	repo.AddTarget("targets", migration, h.pack([]byte("a migration")))
	release := `{"variant": "v", "arch": "%s", "version": "1.1.0", "max_version": "1.1.0", "waves": {},
		"images": {"boot": "boot.lz4", "root": "root.lz4", "hash": "hash.lz4"}}`
	repo.AddTarget("targets", "manifest.json", fmt.Appendf(nil, `{"updates": [%s, %s], "migrations": {"(1.0.0, 1.1.0)": ["%s"]}}`,
		fmt.Sprintf(release, "x86_64"), fmt.Sprintf(release, "aarch64"), migration))
	repo.Publish("targets", "snapshot", "timestamp")
	dir = filepath.Join(filepath.Dir(h.dir), "repository")
	repo.WriteTo(dir)
	h.root = repo.Root()
	return dir
}

func (h *host) pack(data []byte) []byte {
	h.t.Helper()
	var out bytes.Buffer
	z := lz4.NewWriter(&out)
	_, err := z.Write(data)
	h.must(errors.Join(err, z.Close()))
	return out.Bytes()
}

// layFiles lays out the host's files, among them what a former life has left in
// the places that an update uses.
func (h *host) layFiles(repository string) {
	h.t.Helper()
	r := paths.Root(h.dir)
	for path, text := range map[string]string{
		r.OSRelease():   "VARIANT_ID=v\nVERSION_ID=1.0.0\nBUILD_ID=b\nPRETTY_NAME=p\n",
		r.TrustedRoot(): string(h.root),
		r.Updog(): fmt.Sprintf("metadata_base_url = \"file://%s/metadata/\"\ntargets_base_url = \"file://%[1]s/targets/\"\n"+
			"seed = 7\nversion_lock = \"latest\"\nignore_waves = false\n", repository),
		r.Attempts():                            `{"attempts": [{"id": 1, "ver`,
		r.TrustedMetadata() + "/timestamp.json": `{"signed": {`,
		r.CachedMetadata() + "/9.snapshot.json": `{}`,
		r.CachedMetadata() + "/timestamp.json":  `half of a`,
		r.Migrations() + "/.x.partial":          "half of a migration",
		r.Migrations() + "/.x.partial.json":     `{"length": 7`,
		r.CachedMetadata() + "/.timestamp.json.hostler-" + strings.Repeat("A", 26): "half of a temporary file",
	} {
		h.must(os.MkdirAll(filepath.Dir(path), 0o755))
		h.must(os.WriteFile(path, []byte(text), 0o600))
	}
	var err error
	h.base, err = durabletest.ReadTree(h.dir)
	h.must(err)
}

// layDisk makes the disk: A runs and booted well, B holds an older release that did, too.
func (h *host) layDisk(images map[slot.Kind][]byte) {
	h.t.Helper()
	path := filepath.Join(h.dir, "disk")
	h.must(slot.CreateImage(path, slot.MinSize, 512))
	d, err := slot.At(path, slot.A)
	h.must(err)
	_, err = d.Change(h.t.Context(), func(s slot.State) (slot.State, error) {
		s.Sets[slot.A], s.Sets[slot.B] = running, older
		return s, nil
	})
	h.must(err)
	sets, err := d.Sets(h.t.Context())
	h.must(err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	h.must(err)
	defer f.Close()
	for kind, image := range images {
		e := sets.Extents[slot.B][kind]
		size := (len(image) + padding - 1) / padding * padding
		old := noise(uint64(kind)+10, size)
		for at := padding; at < len(image); at += 2 * padding { // so that it takes several writes
			copy(old[at:min(at+padding, len(old))], image[at:])
		}
		_, err := f.WriteAt(old, e.Offset)
		h.must(err)
		h.regions = append(h.regions, region{kind.String(), e.Offset, old, image})
	}
	hash := sets.Extents[slot.B][slot.HashPartition]
	for name, offset := range map[string]int64{
		"primary table": 0, "backup table": slot.MinSize - tableSize,
		"end of slot B": hash.Offset + hash.Size - tableSize, // where the disk is probed
	} {
		data := make([]byte, tableSize)
		_, err := f.ReadAt(data, offset)
		h.must(err)
		h.regions = append(h.regions, region{name: name, offset: offset, before: data})
	}
	slices.SortFunc(h.regions, func(a, b region) int { return strings.Compare(a.name, b.name) })
}

// The flags of a slot.
var (
	running = slot.Word(0x0102000000000000) // A: it runs and booted well
	older   = slot.Word(0x0101000000000000) // B: it booted well, once
	cleared = slot.Word(0)
	valid   = slot.Word(0x0010000000000000)
	applied = slot.Word(0x0012000000000000)
	backup  = slot.Word(0x0101000000000000) // A, when B is to boot next
)

// asLaid is the host as it was laid out, the disk in its parts.
func (h *host) asLaid() durabletest.Tree {
	tree := maps.Clone(h.base)
	for _, r := range h.regions {
		tree[r.file()] = durabletest.Node{Mode: 0o600, Data: r.before}
	}
	return tree
}
