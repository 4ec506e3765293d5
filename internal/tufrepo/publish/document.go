package publish

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/signer"
)

// The four roles of a repository.
const (
	RootRole      = "root"
	SnapshotRole  = "snapshot"
	TargetsRole   = "targets"
	TimestampRole = "timestamp"
)

// Roles lists them in the order in which they are shown.
var Roles = []string{RootRole, TargetsRole, SnapshotRole, TimestampRole}

// specVersion is what the reference's tools write.
const specVersion = "1.0.0"

// MaxSize is what a metadata file has at most: what clients read of the largest.
const MaxSize = 10 << 20

// Header is what metadata of every role begins with. Members that nobody here
// knows are kept in each type: they are signed, too.
type Header struct {
	Type        string `json:"_type"`
	SpecVersion string `json:"spec_version"`
}

// Targets is targets metadata.
type Targets struct {
	Header
	Version     int64             `json:"version"`
	Expires     time.Time         `json:"expires"`
	Targets     map[string]Target `json:"targets"`
	Delegations jsontext.Value    `json:"delegations,omitzero"`
	Unknown     jsontext.Value    `json:",embed"`
}

// Target is what is said of a file.
type Target struct {
	Length  int64             `json:"length"` // bytes
	Hashes  map[string]string `json:"hashes"` // algorithm to hexadecimal digest
	Custom  jsontext.Value    `json:"custom,omitzero"`
	Unknown jsontext.Value    `json:",embed"`
}

// Index is snapshot or timestamp metadata: which files are the newest.
type Index struct {
	Header
	Version int64           `json:"version"`
	Expires time.Time       `json:"expires"`
	Meta    map[string]Meta `json:"meta"`
	Unknown jsontext.Value  `json:",embed"`
}

// Meta is what is said of a metadata file.
type Meta struct {
	Length  int64             `json:"length,omitzero"`
	Hashes  map[string]string `json:"hashes,omitempty"`
	Version int64             `json:"version"`
	Unknown jsontext.Value    `json:",embed"`
}

// Document is a metadata file that is being signed.
type Document struct {
	Signed     jsontext.Value `json:"signed"`
	Signatures []Signature    `json:"signatures"`
}

// Signature is one key's.
type Signature struct {
	KeyID string         `json:"keyid"`
	Sig   string         `json:"sig"` // hexadecimal
	More  jsontext.Value `json:",embed"`
}

// NewDocument is a body without signatures.
func NewDocument(body any) (*Document, error) {
	text, err := json.Marshal(body, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("write metadata: %w", err)
	}
	return &Document{Signed: text, Signatures: []Signature{}}, nil
}

// ParseDocument reads a metadata file; no signature is looked at.
func ParseDocument(raw []byte) (*Document, error) {
	d := new(Document)
	if err := json.Unmarshal(raw, d); err != nil {
		return nil, err
	}
	if d.Signed.Kind() != '{' {
		return nil, errors.New(`no object "signed" in it: it is no metadata file`)
	}
	return d, nil
}

// Body reads what is signed.
func (d *Document) Body(into any) error { return json.Unmarshal(d.Signed, into) }

// Encode writes the file as the reference's tools do: indented by two spaces,
// maps sorted, with a newline at the end.
func (d *Document) Encode() ([]byte, error) {
	text, err := json.Marshal(d, jsontext.Multiline(true), jsontext.WithIndent("  "), json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("write metadata: %w", err)
	}
	return append(text, '\n'), nil
}

// message is what signatures cover.
func (d *Document) message() ([]byte, error) { return tufrepo.Canonical(d.Signed) }

// valid tells whether key made the signature that stands under id.
func (d *Document) valid(id string, key signer.Key, message []byte) bool {
	for _, s := range d.Signatures {
		if s.KeyID != id {
			continue
		}
		sig, err := hex.DecodeString(s.Sig)
		return err == nil && key.Verify(message, sig)
	}
	return false
}

// put adds a signature, or replaces that of the same key.
func (d *Document) put(id string, sig []byte) {
	s := Signature{KeyID: id, Sig: hex.EncodeToString(sig)}
	for i := range d.Signatures {
		if d.Signatures[i].KeyID == id {
			d.Signatures[i] = s
			return
		}
	}
	d.Signatures = append(d.Signatures, s)
}

// whole is a time as metadata has it: in UTC, without fractions, which not every client verifies.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// Merge takes over the signatures of a copy.
func (d *Document) Merge(other *Document) error {
	mine, err := d.message()
	if err != nil {
		return err
	}
	theirs, err := other.message()
	if err != nil {
		return err
	}
	if string(mine) != string(theirs) {
		return hinted("it is no copy: other bytes are signed in it", "compare both with pubsys root show, and sign again what is right")
	}
	for _, s := range other.Signatures {
		if !slices.ContainsFunc(d.Signatures, func(o Signature) bool { return o.KeyID == s.KeyID }) {
			d.Signatures = append(d.Signatures, s)
		}
	}
	return nil
}
