package manifest

import (
	"slices"
	"time"
)

// Name is that of the manifest among a repository's targets.
const Name = "manifest.json"

// MaxSize is the size in bytes above which a manifest is refused. One with
// every release of every variant in years stays below a tenth of it.
const MaxSize = 8 << 20

// Manifest is what a repository offers.
type Manifest struct {
	Updates    []Update    // in order of publication
	Migrations []Migration // sorted by the text of their keys
}

// Update is one release of one variant for one architecture.
type Update struct {
	Variant    string
	Arch       string // x86_64 or aarch64
	Version    Version
	MaxVersion Version // the newest that may be run for this variant and architecture
	Waves      Waves
	Images     Images
}

// Images are the names of the targets that hold the partitions' images.
type Images struct{ Boot, Root, Hash string }

// Names lists the images in the order in which they are written.
func (i Images) Names() []string { return []string{i.Root, i.Boot, i.Hash} }

// Migration is the step between two versions: the targets that carry data
// forward, in order. Backward, the same run in the opposite order.
type Migration struct {
	From, To Version
	Targets  []string
}

// key is the name of the member that holds the migration.
func (m Migration) key() string { return "(" + m.From.String() + ", " + m.To.String() + ")" }

// Wave says that hosts whose seed is above Seed begin to get a release at Start.
type Wave struct {
	Seed  uint32
	Start time.Time // UTC
}

// Waves are sorted by seed, each seed once.
type Waves []Wave

// Same tells whether u is the release of that variant, architecture and version.
func (u Update) Same(variant, arch string, version Version) bool {
	return u.Variant == variant && u.Arch == arch && u.Version == version
}

// Find returns the first release of that variant, architecture and version.
func (m *Manifest) Find(variant, arch string, version Version) (Update, bool) {
	i := slices.IndexFunc(m.Updates, func(u Update) bool { return u.Same(variant, arch, version) })
	if i < 0 {
		return Update{}, false
	}
	return m.Updates[i], true
}
