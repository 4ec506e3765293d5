package tufrepo

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// envelope is a metadata file before it is believed.
type envelope struct {
	raw        []byte   // as it came
	text       []byte   // the member "signed", as it came
	forms      [][]byte // what a signature of it may cover
	signatures map[string][]byte
}

// parseEnvelope takes a metadata file apart. The JSON reader refuses repeated
// members and broken UTF-8 at any depth.
func parseEnvelope(what string, raw []byte) (envelope, error) {
	var file struct {
		Signed     jsontext.Value `json:"signed"`
		Signatures []struct {
			KeyID string `json:"keyid"`
			Sig   string `json:"sig"`
		} `json:"signatures"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return envelope{}, &Error{Kind: ErrMalformed, What: what, Err: err}
	}
	if file.Signed.Kind() != '{' {
		return envelope{}, malformed(what, "no object \"signed\" in it")
	}
	forms, err := canonicalForms(file.Signed)
	if err != nil {
		return envelope{}, &Error{Kind: ErrMalformed, What: what, Err: err}
	}
	e := envelope{raw: raw, text: file.Signed, forms: forms, signatures: map[string][]byte{}}
	for _, s := range file.Signatures {
		if _, twice := e.signatures[s.KeyID]; twice {
			return envelope{}, malformed(what, "key %s signed twice", printable(s.KeyID))
		}
		// What is not hexadecimal is a signature that is not valid.
		sig, _ := hex.DecodeString(s.Sig)
		e.signatures[s.KeyID] = sig
	}
	return e, nil
}

// forget drops what is needed only until signatures are checked.
func (e *envelope) forget() { e.text, e.forms, e.signatures = nil, nil, nil }

// digests are what metadata says of a file: algorithm to hexadecimal digest.
type digests map[string]string

// known are the algorithms that are checked; others in metadata are passed over.
// The first one present names files in consistent snapshots.
var known = []struct {
	name string
	new  func() hash.Hash
}{
	{"sha256", sha256.New},
	{"sha512", sha512.New},
}

// prefix is the digest that stands before a file's name, in hexadecimal.
func (d digests) prefix() string {
	for _, k := range known {
		if sum, ok := d[k.name]; ok {
			return sum
		}
	}
	return ""
}

func (d digests) hashers() map[string]hash.Hash {
	h := map[string]hash.Hash{}
	for _, k := range known {
		if _, ok := d[k.name]; ok {
			h[k.name] = k.new()
		}
	}
	return h
}

// compare holds computed digests against the expected ones; at least one must be known.
func (d digests) compare(what string, got map[string]hash.Hash) error {
	if len(got) == 0 {
		names := strings.Join(slices.Sorted(maps.Keys(d)), ", ")
		return &Error{
			Kind: ErrHash, What: what,
			Text: fmt.Sprintf("hashed with %q only; sha256 or sha512 is needed", names),
			Hint: "the publisher must list a sha256 hash",
		}
	}
	for _, k := range known {
		h, ok := got[k.name]
		if !ok {
			continue
		}
		if sum := hex.EncodeToString(h.Sum(nil)); sum != d[k.name] {
			return &Error{
				Kind: ErrHash, What: what,
				Text: fmt.Sprintf("%s is %s, expected %s", k.name, sum, d[k.name]),
				Hint: "the file was altered or damaged on its way, or published wrongly; try again, or tell the publisher",
			}
		}
	}
	return nil
}

// check holds a whole file against its length (if length is not negative) and digests (if there are any).
func (d digests) check(what string, data []byte, length int64) error {
	if length >= 0 && int64(len(data)) != length {
		return wrongLength(what, int64(len(data)), length)
	}
	if len(d) == 0 {
		return nil
	}
	h := d.hashers()
	for _, one := range h {
		one.Write(data)
	}
	return d.compare(what, h)
}

func wrongLength(what string, got, want int64) error {
	return &Error{
		Kind: ErrLength, What: what,
		Text: fmt.Sprintf("%d bytes, expected %d", got, want),
		Hint: "the file was altered on its way or published wrongly; try again, or tell the publisher",
	}
}
