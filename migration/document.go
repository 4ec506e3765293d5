package migration

import (
	"errors"
	"iter"
	"maps"
	"slices"
)

// FormatVersion is the version of the document that this package reads and writes.
const FormatVersion = 1

// Limits of a document. They bound what a migration may cost, in whichever
// program reads what it wrote.
const (
	MaxDocument     = 256 << 20 // bytes of its text
	MaxValue        = 4 << 20   // bytes of one value
	MaxKeys         = 1 << 20   // keys in one part, and as many metadata
	MaxTransactions = 1000      // pending ones
	MaxName         = 1024      // bytes of the name of a transaction or of a metadata
)

// ErrFormatVersion is returned by Read for a document of another format version.
var ErrFormatVersion = errors.New("document has another format version")

// Document is all that a migration sees and all that it answers. As JSON it is
//
//	{"version": 1,
//	 "os": {"pretty_name": …, "variant_id": …, "version_id": …, "build_id": …, "arch": …},
//	 "from": "1.2.0", "to": "1.3.0",
//	 "live": {
//	   "data":     {"settings.motd": "hello", …},
//	   "layers":   {"settings.motd": "user", …},
//	   "metadata": {"settings.motd": {"strength": "weak"}, …}},
//	 "shadowed": {"user-data": {"data": {…}}, "generated": {"data": {…}}},
//	 "pending":  {"TRANSACTION": {"data": {…}}, …}}
//
// live holds the effective value of every stored setting and the layer that it
// is from; shadowed the values that a higher layer hides, by their layer;
// pending the transactions that are not committed yet. Keys are dotted, a
// segment with a dot in double quotes. Values are any JSON. A member that is
// not needed may be left out, but for version and live.
//
// The answer has the same form, without os: that is the running image's, to be
// looked at only. A setting that is new in the answer and has no layer is the
// user's. Members that this package does not know stay as they are.
type Document struct {
	OS       OS
	From, To string // versions of the image; those of the whole way, not of one step
	Live     *Store
	Shadowed map[Layer]*Store  // what higher layers hide
	Pending  map[string]*Store // by the name of the transaction

	unknown []member
	size    int // of the text that it was read from
}

// OS is the image that is running, as the API and templates know it.
type OS struct {
	PrettyName string `json:"pretty_name"`
	VariantID  string `json:"variant_id"`
	VersionID  string `json:"version_id"`
	BuildID    string `json:"build_id"`
	Arch       string `json:"arch"`
}

// Layer is where a setting's value comes from.
type Layer string

// The layers that are stored, from the lowest to the highest.
const (
	Generated Layer = "generated" // setting generators
	UserData  Layer = "user-data" // user data at boot
	User      Layer = "user"      // the API
)

// Layers lists the layers that are stored, from the lowest to the highest.
func Layers() []Layer { return slices.Clone(layerNames[:]) }

var layerNames = [...]Layer{Generated, UserData, User}

// NewDocument returns an empty document between two versions.
func NewDocument(from, to string) *Document {
	return &Document{From: from, To: to, Live: NewStore(), Shadowed: map[Layer]*Store{}, Pending: map[string]*Store{}}
}

// Parts are the live settings, what higher layers hide, and the pending
// transactions, always in the same order, each with a name for messages.
func (d *Document) Parts() iter.Seq2[string, *Store] {
	return func(yield func(string, *Store) bool) {
		if d.Live != nil && !yield("live", d.Live) {
			return
		}
		for _, layer := range slices.Sorted(maps.Keys(d.Shadowed)) {
			if !yield("shadowed "+string(layer), d.Shadowed[layer]) {
				return
			}
		}
		for _, name := range slices.Sorted(maps.Keys(d.Pending)) {
			if !yield("pending "+name, d.Pending[name]) {
				return
			}
		}
	}
}

// member is one member of an object that this version does not know.
type member struct {
	name string
	text []byte
}
