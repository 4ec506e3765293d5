package refstore

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"

	"github.com/hostler-os/hostler/internal/key"
)

// Limits of what is read and written.
const (
	MaxFiles = 200_000  // files and folders
	MaxBytes = 64 << 20 // of all files
	MaxFile  = 4 << 20  // bytes of one file
	maxDepth = 128      // folders; a key of 255 bytes has no more segments
	maxTx    = 1000     // pending transactions
)

// ErrNone is returned by Read when there is no datastore in the folder.
var ErrNone = errors.New("there is no datastore")

// Store is all that a datastore holds. Lists are sorted by key.
type Store struct {
	Version string // of the data, as the links say it: "1.26.1"
	Folder  string // the name of the folder that the links lead to
	Live    Part
	Pending map[string]Part // by the name of the transaction

	// Ignored are the paths of files below the folder whose names are no keys;
	// the reference passes over them too.
	Ignored []string
}

// Part is the live data, or that of a pending transaction.
type Part struct {
	Data     []key.Pair
	Metadata []Metadata
}

// Metadata is one metadata of one key, which may have no value.
type Metadata struct {
	Key   key.Key
	Name  string
	Value json.RawMessage
}

func (p *Part) sort() {
	slices.SortFunc(p.Data, func(a, b key.Pair) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(p.Metadata, func(a, b Metadata) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Name, b.Name))
	})
}

// Value returns the value of a key.
func (p Part) Value(k key.Key) (json.RawMessage, bool) {
	i, ok := slices.BinarySearchFunc(p.Data, k, func(a key.Pair, k key.Key) int { return cmp.Compare(a.Key, k) })
	if !ok {
		return nil, false
	}
	return p.Data[i].Value, true
}
